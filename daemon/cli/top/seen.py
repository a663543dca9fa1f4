"""What `top` knows of the daemon at one moment."""

from dataclasses import dataclass, field

Facts = tuple[tuple[str, str], ...]
"""What is known of something in detail: names, and texts for people; numbers are masked."""


@dataclass(frozen=True, slots=True)
class Modem:
    """As /v1/modems has it. usual_s: that a message takes; 0: not known yet."""

    name: str
    state: str
    signal_dbm: int | None = None
    busy: bool = False
    hour: int = 0
    day: int = 0
    hourly_limit: int = 0
    daily_limit: int = 0
    usual_s: float = 0.0
    trouble: str = ""
    facts: Facts = ()


@dataclass(frozen=True, slots=True)
class Trunk:
    """As /v1/voice has it. account: "registered", "not registered", or "" where there is no registrar."""

    state: str
    account: str = ""
    server: str = ""
    calls: int = 0
    trouble: str = ""
    facts: Facts = ()


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A call. since_s: in this phase."""

    request_id: str
    phase: str
    since_s: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for a device, and for how long the first of it has."""

    waiting: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of history. at: local time of the day; device: that has the delivery, or "". Numbers are masked."""

    at: str
    request_id: str
    words: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that was asked for, in detail; happened: its whole history."""

    request_id: str
    facts: Facts
    happened: tuple[Happened, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What the daemon says of itself. rates: a minute, by what; health: "ok", or why nothing works."""

    version: str = ""
    uptime_s: float = 0.0
    health: str = "ok"
    reasons: tuple[str, ...] = ()
    modems: tuple[Modem, ...] = ()
    calls: tuple[UnderWay, ...] = ()
    messages: Queue | None = None
    waiting_calls: Queue | None = None
    rates: dict[str, int] = field(default_factory=dict)
    in_progress: int = 0
    trunk: Trunk | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """state: None before the daemon has answered. age_s: of the state. problem: why there is no newer one, or "".

    asked: the request whose call is looked at.
    """

    clock: str = ""
    state: State | None = None
    happened: tuple[Happened, ...] = ()
    age_s: float = 0.0
    problem: str = ""
    asked: Asked | None = None
