"""Alerts by the gateway's own wires: an SMS by a modem that works, else a call.

The call says 9 9 9, as there are no clips for all that may be wrong. What was sent is kept in memory: after a restart,
a trouble that is still there makes one more alert when it has lasted.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from daemon.clock import zoned_text
from daemon.config import Alert, Config
from daemon.core.alerting import Alerts, Message, Rules, Trouble, acknowledged, looked, went_out
from daemon.core.milliseconds import seconds
from daemon.ids import masked
from daemon.lanes.snapshots import Duty
from daemon.lanes.voice import TestEnd
from daemon.operations.snapshots import Snapshot, Snapshots
from drivers import DeviceState, DriverError

log = logging.getLogger("pinwheel.alarm")

LOOK_S = 10.0
AGAIN_S = 60.0  # after a message that nobody took
DIGITS, LOCALE = "999", "en-us"
NUMBERS = re.compile(r"\d{7,}", re.ASCII)


@dataclass(slots=True)
class Alarm:
    """Of one daemon. name: of the gateway, in each message; numbers: the operator's, digits only."""

    snapshots: Snapshots
    name: str
    numbers: Sequence[str] = field(repr=False)
    rules: Rules
    _alerts: Alerts = field(default_factory=Alerts)

    def prepare(self, config: Config) -> Callable[[], None]:
        """For a reload; what was sent still counts."""
        new = alarm_of(config.alert, self.snapshots)

        def apply() -> None:
            self.name, self.numbers, self.rules = new.name, new.numbers, new.rules

        return apply

    async def run(self) -> None:
        """Look now and then, until cancelled; does nothing where nobody is to get an alert."""
        while True:
            worked = not self.numbers or await self.look()
            await asyncio.sleep(LOOK_S if worked else AGAIN_S)

    async def look(self) -> bool:
        """Whether everybody who was to get an alert now got it."""
        now = self.snapshots.take()
        self._alerts, message = looked(self._alerts, troubles(now), now.at, self.rules)
        if message is None:
            return True
        sent = await self._tell(now, message)
        if sent:
            self._alerts = went_out(self._alerts, message, now.at)
        return sent

    async def test(self) -> bool:
        """Send a message to each number now; whether all were reached."""
        return await self._tell(self.snapshots.take(), Message("this is a test of [alert]"))

    def acknowledge(self) -> None:
        self._alerts = acknowledged(self._alerts)
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

    async def _tell(self, now: Snapshot, message: Message) -> bool:
        """By one way for each number; whether one was found for all."""
        ways = [await self._by_sms(now, message, number) or await self._by_call(now, number) for number in self.numbers]
        for way in filter(None, ways):
            log.warning("alert=sent by=%s text=%r", way, message.text)
        if not all(ways):
            log.error("alert=failed text=%r; no modem and no trunk took it", message.text)
        return all(ways)

    async def _by_sms(self, now: Snapshot, message: Message, number: str) -> str:
        """The name of the modem that sent it, or ""."""
        lane = self.snapshots.sms
        for name in working(now, message.subjects):
            assert lane is not None
            slot = lane.pool.find(name)
            if slot is None:
                continue  # a reload has removed it meanwhile
            try:
                await lane.tests.alert(slot, number, f"{self.name}: {message.text}")
            except DriverError as exc:
                log.warning("alert=failed by=%s error=%r", name, str(exc))
            else:
                return name
        return ""

    async def _by_call(self, now: Snapshot, number: str) -> str:
        """The name of the voice driver, if somebody answered; or ""."""
        if self.snapshots.calls is None or now.voice is None or now.voice.status.state is not DeviceState.READY:
            return ""
        try:
            async with aclosing(self.snapshots.calls.tests.call(number, DIGITS, LOCALE)) as steps:
                async for step in steps:
                    if isinstance(step, TestEnd) and step.spoken:
                        return now.voice.driver
        except DriverError as exc:
            log.warning("alert=failed by=%s error=%r", now.voice.driver, str(exc))
        return ""


def alarm_of(keys: Alert, snapshots: Snapshots) -> Alarm:
    rules = Rules(seconds(keys.after), seconds(keys.again), keys.a_day)
    return Alarm(snapshots, keys.name, [number.removeprefix("+") for number in keys.numbers], rules)


def troubles(now: Snapshot) -> list[Trouble]:
    """The errors that the daemon itself knows of; no number stands in their texts."""
    from daemon.operations.doctor.inside import examined  # late, as in Health
    from daemon.operations.doctor.verdicts import State

    errors = [
        result
        for result in examined(now).results
        if result.state is State.ERROR or (result.state.is_problem and result.check.told)
    ]
    return [
        Trouble(each.check.name, each.verdict.subject, NUMBERS.sub(lambda found: masked(found[0]), each.verdict.text))
        for each in errors
    ]


def working(now: Snapshot, but: frozenset[str]) -> list[str]:
    """The modems that may carry a message, the best first; those that it is about are left out."""
    modems = now.sms.modems if now.sms is not None else ()
    able = [each for each in modems if each.status.state is DeviceState.READY and each.duty is Duty.WORKING]
    return [each.name for each in sorted(able, key=lambda each: (each.failures, each.busy)) if each.name not in but]
