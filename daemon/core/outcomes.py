"""How the command of a caller ends. An outcome has no number: each API has a table of what it says of an outcome."""

from daemon.core.milliseconds import Ms
from daemon.core.values import value


@value
class Accepted:
    """It was done."""


@value
class Unknown:
    """There is no such request, or it is another account's: to this caller both are the same."""


@value
class Gone:
    """The request has ended."""


@value
class WrongCode:
    """The code is not the PIN that is valid now."""


@value
class WrongTooOften:
    """It was the last wrong code that is allowed for one PIN: the request has failed."""


@value
class NothingMore:
    """All events of the workflow have run."""


@value
class CodeExpired:
    """The caller's own code has expired, and no other can follow it."""


@value
class TooEarly:
    """A request cannot be cancelled before it is as old as `after`."""

    after: Ms


@value
class EventHasRun:
    """A request cannot be cancelled once this event has run; the first is number 1."""

    event: int


@value
class Busy:
    """The number has as many running requests as it may. own: the id of the newest of the caller's, if one is."""

    own: str | None


Outcome = (
    Accepted | Unknown | Gone | WrongCode | WrongTooOften | NothingMore | CodeExpired | TooEarly | EventHasRun | Busy
)
