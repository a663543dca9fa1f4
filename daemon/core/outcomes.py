"""How the command of a caller ends. An outcome has no number: each API has a table of what it says of an outcome."""

from dataclasses import dataclass

from daemon.core.milliseconds import Ms


@dataclass(frozen=True, slots=True)
class Accepted:
    """It was done."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such request, or it is another account's: to this caller both are the same."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The request has ended."""


@dataclass(frozen=True, slots=True)
class WrongCode:
    """The code is not the PIN that is valid now."""


@dataclass(frozen=True, slots=True)
class WrongTooOften:
    """It was the last wrong code that is allowed for one PIN: the request has failed."""


@dataclass(frozen=True, slots=True)
class NothingMore:
    """All events of the workflow have run."""


@dataclass(frozen=True, slots=True)
class CodeExpired:
    """The caller's own code has expired, and no other can follow it."""


@dataclass(frozen=True, slots=True)
class TooEarly:
    """A request cannot be cancelled before it is as old as `after`."""

    after: Ms


@dataclass(frozen=True, slots=True)
class EventHasRun:
    """A request cannot be cancelled once this event has run; the first is number 1."""

    event: int


@dataclass(frozen=True, slots=True)
class Busy:
    """The number has as many running requests as it may. own: the id of the newest of the caller's, if one is."""

    own: str | None


Outcome = (
    Accepted | Unknown | Gone | WrongCode | WrongTooOften | NothingMore | CodeExpired | TooEarly | EventHasRun | Busy
)
