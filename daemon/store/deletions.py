"""What a database deletes: by age, and of one number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from daemon.core.milliseconds import Ms
from daemon.core.quota import MONTH

HASHED = "h:"  # in front of what stands in place of a number
DAY = 86_400_000  # ms

Hash = Callable[[str], str]
"""A number as it is kept once it must no longer be read: HASHED and hex digits, the same for the same number."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What ended before these times is deleted; None: it stays.

    numbers: of finished requests become hashes. requests: finished ones go, with their deliveries, checks and history.
    history, incoming: lines of what happened, and incoming messages. sent: rows that count for no quota any more.
    """

    numbers: Ms | None
    requests: Ms | None
    history: Ms | None
    incoming: Ms | None
    sent: Ms


def horizon(at: Ms, *, numbers: int, requests: int, history: int, incoming: int) -> Horizon:
    """Ages in days, 0: for ever."""

    def before(days: int) -> Ms | None:
        return at - Ms(days * DAY) if days else None

    return Horizon(before(numbers), before(requests), before(history), before(incoming), at - MONTH)


class Pruned(NamedTuple):
    """How many rows one step changed or deleted."""

    numbers: int = 0
    requests: int = 0
    history: int = 0
    sent: int = 0


class Rows(Protocol):
    """A connection that changes rows. row_of_sent: what numbers the rows of the table `sent`."""

    row_of_sent: str

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """A cursor of the DB-API (PEP 249), after a statement with "?" for each value."""


@dataclass(frozen=True, slots=True)
class Forms:
    """A number as it may stand in a text.

    digits: international; national: its significant digits; prefix: before them inside its country, such as "0", or "".
    """

    digits: str = field(repr=False)
    national: str = field(repr=False)
    prefix: str


class StillRunning(Exception):
    """The number cannot be forgotten: requests of it run, or a device has a message or a call for it."""

    def __init__(self, request_ids: tuple[str, ...]) -> None:
        super().__init__(
            f"still in progress: {', '.join(request_ids)}; wait for the end, or cancel: pinwheel cancel ID"
        )


class Mentions(NamedTuple):
    """Where a number may stand, up to the last rows that were looked at. requests: by row id; lines: of history."""

    requests: tuple[int, ...] = ()
    lines: tuple[int, ...] = ()
    last_request: int = 0
    last_line: int = 0


NOWHERE = Mentions()


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows had the number."""

    requests: int
    history: int
    sent: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done. log_emptied: no file has the number any more; False: somebody was reading, so ask again.

    remains: where it may still be, which the gateway can neither see nor empty; "" where that is nowhere.
    """

    requests: int
    history: int
    sent: int
    log_emptied: bool
    remains: str = ""
