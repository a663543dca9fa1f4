"""Sends alerts by the gateway's own devices: an SMS by a modem that works, else a call.

The call says that something is wrong, not what: clips are made ahead of time. What was sent about which trouble is kept
in memory: after a restart, a trouble that is still there makes one more alert when it has lasted. How many messages
went out in the last day is kept in the database, and in the runtime directory, which takes it also while the database
takes nothing: so restarts do not add up.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.clock import zoned_text
from daemon.config import Alert, Config
from daemon.core.alerting import (
    TEST,
    AlertMessage,
    Alerts,
    Missed,
    Rules,
    Trouble,
    acknowledged,
    addressees,
    looked,
    missed_by,
    read,
    went_out,
    written,
)
from daemon.core.commands import SetMeta
from daemon.core.masking import masked, without_numbers
from daemon.core.milliseconds import Ms, seconds
from daemon.core.phrases import locale_for_region
from daemon.lanes.snapshots import Duty
from daemon.lanes.voice import TrialEnd
from daemon.operations.canary import DEFECT_S
from daemon.operations.snapshots import Snapshot, Snapshots
from daemon.operations.systemd import runtime_directory
from daemon.store.contract import StoreUnusable
from drivers import DeviceState, DriverError
from drivers.codecs import gsm7

log = logging.getLogger("pinwheel.alerts")

LOOK_S = 10.0
STORE_S = 10.0  # that an alert waits for the database, which may be the trouble
SENT = "alerts sent"
SENT_FILE = "alerts-sent"


@dataclass(slots=True)
class AlertSender:
    """Of one daemon. name: of the gateway, in each message; numbers: the operator's, digits only."""

    snapshots: Snapshots
    name: str
    numbers: Sequence[str] = field(repr=False)
    rules: Rules
    runtime: Path | None = None
    """The service's runtime directory, which outlives the process."""
    _alerts: Alerts = field(default_factory=Alerts)
    _missed: Missed | None = None
    _helpless: bool = False
    """Whether the last message had no device to go by."""

    def prepare(self, config: Config) -> Callable[[], None]:
        """For a reload; what was sent still counts."""
        new = alert_sender_of(config.alert, self.snapshots)

        def apply() -> None:
            self.name, self.numbers, self.rules = new.name, new.numbers, new.rules

        return apply

    def open(self) -> None:
        """Take up how much the last runs have sent."""
        sent = read(self.snapshots.engine.store.reading.meta(SENT) or "")
        with contextlib.suppress(OSError, UnicodeDecodeError):
            sent += read((self.runtime / SENT_FILE).read_text()) if self.runtime is not None else ()
        self._alerts = Alerts(sent=tuple(sorted(set(sent))))

    async def run(self) -> None:
        """Look now and then, until cancelled; does nothing where nobody is to get an alert."""
        self.open()
        while True:
            pause_s = LOOK_S
            try:
                if self.numbers:
                    await self.look()
            except Exception:  # the end of one look: PINs go on without alerts
                log.exception("alert=failed")
                pause_s = DEFECT_S
            await asyncio.sleep(pause_s)

    async def look(self) -> None:
        """Send what is due, if anything is."""
        now = self.snapshots.take()
        self._alerts, due = looked(self._alerts, troubles(now), now.at, self.rules)
        message, numbers = addressees(due, self._missed, self.numbers, now.at)
        if message is None or not self._reachable(now, message):
            return
        if due is not None:
            await self._keep((*self._alerts.sent, now.at))  # before it is sent: the daemon may end meanwhile
        left = await self._tell(now, message, numbers)
        reached = len(left) < len(numbers)
        if reached and due is not None:
            self._alerts = went_out(self._alerts, message, now.at)
        elif due is not None:
            await self._keep(self._alerts.sent)
        self._missed = missed_by(message, left, reached, self._missed, now.at, self.rules)

    async def test(self) -> bool:
        """Send a message to each number now; whether all were reached."""
        return not await self._tell(self.snapshots.take(), TEST, self.numbers)

    def acknowledge(self) -> None:
        self._alerts, self._missed = acknowledged(self._alerts), None
        log.info("alert=acknowledged troubles=%s", len(self._alerts.seen))

    def report(self) -> dict[str, Any]:
        """What is known, for operators."""
        known = [
            {
                "code": each.trouble.name,
                "subject": each.trouble.subject,
                "text": each.trouble.text,
                "since": zoned_text(each.since),
                "alerted": zoned_text(each.alerted),
                "acknowledged": each.acknowledged,
            }
            for each in self._alerts.seen.values()
        ]
        numbers = [masked(number) for number in self.numbers]
        return {"numbers": numbers, "troubles": known, "sent": len(self._alerts.sent)}

    async def _keep(self, sent: Iterable[Ms]) -> None:
        with contextlib.suppress(OSError):
            if self.runtime is not None:
                (self.runtime / SENT_FILE).write_text(written(sent))
        with contextlib.suppress(StoreUnusable, TimeoutError):
            await asyncio.wait_for(self.snapshots.engine.do(SetMeta(SENT, written(sent))), STORE_S)

    def _reachable(self, now: Snapshot, message: AlertMessage) -> bool:
        """Whether there is anything to try it by; no pause follows where there is not."""
        if working(now, message.subjects) or _calls(now):
            return True
        if not self._helpless:
            log.error("alert=failed text=%r; no modem and no trunk works", message.text)
        self._helpless = True
        return False

    async def _tell(self, now: Snapshot, message: AlertMessage, numbers: Sequence[str]) -> list[str]:
        """By one way for each number; those that got nothing."""
        self._helpless, missed = False, []
        for number in numbers:
            way = await self._by_sms(now, message, number) or await self._by_call(now, message, number)
            if way:
                log.warning("alert=sent by=%s text=%r", way, message.text)
            else:
                missed.append(number)
        if missed:
            log.error("alert=failed text=%r numbers=%s; no modem and no trunk took it", message.text, len(missed))
        return missed

    async def _by_sms(self, now: Snapshot, message: AlertMessage, number: str) -> str:
        """The name of the modem that sent it, or ""."""
        lane = self.snapshots.sms
        for name in working(now, message.subjects):
            assert lane is not None
            slot = lane.pool.find(name)
            if slot is None:
                continue  # a reload has removed it meanwhile
            try:
                await lane.tests.alert(slot, number, one_sms(f"{self.name}: {message.text}"))
            except DriverError as exc:
                log.warning("alert=failed by=%s error=%r", name, str(exc))
            else:
                return name
        return ""

    async def _by_call(self, now: Snapshot, message: AlertMessage, number: str) -> str:
        """The name of the voice driver, if somebody answered; or ""."""
        if self.snapshots.calls is None or now.voice is None or not _calls(now):
            return ""
        try:
            async with aclosing(self.snapshots.calls.tests.alert(number, message.says, locale_of(number))) as steps:
                async for step in steps:
                    if isinstance(step, TrialEnd) and step.spoken:
                        return now.voice.driver
        except DriverError as exc:
            log.warning("alert=failed by=%s error=%r", now.voice.driver, str(exc))
        return ""


def alert_sender_of(keys: Alert, snapshots: Snapshots) -> AlertSender:
    rules = Rules(seconds(keys.after), seconds(keys.again), keys.a_day)
    numbers = [number.removeprefix("+") for number in keys.numbers]
    return AlertSender(snapshots, keys.name, numbers, rules, runtime_directory())


def troubles(now: Snapshot) -> list[Trouble]:
    """The errors that the daemon itself knows of; no number stands in their texts."""
    from daemon.operations.doctor.self_check import examined  # late, as in Health
    from daemon.operations.doctor.verdicts import State

    errors = [
        result
        for result in examined(now).results
        if result.state is State.ERROR or (result.state.is_problem and result.check.is_reason)
    ]
    return [Trouble(each.check.name, each.verdict.subject, without_numbers(each.verdict.text)) for each in errors]


def working(now: Snapshot, but: frozenset[str]) -> list[str]:
    """The modems that may carry a message, the best first; those that it is about are left out."""
    modems = now.sms.modems if now.sms is not None else ()
    able = [each for each in modems if each.status.state is DeviceState.READY and each.duty is Duty.WORKING]
    return [each.name for each in sorted(able, key=lambda each: (each.failures, each.busy)) if each.name not in but]


def _calls(now: Snapshot) -> bool:
    """Whether the trunk can carry a call."""
    return now.voice is not None and now.voice.status.state is DeviceState.READY


def locale_of(number: str) -> str:
    """The main locale of the country code of a number; the default where there is no such code."""
    import phonenumbers  # late: few daemons ever call an operator

    codes = (int(number[:digits]) for digits in (1, 2, 3))  # none begins with another (ITU-T E.164)
    regions = (phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()) for code in codes)
    return locale_for_region(next((each[0] for each in regions if each), ""))


def one_sms(text: str) -> str:
    """What fits into one message of the GSM alphabet; "?" for a character that it does not have."""
    known = "".join(char if char in gsm7.SEPTETS else "?" for char in text)
    return gsm7.split(known, gsm7.Alphabet.GSM7)[0]
