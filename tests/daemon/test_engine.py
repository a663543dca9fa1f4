"""The engine on its real store and wheel, with the clock in hand."""

import asyncio
import threading
from dataclasses import replace

import pytest

from daemon.clock import Clock
from daemon.core.commands import Begin, Cancel, Check, Next, Policy, Settle, Start
from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.model import AttemptState, Channel, Request, Verdict
from daemon.core.outcomes import Accepted, Busy, Outcome, Unknown, WrongCode
from daemon.core.ownership import Caller
from daemon.core.request_states import pin_letter
from daemon.engine import Engine, Job
from daemon.ids import request_id
from daemon.pins import Pins
from daemon.store.store import Store
from tests.daemon.conftest import LATE_S, Hand
from tests.daemon.core.story import REFERENCE, request

STARTS = (0.0, 0.0004, 0.3337, 0.4564, 0.9995)  # fractions of a second


class Sends:
    """A lane whose device takes each delivery at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recover(self) -> None: ...

    def put(self, job: Job) -> None:
        self._engine.do(Begin(job.request_id, job.step, "sim1"))
        self._engine.do(Settle(job.request_id, job.step, Verdict.TAKEN, "sim1"))

    waiting = 0

    def stop(self, request_id: str) -> None: ...


def engine_on(store: Store, hand: Hand) -> Engine:
    engine = Engine(store, Clock(_wall=hand.at, _monotonic=hand.at), Pins(b"k" * 32), Policy())
    engine.lanes = dict.fromkeys(Channel, Sends(engine))
    engine.recover()
    return engine


async def life(engine: Engine, hand: Hand, plan: Request) -> Request:
    """A request from its start to its end; nobody enters a code."""
    new = replace(plan, id=request_id(engine.clock.now()))
    await engine.do(Start(Caller(), new))
    for _ in range(len(plan.steps) + 1):
        await engine.store.turn()  # what the lane has submitted
        found = engine.store.reading.request(new.id)
        assert found is not None
        if found[1].due_at is None:
            return found[1]
        hand.at = in_seconds(found[1].due_at) + LATE_S
        await engine.timers.turn()
        await engine.store.turn()
    raise AssertionError("a timer was lost")


def told(request: Request) -> str:
    """As `tests.daemon.core.story.timeline` writes it."""

    def since(at: Ms | None) -> str:
        assert at is not None
        return f"{in_seconds(at - request.created_at):g}"

    events = [f"{since(a.queued_at)} {a.channel} {pin_letter(a.generation)}" for a in request.attempts]
    return " | ".join([*events, f"{since(request.finalized_at)} {request.status.lower()}"])


@pytest.mark.parametrize(("pin_expiry", "next_event_wait", "story"), REFERENCE)
def test_a_request_keeps_its_schedule_and_its_pins_whenever_it_begins(
    store: Store, hand: Hand, pin_expiry: int | None, next_event_wait: int | None, story: str
) -> None:
    """There used to be a rounded timer beside a PIN that was not: in half of the requests an event at the second on
    which its PIN expired sent the dying one, and the message was dropped."""

    async def main() -> list[Request]:
        engine, plan = engine_on(store, hand), request(1, pin_expiry=pin_expiry, next_event_wait=next_event_wait)
        ended = []
        for fraction in STARTS:
            hand.at = float(int(hand.at) + 1) + fraction
            ended.append(await life(engine, hand, plan))
        return ended

    for ended in asyncio.run(main()):
        assert told(ended) == story
        assert [a.state for a in ended.attempts] == [AttemptState.SENT] * len(ended.attempts)


def test_an_event_on_the_second_on_which_the_pin_expires_sends_a_new_one(store: Store, hand: Hand) -> None:
    """As an operator reported it: workflow 4 with 60 and 60."""

    async def main() -> list[str]:
        engine, plan = engine_on(store, hand), request(4, pin_expiry=60, next_event_wait=60)
        return [told(await life(engine, hand, plan)) for hand.at in (hand.at + i * 1.0137 for i in range(20))]

    assert asyncio.run(main()) == ["0 sms A | 60 sms B | 120 expired"] * 20


def test_every_check_is_kept_with_its_request(store: Store, hand: Hand) -> None:
    """There used to be no test of it: checks could be lost, wrong ones valid, and a search show everybody's."""

    async def main() -> list[list[tuple[bool, str]]]:
        engine = engine_on(store, hand)
        ids = [request_id(engine.clock.now()) for _ in range(2)]
        for number, new_id in enumerate(ids):
            await engine.do(Start(Caller(), replace(request(6), id=new_id, number=f"44770090012{number}")))
        found = store.reading.request(ids[1])
        assert found is not None
        for new_id, code in ((ids[0], "no"), (ids[1], "no"), (ids[0], "no"), (ids[1], engine.pins.of(found[1], 1))):
            await engine.do(Check(Caller(), new_id, code, f"192.0.2.{ids.index(new_id)}"))
        return await engine.find(Caller(), ids, lambda _, checks: [(check.valid, check.ip_address) for check in checks])

    assert asyncio.run(main()) == [
        [(False, "192.0.2.0"), (False, "192.0.2.0")],
        [(False, "192.0.2.1"), (True, "192.0.2.1")],
    ]


def test_what_a_search_tells_is_made_on_a_thread_for_reading(store: Store, hand: Hand) -> None:
    """There used to be 60 ms on the event loop for a search of ten requests with 500 checks each."""

    async def main() -> list[str]:
        engine, wanted = engine_on(store, hand), f"{7:032x}"
        await engine.do(Start(Caller(), replace(request(1), id=wanted)))
        return await engine.find(Caller(), [wanted], lambda *_: threading.current_thread().name)

    assert [name.partition("_")[0] for name in asyncio.run(main())] == ["store-reader"]


def test_a_request_of_another_account_is_unknown_to_the_engine(store: Store, hand: Hand) -> None:
    async def main() -> list[object]:
        engine, wanted = engine_on(store, hand), f"{7:032x}"
        await engine.do(Start(Caller("acme"), replace(request(1), id=wanted, account="acme")))
        hand.at += 40
        seen: list[object] = [await engine.find(Caller("bolt"), [wanted], lambda found, _: found)]
        for ask in (Cancel, Next):
            seen.append((await engine.do(ask(Caller("bolt"), wanted))).outcome)
        seen.append((await engine.do(Check(Caller(), wanted, "0000", ""))).outcome)
        busy = await engine.do(Start(Caller("bolt"), replace(request(1), id=f"{8:032x}", account="bolt")))
        seen.append(busy.outcome)
        seen.append((await engine.do(Cancel(Caller("acme"), wanted))).outcome)
        return seen

    assert asyncio.run(main()) == [[], Unknown(), Unknown(), Unknown(), Busy(own=None), Accepted()]


@pytest.mark.parametrize("late_s", [0.0, 0.001, 0.999, 4.999])
def test_a_code_is_right_until_the_last_millisecond_of_its_pin(store: Store, hand: Hand, late_s: float) -> None:
    async def main() -> list[Outcome]:
        engine, outcomes = engine_on(store, hand), []
        for left_ms in (1, 0):
            new = replace(request(6, pin_expiry=60), id=request_id(engine.clock.now()), number=f"44770090012{left_ms}")
            hand.at += 0.4564
            await engine.do(Start(Caller(), new))
            found = engine.store.reading.request(new.id)
            assert found is not None
            pin = engine.pins.of(found[1], 1)
            hand.at = in_seconds(found[1].pin_until - Ms(left_ms)) + (late_s if not left_ms else 0.0001)
            outcomes.append((await engine.do(Check(Caller(), new.id, pin, ""))).outcome)
        return outcomes

    assert asyncio.run(main()) == [Accepted(), WrongCode()]
