"""What follows the end of a session with a modem: where and when the next one begins, and what is tried before. Pure.

Events go in, with the time; orders for the thread and news come out. Each event gives one order at most whose end
is the next event, and that one is the last. Times are monotonic seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from drivers import DeviceState, Reason
from drivers.figures import ModemCounts, Trouble
from drivers.serial.modem_status import Became
from drivers.serial.port_search import Port, Search
from drivers.serial.recovery_ladder import Ladder, RecoveryStep
from drivers.serial.timing import Timing
from drivers.serial.troubles import Troubles

RATES = (115200, 9600, 460800, 57600, 38400, 19200, 230400, 921600)
"""For baudrate = "auto", the likely first."""
BLOCKED_AT_FIRST_S = 2.0  # between two sessions, as long as what blocks may still pass: a SIM that is found late, say

# --- events --------------------------------------------------------------------------------------------------


class Cause(Enum):
    """Why a session ended."""

    LOST = auto()  # the port failed
    SILENT = auto()  # no answer
    STUCK = auto()  # it answers, but sends nothing
    RESTARTED = auto()
    WRONG_PORT = auto()  # what answers is not what was meant
    BLOCKED = auto()  # a person has to do something
    UNREADABLE = auto()  # its answer has not the shape that the standard gives it
    CLOSING = auto()  # the driver is being closed
    NOT_THERE = auto()  # the port did not open: the device is not there, or does not work
    NOT_OPENED = auto()  # the device is there, but cannot be opened
    TAKEN = auto()  # another driver of this process has it


TROUBLES: dict[Cause, Trouble] = {
    Cause.LOST: Trouble.ABSENT,
    Cause.SILENT: Trouble.SILENT,
    Cause.STUCK: Trouble.STUCK,
    Cause.WRONG_PORT: Trouble.WRONG_PORT,
    Cause.BLOCKED: Trouble.BLOCKED,
    Cause.UNREADABLE: Trouble.UNREADABLE,
    Cause.NOT_THERE: Trouble.ABSENT,
    Cause.NOT_OPENED: Trouble.NOT_OPENED,
    Cause.TAKEN: Trouble.NOT_OPENED,
}
"""The ends that are errors, as they are counted."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The driver was opened, perhaps again after it was closed."""


@dataclass(frozen=True, slots=True)
class PauseOver:
    """`Pause` was carried out."""


@dataclass(frozen=True, slots=True)
class PortsFound:
    """The ports that fit, in an order that is stable while nothing is plugged."""

    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """The modem answers at the port, at this rate, and all that a message needs is set up."""

    rate: int


@dataclass(frozen=True, slots=True)
class MessageSent:
    """The network has taken a message."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """why, reason: where the cause alone does not say it. ports: those that fit now."""

    cause: Cause
    why: str
    ports: tuple[Port, ...]
    reason: Reason = Reason.NONE


@dataclass(frozen=True, slots=True)
class PowerCycled:
    """The operator's command has ended. worked: with success."""

    worked: bool


@dataclass(frozen=True, slots=True)
class WasReset:
    """The command for a restart was written, if it could be."""


Event = Opened | PauseOver | PortsFound | Serving | MessageSent | SessionEnded | PowerCycled | WasReset

# --- orders and news -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FindPorts:
    """Look which ports fit. Then `PortsFound`."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Open the port and serve a session. Then `SessionEnded`. rates: to be tried, in this order."""

    port: str
    rates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ForgetAnswers:
    """The modem, or its power, has started again, or it is another: no older answer will come."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Restart the modem by a command. Then `WasReset`. rate: at which the port is opened; why: for the log."""

    port: str
    rate: int
    why: str


@dataclass(frozen=True, slots=True)
class CyclePower:
    """Run the operator's command, for the modem that was last seen at this port. Then `PowerCycled`."""

    port: str
    why: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Then `PauseOver`."""

    seconds: float


Output = FindPorts | Serve | ForgetAnswers | Reset | CyclePower | Pause | Became

# --- the supervisor ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    """What the end of a session means. pause_s: before the next; None: by the back-off.

    silent: a recovery step may be due; sure: at once. away: the modem is not there, so that cutting its power may help;
    None: what is there proves nothing. news: operators are to see it. trouble: as it is counted.
    """

    state: DeviceState
    detail: str
    pause_s: float | None = None
    silent: bool = False
    sure: bool = False
    away: bool | None = False
    news: bool = True
    reason: Reason = Reason.NONE
    trouble: Trouble | None = None

    @property
    def recovery_cause(self) -> Trouble:
        """Why a recovery step is due, as it is counted."""
        if not self.silent:
            return Trouble.ABSENT
        return Trouble.STUCK if self.trouble is Trouble.STUCK else Trouble.SILENT


class _Pauses:
    """Between two sessions: they grow with each that fails soon."""

    def __init__(self, timing: Timing) -> None:
        self._retry, self._health_s = timing.retry, timing.health
        self._failures = 0
        self._began_at = 0.0
        self.next_s = 0.0

    def began(self, now: float) -> None:
        """A session."""
        self._began_at = now

    def ended(self, now: float, pause_s: float | None) -> None:
        """It has. pause_s: for which to pause in any case."""
        lasted = now - self._began_at > self._health_s
        self._failures = 1 if lasted else min(self._failures + 1, len(self._retry))
        self.next_s = self._retry[self._failures - 1] if pause_s is None else pause_s


class Supervisor:
    """One modem's. port: as configured; searched: it is a pattern; baudrate: None for "auto"; power: it can be cut."""

    def __init__(self, port: str, timing: Timing, *, searched: bool, baudrate: int | None, power: bool) -> None:
        self._port, self._timing, self._searched = port, timing, searched
        self._rates: tuple[int, ...] = (baudrate,) if baudrate else RATES  # the last that fitted comes first
        self._ladder = Ladder(timing.recovery, timing.recoveries_an_hour, power=power)
        self._search = Search()
        self._scan: dict[Port, _End] = {}  # how it went at the other ports of a pattern
        self._fitting: tuple[Port, ...] = ()
        self._at: Port | None = None  # where the session is
        self._serving = False
        self._pauses = _Pauses(timing)
        self._opened_at = 0.0
        self._blocked_since: float | None = None
        self._troubles = Troubles(power=power)

    @property
    def counts(self) -> ModemCounts:
        return self._troubles.counts

    def handle(self, event: Event, now: float) -> list[Output]:
        match event:
            case Opened():
                self._opened_at = now
                self._pauses = _Pauses(self._timing)
                return [FindPorts()]
            case PauseOver():
                return [FindPorts()]
            case PortsFound():
                return self._choose(event.ports, now)
            case Serving():
                return self._serve(event.rate)
            case MessageSent():
                self._ladder.works()
                return []
            case SessionEnded():
                return self._session_ended(event, now)
            case PowerCycled():
                if not event.worked:
                    self._ladder.power_failed()
                return [Pause(self._pauses.next_s)]
            case WasReset():
                return [Pause(self._pauses.next_s)]
            case _:
                assert_never(event)

    def _choose(self, ports: tuple[Port, ...], now: float) -> list[Output]:
        self._fitting, self._serving = ports, False
        self._pauses.began(now)
        if not ports:
            what = "no port fits the pattern: plug the modem in"
            end = _End(
                DeviceState.ABSENT, what, self._timing.absent, away=True, reason=Reason.NO_PORT, trouble=Trouble.ABSENT
            )
            return self._after(end, (), now)
        self._at = self._search.choose(ports)
        return [Serve(self._at.name, self._rates)]

    def _serve(self, rate: int) -> list[Output]:
        assert self._at is not None
        elsewhere = self._search.known not in (self._at, None)
        self._search.seen(self._at)
        self._scan.clear()
        self._blocked_since = None
        self._ladder.answers()
        self._troubles.serves()
        self._rates = (rate, *RATES) if len(self._rates) > 1 else (rate,)
        self._serving = True
        return [ForgetAnswers()] if elsewhere else []

    # --- when a session has ended ---

    def _session_ended(self, event: SessionEnded, now: float) -> list[Output]:
        end = replace(self._meaning(event, now), trouble=TROUBLES.get(event.cause))
        if event.cause is Cause.RESTARTED:
            self._troubles.restarted()
        outputs: list[Output] = []
        if event.cause in (Cause.LOST, Cause.RESTARTED, Cause.NOT_THERE, Cause.NOT_OPENED, Cause.TAKEN):
            outputs = [ForgetAnswers()]
        if not self._serving:
            assert self._at is not None
            silent = self._search.missed(self._at, self._fitting, silent=end.silent)
            end = replace(self._of_scan(self._at, end), silent=silent)
        return [*outputs, *self._after(end, event.ports, now)]

    def _meaning(self, event: SessionEnded, now: float) -> _End:
        timing, why, reason = self._timing, event.why, event.reason
        match event.cause:
            case Cause.LOST:
                return _End(DeviceState.ABSENT, why, away=True)
            case Cause.SILENT:
                what = "the modem does not answer: check port and baudrate"
                return _End(DeviceState.ABSENT, what, silent=True, sure=self._serving, reason=Reason.SILENT)
            case Cause.STUCK:
                return _End(DeviceState.STARTING, "the modem answers but sends nothing", silent=True, sure=True)
            case Cause.RESTARTED:
                return _End(DeviceState.STARTING, "the modem restarted")
            case Cause.WRONG_PORT:  # with one port alone there is no hurry to try the next
                pause_s = timing.absent if len(self._fitting) == 1 else None
                return _End(DeviceState.ABSENT, why, pause_s, away=self._searched, reason=Reason.WRONG_PORT)
            case Cause.BLOCKED:
                return _End(DeviceState.FAILED, why, self._blocked_pause_s(now), reason=reason)
            case Cause.UNREADABLE:
                return _End(DeviceState.STARTING, why)
            case Cause.CLOSING:
                return _End(DeviceState.CLOSED, "", 0)
            case Cause.NOT_THERE:
                return _End(DeviceState.ABSENT, why, timing.absent, away=True, reason=reason)
            case Cause.NOT_OPENED:
                return _End(DeviceState.ABSENT, why, timing.absent, reason=reason)
            case Cause.TAKEN:  # of a pattern, another modem's port says that ours is away
                return _End(DeviceState.ABSENT, why, timing.absent, away=self._searched, reason=reason)
            case _:
                assert_never(event.cause)

    def _blocked_pause_s(self, now: float) -> float:
        """Short for a minute: a modem that has just started says for a while, say, that it has no SIM."""
        self._blocked_since = now if self._blocked_since is None else self._blocked_since
        starting = now - self._blocked_since < self._timing.starting
        return min(BLOCKED_AT_FIRST_S, self._timing.blocked) if starting else self._timing.blocked

    def _of_scan(self, port: Port, end: _End) -> _End:
        """Of a modem that is searched for, nothing is news before every port was tried, then what says most."""
        self._scan[port] = end
        if end.state in (DeviceState.FAILED, DeviceState.CLOSED):
            return end
        if not self._scan.keys() >= set(self._fitting):
            return replace(end, away=None, news=False)
        ends = [self._scan[each] for each in self._fitting]
        self._scan.clear()
        most = max(ends, key=lambda each: (each.silent, bool(each.away)))
        return replace(most, pause_s=end.pause_s, away=all(each.away for each in ends))

    def _after(self, end: _End, ports: Sequence[Port], now: float) -> list[Output]:
        """News, then a recovery step or a pause."""
        self._pauses.ended(now, end.pause_s)
        if end.news:
            self._troubles.has(end.trouble)
        news: list[Output] = [Became(end.state, end.detail, end.reason)] if end.news else []
        return [*news, *(self._recovery(end, ports, now) or [Pause(self._pauses.next_s)])]

    # --- when it stays silent ---

    def _recovery(self, end: _End, ports: Sequence[Port], now: float) -> list[Output]:
        """What the ladder says is due: a restart by command, or the operator's command."""
        port = self._resettable(ports)
        if end.silent and self._may_be_sending(now):
            return []
        if end.silent:
            step = self._ladder.silent(now, sure=end.sure, resettable=bool(port))
        else:
            step = self._ladder.absent(now, away=end.away)
        match step:
            case None:
                return []
            case RecoveryStep.RESET:
                self._troubles.is_restarted(end.recovery_cause)
                return [ForgetAnswers(), Reset(port, self._rates[0], end.detail)]
            case RecoveryStep.POWER_CYCLE:
                self._troubles.has_power_cut(end.recovery_cause)
                known = self._search.known
                return [ForgetAnswers(), CyclePower(known.name if known is not None else port, end.detail)]
            case _:
                assert_never(step)

    def _may_be_sending(self, now: float) -> bool:
        """Whether a modem that never answered may be busy with a message of a daemon that was killed before."""
        return self._search.known is None and now - self._opened_at < self._timing.listen

    def _resettable(self, ports: Sequence[Port]) -> str:
        """The port that is surely the modem's: the one that is configured, or where it was last seen; "" if none is."""
        if not self._searched:
            return self._port
        known = self._search.known
        return known.name if known is not None and known in ports else ""
