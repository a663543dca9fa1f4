"""A modem of the pool, and what the lane knows of it."""

import logging
from collections import Counter
from dataclasses import dataclass, field, replace

from daemon.config import Modem
from daemon.core.histogram import Histogram
from daemon.core.milliseconds import Ms
from daemon.core.missing_reports import Reporting
from daemon.core.modem_pace import Pace
from daemon.core.modem_rest import Resting
from daemon.core.quota import Limits, Quota
from daemon.lanes.snapshots import Duty, ModemSnapshot
from drivers import Deferred, DeviceState, DriverError, SmsDriver, Unavailable, Uncertain
from drivers.figures import ModemCounts

log = logging.getLogger("pinwheel.lanes")

RESTS_S: dict[type[DriverError], tuple[float, ...]] = {
    Deferred: (0.5, 1.0, 2.0, 4.0),  # of several recipients in a row
    Unavailable: (0.5, 1.0, 2.0),  # nothing went out: to try again is how to find out that the trouble is over
    Uncertain: (0.5, 1.0, 2.0, 5.0, 10.0),  # each may be a message that is lost or sent twice
}
"""For a modem after one failure of its own, two in a row, ..."""
DEFECT_REST_S = 30.0
SEND_S = (0.25, 1.0, 2.5, 5.0, 15.0, 60.0)  # bounds; the usual message takes 2 to 6 s
UNREPORTED = "no delivery report in {} messages: the network sends none, or the modem gives them to another port"


@dataclass(slots=True)
class Record:
    """Of a modem since the start of the daemon. outcomes: of messages; earlier: what drivers before this one counted.

    durations: from when it was given a message until the network took that, in seconds.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    durations: Histogram = field(default_factory=lambda: Histogram(SEND_S))
    earlier: ModemCounts = field(default_factory=ModemCounts)


@dataclass(slots=True)
class ModemSlot:
    """A modem and what the lane knows of it. Times are monotonic."""

    driver: SmsDriver
    settings: Modem
    quota: Quota
    duty: Duty = Duty.WORKING
    busy: bool = False
    testing: int = 0  # messages of an operator's tests that it has
    turned_at: float = 0.0  # when it last became busy or idle
    pace: Pace = field(default_factory=Pace)
    reporting: Reporting = field(default_factory=Reporting)
    resting: Resting = field(default_factory=Resting)
    deferred: set[str] = field(default_factory=set, repr=False)  # recipients since the last that it reached: a few
    record: Record = field(default_factory=Record)
    last_error: tuple[Ms, str] | None = None
    logged: dict[str, str] = field(default_factory=dict)  # what was last said of a subject

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
        return self.ready and self.resting.over(now)

    def watch_quota(self, at: Ms) -> None:
        """Log once when a limit is reached, and once when messages go out again."""
        full = self.quota.full(at)
        self._log_change("quota", f"{full} is reached" if full else "", "messages go out again")

    def snapshot(self, at: Ms, now: float) -> ModemSnapshot:
        """How it is at this time of the requests' clock, and of the monotonic one."""
        status = self.driver.status()
        return ModemSnapshot(
            self.name,
            duty=self.duty,
            status=status,
            busy=self.busy,
            usual_s=self.pace.usual_s(now),
            used=self.quota.used(at),
            limits=self.quota.limits,
            full=self.quota.full(at),
            outcomes=dict(self.record.outcomes),
            failures=self.resting.failures,
            last_error=self.last_error,
            remarks=self.remarks(now),
            balance_low=self.settings.balance_low,
            counts=self.record.earlier.plus(status.counts),
            durations=self.record.durations.copy(),
        )

    def handed_on(self) -> Record:
        """What the next driver of the same modem goes on counting."""
        return replace(self.record, earlier=self.record.earlier.plus(self.driver.status().counts))

    def remarks(self, now: float) -> tuple[str, ...]:
        """What the lane has noticed of a modem that works."""
        unreported = self.reporting.unreported(now)
        return (UNREPORTED.format(unreported),) if unreported else ()

    def watch_reports(self, now: float) -> None:
        """Log once when delivery reports have stopped, and once when they come again."""
        unreported = next(iter(self.remarks(now)), "")
        if bool(unreported) != bool(self.logged.get("reports")):  # the count in it goes up with each message
            self._log_change("reports", unreported, "they come again")

    def _log_change(self, subject: str, trouble: str, over: str) -> None:
        """Log what is wrong ("" for nothing) once, and once that it is over."""
        if trouble != self.logged.get(subject, ""):
            self.logged[subject] = trouble
            log.warning("modem=%s %s=%r", self.name, subject, trouble or over)

    def set_limits(self, settings: Modem) -> None:
        """Those of another configuration; but for the recipients of a month, which are kept only where they count."""
        self.settings = settings
        self.quota.limits = replace(limits(settings), monthly_recipients=self.quota.limits.monthly_recipients)

    def insist_on_port(self) -> None:
        """Raises Unavailable."""
        if self.duty is Duty.DRAINED:
            raise Unavailable(f"it is drained: pinwheel modems resume {self.name}")

    def begin(self, number: str, now: float) -> None:
        """A message is about to go out."""
        self.busy, self.turned_at = True, now
        self.quota.reserve(number)

    def end(self, now: float) -> None:
        """It has the message no more."""
        self.busy, self.turned_at = False, now

    def fails(self, failure: DriverError, now: float) -> None:
        """It rests, longer each time; and whoever is free goes first, since it has been idle longest."""
        rests_s = next(rests_s for kind, rests_s in RESTS_S.items() if isinstance(failure, kind))
        self.resting.fails(now, rests_s)


class NoSuchModem(Exception):
    """There is no modem of this name; the text names those that there are."""


def limits(modem: Modem) -> Limits:
    return Limits(modem.hourly_limit, modem.daily_limit, modem.monthly_recipients)


def duty_key(name: str) -> str:
    return f"duty of modem {name}"
