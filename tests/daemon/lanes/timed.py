"""The lane of messages on a clock in the hand: how busy the machine is changes nothing.

The lane, the engine and the store are the daemon's own. The modems are drivers whose network takes as long as a test
says, by the same clock.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from daemon.clock import Clock
from daemon.config import Modem
from daemon.core.commands import Policy, Start
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, AttemptState, Channel, Step
from daemon.core.ownership import Caller
from daemon.engine import Engine
from daemon.lanes.sms import SmsLane
from daemon.pins import Pins
from daemon.store.store import Store
from drivers import (
    REFERENCES,
    DeviceState,
    DriverError,
    LeftBehind,
    ModemStatus,
    Receipt,
    Refused,
    Sms,
    SmsListener,
    StateChanged,
)
from tests.daemon.conftest import Hand
from tests.daemon.core.story import request

T = TypeVar("T")
TICK_S = 0.5
COMMITS = 6  # at the most in a row that one event causes: the end of a message, the start of the next, ...


class HandLoop(asyncio.SelectorEventLoop):
    """Its timers fire when the clock in the hand says so."""

    def __init__(self, hand: Hand) -> None:
        super().__init__()
        self._hand, self._start = hand, hand.monotonic()

    def time(self) -> float:
        """Since the start: a small number, beside which asyncio's resolution of a nanosecond is not rounded away."""
        return self._hand.monotonic() - self._start


def by_hand(hand: Hand, main: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=lambda: HandLoop(hand)) as runner:
        return runner.run(main)


def accepts(_: Sms) -> DriverError | None:
    return None


class TimedModem:
    """A modem whose network takes so many seconds for a message. answer: why it refuses one; None where it does not."""

    def __init__(self, takes_s: float, answer: Callable[[Sms], DriverError | None] = accepts) -> None:
        self.name = ""
        self.takes_s = takes_s
        self.answer = answer
        self.accepted: list[tuple[str, float]] = []  # number, and when by the event loop's clock
        self.refused = 0
        self._state = DeviceState.CLOSED
        self._listener: SmsListener = lambda _: Future()

    def open(self, listener: SmsListener, _: Sequence[LeftBehind] = ()) -> None:
        self._listener = listener
        self.become(DeviceState.READY)

    def become(self, state: DeviceState) -> None:
        self._state = state
        self._listener(StateChanged())

    def send(self, sms: Sms) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()
        asyncio.get_running_loop().call_later(self.takes_s, self._end, sms, future)
        return future

    def _end(self, sms: Sms, future: Future[Receipt]) -> None:
        failure = self.answer(sms)
        if failure is not None:
            self.refused += 1
            future.set_exception(failure)
            return
        self.accepted.append((sms.number, asyncio.get_running_loop().time()))
        future.set_result(Receipt((len(self.accepted) % REFERENCES,)))

    def ask(self, _: str) -> Future[tuple[str, ...]]:
        future: Future[tuple[str, ...]] = Future()
        future.set_exception(Refused("it answers no questions"))
        return future

    def status(self) -> ModemStatus:
        return ModemStatus(self._state)

    def close(self) -> None:
        self._state = DeviceState.CLOSED


class TimedLane:
    """Every method is for the event loop's thread."""

    def __init__(self, store: Store, hand: Hand, *modems: TimedModem) -> None:
        for place, modem in enumerate(modems, 1):
            modem.name = f"sim{place}"
        self.hand = hand
        self.engine = Engine(store, Clock(_wall=hand.at, _monotonic=hand.at), Pins(b"k" * 32), Policy())
        self.lane = SmsLane(self.engine, [(modem, Modem(modem.name)) for modem in modems], lambda _, pin: pin)
        self.engine.lanes[Channel.SMS] = self.lane
        self.lane.open()

    async def start(self, number: str, lives_s: int, *waits_s: int) -> str:
        """A request whose PIN lives so long; its id. waits_s: after each of its messages; one message if not given."""
        plan = request(
            pin_expiry=lives_s, steps=tuple(Step(Channel.SMS, s(wait_s)) for wait_s in waits_s or (lives_s,))
        )
        new = replace(
            plan,
            id=f"{int(number):032x}",
            number=number,
            created_at=self.engine.clock.now(),
        )
        await self.engine.do(Start(Caller(), new))
        await self._quiet()
        return new.id

    async def burst(self, count: int, every_s: float, lives_s: int) -> list[str]:
        """Requests, one every so many seconds; their ids."""
        ids = []
        for place in range(count):
            ids.append(await self.start(f"44770090{place:04}", lives_s))
            await self.passes(every_s)
        return ids

    async def passes(self, seconds: float) -> None:
        """So much time, and all that happens in it."""
        for _ in range(round(seconds / TICK_S)):
            self.hand.at += TICK_S
            await self._quiet()

    async def _quiet(self) -> None:
        """Until nothing is left that happens without the clock."""
        for _ in range(COMMITS):
            await self.engine.store.turn()

    def attempt(self, request_id: str, step: int = 0) -> Attempt:
        found = self.engine.store.reading.request(request_id)
        assert found is not None
        return found[1].attempts[step]

    def states(self, ids: Sequence[str]) -> list[AttemptState]:
        return [self.attempt(request_id).state for request_id in ids]

    @property
    def overload(self) -> str:
        """What an operator reads; "" where there is none."""
        return str(self.lane.snapshot().overload or "")
