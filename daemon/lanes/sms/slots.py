"""A modem of the pool, and what the lane knows of it."""

import asyncio
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

from daemon.config import Modem
from daemon.core.milliseconds import Ms
from daemon.core.pace import Pace
from daemon.core.quota import Limits, Quota
from daemon.core.reporting import Reporting
from daemon.engine import Job
from drivers import Deferred, DeviceState, DriverError, Sms, SmsDriver, Unavailable, Uncertain

log = logging.getLogger("pinwheel.lanes")

RESTS_S: dict[type[DriverError], tuple[float, ...]] = {
    Deferred: (0.5, 1.0, 2.0, 4.0),  # of several recipients in a row
    Unavailable: (0.5, 1.0, 2.0),  # nothing went out: to try again is how to find out that the trouble is over
    Uncertain: (0.5, 1.0, 2.0, 5.0, 10.0),  # each may be a message that is lost or sent twice
}
"""For a modem after one failure of its own, two in a row, ..."""
DEFECT_REST_S = 30.0
UNREPORTED = "no delivery report in {} messages: the network sends none, or the modem gives them to another port"
PASSED_OVER_S = 30.0  # after a failure of its own, while another modem is free
ANSWERED_LATE = 4  # messages to which a modem may still give an answer; it has two of them open at the most


class Duty(StrEnum):
    """What the operator wants of a modem."""

    WORKING = "working"
    PAUSED = "paused"  # sends nothing, goes on listening
    DRAINED = "drained"  # has finished, and let go of its port


@dataclass(slots=True)
class ModemSlot:
    """A modem and what the lane knows of it. Times are monotonic."""

    driver: SmsDriver
    settings: Modem
    quota: Quota
    duty: Duty = Duty.WORKING
    busy: bool = False
    testing: int = 0  # messages of an operator's tests that it has
    busy_since: float = 0.0
    pace: Pace = field(default_factory=Pace)
    reporting: Reporting = field(default_factory=Reporting)
    unreported: bool = False  # when it was last looked at
    idle_since: float = 0.0
    rest_until: float = 0.0
    last_choice_until: float = 0.0  # its last message failed by its fault
    failures: int = 0
    deferred: set[str] = field(default_factory=set, repr=False)  # recipients since the last that it reached: a few
    outcomes: Counter[str] = field(default_factory=Counter)
    last_error: tuple[Ms, str] | None = None
    full: str = ""  # the limit that was last seen to hold a message up
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one order of the operator at a time
    unsettled: deque[tuple[Sms, Job]] = field(default_factory=lambda: deque(maxlen=ANSWERED_LATE))  # the last uncertain

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def under_way(self) -> bool:
        """Whether it has a message."""
        return self.busy or self.testing > 0

    @property
    def ready(self) -> bool:
        return self.duty is Duty.WORKING and self.driver.status().state is DeviceState.READY

    def rested(self, now: float) -> bool:
        """Whether it could send a message, if it has none already."""
        return self.ready and self.rest_until <= now

    def watch_quota(self, at: Ms) -> None:
        """Log once when a limit is reached, and once when messages go out again."""
        full = self.quota.full(at)
        if full != self.full:
            self.full = full
            log.warning("modem=%s quota=%r", self.name, f"{full} is reached" if full else "messages go out again")

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the lane has noticed of a modem that works."""
        unreported = self.reporting.unreported(time.monotonic())
        return (UNREPORTED.format(unreported),) if unreported else ()

    def watch_reports(self) -> None:
        """Log once when delivery reports have stopped, and once when they come again."""
        remarks = self.remarks
        if self.unreported != bool(remarks):
            self.unreported = bool(remarks)
            log.warning("modem=%s reports=%r", self.name, remarks[0] if remarks else "they come again")

    def insist_on_port(self) -> None:
        """Raises Unavailable."""
        if self.duty is Duty.DRAINED:
            raise Unavailable(f"it is drained: pinwheel modems resume {self.name}")

    def rest(self, seconds: float) -> None:
        self.rest_until = time.monotonic() + seconds

    def begin(self, number: str) -> None:
        """A message is about to go out."""
        self.busy, self.busy_since = True, time.monotonic()
        self.quota.reserve(number)

    def fails(self, failure: DriverError) -> None:
        """It rests, longer each time; and whoever is free goes first, since it has been idle longest."""
        rests_s = next(rests_s for kind, rests_s in RESTS_S.items() if isinstance(failure, kind))
        self.rest(rests_s[min(self.failures, len(rests_s) - 1)])
        self.failures += 1
        self.last_choice_until = time.monotonic() + PASSED_OVER_S

    def works(self) -> None:
        self.failures, self.rest_until, self.last_choice_until = 0, 0.0, 0.0

    def is_ready_again(self) -> None:
        """No need to rest any more. But if it restarted at its last message, it may at the next one, too."""
        self.failures, self.rest_until = 0, 0.0
        if self.last_choice_until:
            self.last_choice_until = time.monotonic() + PASSED_OVER_S


class NoSuchModem(Exception):
    """There is no modem of this name; the text names those that there are."""


def limits(modem: Modem) -> Limits:
    return Limits(modem.hourly_limit, modem.daily_limit, modem.monthly_recipients)


def duty_key(slot: ModemSlot) -> str:
    return f"duty of modem {slot.name}"
