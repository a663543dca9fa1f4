"""The canary at work: SIMs of the pool text each other, and the trunk calls a number that the operator names.

It takes nothing from PINs: while one waits, or a device is busy, its trials wait. Each is charged to its SIM.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from daemon.config import Config
from daemon.core.canary import Canary, Standing, standing_from, text_of, token_in
from daemon.core.commands import SetMeta
from daemon.core.milliseconds import seconds
from daemon.core.phrases import DEFAULT_LOCALE
from daemon.engine import Engine
from daemon.lanes.sms import SmsLane
from daemon.lanes.snapshots import VOICE
from daemon.lanes.voice import TrialEnd, VoiceLane
from daemon.store.contract import Reading, StoreUnusable
from drivers import CallOutcome, DriverError, Unavailable, Uncertain

log = logging.getLogger("pinwheel.canary")

LOOK_S = 2.0  # how often it is looked at what is due
DEFECT_S = 600.0  # behind a turn that failed by a defect of our own, or a look of alerts: the next may, too
DIGITS = "1234"  # what its calls say; nobody needs to hear it
REACHED = frozenset({CallOutcome.ANSWERED, CallOutcome.BUSY, CallOutcome.DECLINED})
"""A telephone has answered or refused. Our own number is busy: the gateway takes no calls."""
TOKEN_OCTETS = 10


class Canarying:
    """Every method is for the event loop's thread."""

    def __init__(self, engine: Engine, sms: SmsLane | None, calls: VoiceLane | None, config: Config) -> None:
        self._engine = engine
        self._sms = sms
        self._calls = calls
        self._plan = self._planned(config)
        self._known: dict[str, Standing] = {}  # as they are stored
        self._changed = asyncio.Event()  # by a reload

    @property
    def standings(self) -> dict[str, Standing]:
        """By device, each that takes part."""
        return {device: self._plan.standing(device) for device in self._plan.devices}

    def open(self) -> None:
        """Take up what the last run knew, and hear the texts that arrive."""
        self._learn(_stored(self._plan.devices, self._engine.store.reading))
        if self._sms is not None:
            self._sms.tests.take_text = self._arrived

    def prepare(self, config: Config) -> Callable[[], None]:
        """For a reload; what is known of a device that stays is kept."""
        plan = self._planned(config)

        def apply() -> None:
            plan.follow(self._plan)
            self._plan = plan
            self._changed.set()

        return apply

    def _planned(self, config: Config) -> Canary:
        """Of the devices that there are: the first modem, or a trunk, comes with a restart only."""
        section = config.canary
        modems = config.modem if self._sms is not None else ()
        numbers = {modem.name: modem.number.lstrip("+") for modem in modems if modem.number}
        devices = [modem.name for modem in modems] if numbers else []
        devices += [VOICE] if section.number and self._calls is not None else []
        return Canary(
            devices if section.every else [],
            numbers,
            every=seconds(section.every),
            began=self._engine.clock.now(),
            caller=VOICE,
            calls=section.number.lstrip("+"),
        )

    def _learn(self, stored: dict[str, Standing]) -> None:
        """What the database has of devices."""
        self._plan.standings |= stored
        self._known |= stored

    async def run(self) -> None:
        """Until cancelled; does nothing where no device takes part."""
        while True:
            pause_s = LOOK_S
            try:
                await self.turn()
            except StoreUnusable:
                pass  # logged by the store; nothing was sent
            except Exception:  # the end of one turn: PINs go on without a canary
                log.exception("canary=failed")
                pause_s = DEFECT_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause_s if self._plan.devices else None)
            self._changed.clear()

    async def turn(self) -> None:
        """Whatever is due now, one device after the other."""
        if new := [device for device in self._plan.devices if device not in self._plan.standings]:
            self._learn(await self._engine.store.browse(partial(_stored, new)))
        for device in self._plan.give_up(self._engine.clock.now()):
            self._tell(device)
        for device in self._plan.due(self._engine.clock.now()):
            if device not in self._plan.devices:
                continue  # a reload has removed it meanwhile
            if device == VOICE:
                await self._call()
            else:
                await self._text(device)
        await self._keep()

    # --- a text ---

    async def _text(self, device: str) -> None:
        assert self._sms is not None
        slot = self._sms.pool.find(device)
        at = self._engine.clock.now()
        number = self._plan.recipient(device, at, {each.name for each in self._sms.pool.slots if each.ready})
        if slot is None or not self._sms.spares(slot, number):
            return
        token = base64.b32encode(secrets.token_bytes(TOKEN_OCTETS)).decode().lower()
        self._plan.standings[device] = self._plan.standing(device).begun(at, token)
        await self._keep()  # before it is sent: a restart must not send it again
        try:
            await self._sms.tests.send(slot, number, 0.0, text_of(token))
        except Uncertain:
            return  # it may still arrive
        except DriverError as exc:
            self._fail(device, str(exc))

    def _arrived(self, text: str) -> bool:
        """Whether an incoming text is a canary's, and so nothing for people: also one that comes days late."""
        token = token_in(text)
        device = self._plan.arrived(token, self._engine.clock.now())
        if device:
            self._tell(device)
        return bool(token)

    # --- a call ---

    async def _call(self) -> None:
        assert self._calls is not None
        at, before = self._engine.clock.now(), self._plan.standing(VOICE)
        if not self._calls.spares(self._engine.clock.monotonic()):
            return
        self._plan.standings[VOICE] = before.begun(at)
        await self._keep()
        try:
            end = await self._called(self._plan.recipient(VOICE, at))
        except Unavailable:
            self._plan.standings[VOICE] = before  # nobody was called: later
        except DriverError as exc:
            self._fail(VOICE, str(exc))
        else:
            self._judge(end)

    async def _called(self, number: str) -> TrialEnd:
        assert self._calls is not None
        async with aclosing(self._calls.tests.call(number, DIGITS, DEFAULT_LOCALE)) as steps:
            async for step in steps:
                if isinstance(step, TrialEnd):
                    return step
        raise Unavailable("it was not called")

    def _judge(self, end: TrialEnd) -> None:
        result = end.result
        if result.outcome not in REACHED:
            code = f" ({result.sip_code} {result.reason})" if result.sip_code else ""
            self._fail(VOICE, f"its call ended: {result.outcome}{code}")
        elif result.one_way:
            self._fail(VOICE, "its call was answered, and nothing was heard")
        else:
            self._plan.standings[VOICE] = self._plan.standing(VOICE).succeeded(self._engine.clock.now())
            self._tell(VOICE)

    # --- what is known ---

    def _fail(self, device: str, why: str) -> None:
        self._plan.standings[device] = self._plan.standing(device).failed(why)
        self._tell(device)

    def _tell(self, device: str) -> None:
        standing = self._plan.standing(device)
        level = logging.WARNING if standing.failures else logging.INFO
        log.log(level, "canary=%s failures=%s because=%r", device, standing.failures, standing.why)

    async def _keep(self) -> None:
        """Store what has changed. Raises StoreUnusable."""
        for device, standing in [*self._plan.standings.items()]:
            if standing != self._known.get(device):
                await self._engine.do(SetMeta(_key(device), standing.written()))
                self._known[device] = standing


def _stored(devices: Sequence[str], reading: Reading) -> dict[str, Standing]:
    """What the last run knew."""
    return {device: standing_from(reading.meta(_key(device)) or "") for device in devices}


def _key(device: str) -> str:
    return f"canary of {device}"
