"""What every store shares: what it keeps besides requests, how it fails, and what it asks of a database."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from daemon.core.batch import Changes, Found, Needs
from daemon.core.milliseconds import Ms
from daemon.core.model import Channel, Request
from daemon.store.condition import Misplaced
from daemon.store.forgetting import ForgottenRows, Forms, Mentions
from daemon.store.retention import Deleted, Hash, Horizon

MAX_CHECKS = 500  # of a request that are shown
COPY_OF = "copy of"  # a setting of a copy that is not complete: what its source is called


def nobody_waits() -> None:
    """For a commit that nobody waits for to begin."""


class StoreUnusable(Exception):
    """The database cannot be used; the text names it and the remedy."""


class Damaged(StoreUnusable):
    """A part of the database is not what was written, so a backup must be restored; other parts can still be used."""


@dataclass(frozen=True, slots=True)
class CheckLine:
    """A code that was checked. The code itself is not kept."""

    at: Ms
    valid: bool
    ip_address: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of history; seq is the resume key of the event stream."""

    seq: int
    at: Ms
    request_id: str
    kind: str
    step: int | None
    detail: str


class Place(NamedTuple):
    """A place among the deliveries that wait: by the end of their PIN, then as they came."""

    not_after: Ms
    row: int
    step: int


FIRST = Place(Ms(0), 0, 0)


class Due(NamedTuple):
    """A timer: by when it is due, then by row."""

    at: Ms
    row: int


class Overdue(NamedTuple):
    """channel: of the delivery that the timer begins; None: it ends its request. From `over` on it ends it anyway."""

    due: Due
    channel: Channel | None
    over: Ms


class Listing(Protocol):
    """What operators list, as JSON that the database writes itself. Numbers are masked as by `masked`, times are
    written as by `zoned_text`."""

    def requests(self, *, active_only: bool, limit: int) -> str:
        """A JSON array, the newest first, without deliveries."""

    def checks_of(self, row: int, limit: int) -> str:
        """A JSON array: the newest checks of a request, the oldest of them first."""

    def history_of(self, request_id: str, limit: int) -> str:
        """A JSON array: the first lines of the history of a request, the oldest first."""

    def events(self, after: int, limit: int) -> tuple[int, str]:
        """The next lines of history as server-sent events, "" if there are none, and the position behind them."""

    def recipients(self) -> list[str]:
        """No JSON, and in full: to whom the modems sent what a limit may still count, each once."""


class Reading(Protocol):
    """What can be asked of a connection that only reads; it sees what has been committed. Raises StoreUnusable.

    Each answer is of one moment.
    """

    @property
    def listing(self) -> Listing: ...

    def one_moment(self) -> AbstractContextManager[None]:
        """All that is asked within it is of one moment. For a short time: the database keeps that moment meanwhile."""

    def request(self, request_id: str) -> tuple[int, Request] | None:
        """The row id and the request."""

    def after(self, row: int, limit: int) -> list[tuple[int, Request]]:
        """The next requests behind a row, in the order of their rows."""

    def due(self, after: Due, until: Ms, limit: int) -> list[Due]:
        """The first timers behind one that are due before a time, in their order."""

    def overdue(self, after: Due, until: Ms, limit: int) -> list[Overdue]:
        """As `due`, with what each begins."""

    def under_way(self) -> list[tuple[str, int]]:
        """(request id, step) of the deliveries that a device has, or had when the daemon stopped."""

    def unanswered(self, device: str, since: Ms) -> list[tuple[str, int]]:
        """(request id, step) of the deliveries, queued since then, to which this device has given no answer."""

    def waiting(self, channel: Channel, after: Place, limit: int) -> list[tuple[Place, Request]]:
        """The next deliveries of a channel that wait for a device, in the order of their places."""

    def count_waiting(self, channel: Channel) -> int: ...

    def sent_by(self, device: str, since: Ms) -> list[tuple[Ms, str]]:
        """(time, recipient) of each message that this modem may have sent since then, oldest first."""

    def meta(self, name: str) -> str | None:
        """A lasting setting of this database."""

    def checks(self, request_id: str) -> list[CheckLine]:
        """The newest MAX_CHECKS, the oldest of them first."""

    def history(self, after: int, limit: int, request_id: str | None = None) -> list[HistoryLine]:
        """Lines with a seq above `after`, oldest first."""

    def last_seq(self) -> int: ...

    def mentions(self, forms: Forms, hashed: Hash) -> Mentions:
        """Where a number may stand, as it is or hashed. It looks at every row."""

    def live(self, key_number: int | None = None) -> int:
        """How many requests are in progress, or how many of them began under this master key."""

    def counts(self) -> dict[str, int]:
        """How many requests stand where."""

    def timers(self) -> int:
        """How many requests have a timer, also one that is overdue."""

    def close(self) -> None: ...


class Database(Protocol):
    """What is particular to one kind of database. All but `open`, `close` and `reader` are for one thread, the batch's.

    What the database itself is to blame for is a StoreUnusable. One that is no Damaged makes it broken until a save or
    `recover` succeeds; Damaged makes it damaged for good, and not broken.
    """

    @property
    def broken(self) -> bool:
        """As in `Condition`, like the next two."""

    @property
    def damaged(self) -> bool: ...

    @property
    def misplaced(self) -> Misplaced | None: ...

    @property
    def stale(self) -> str:
        """Why the daemon must start again: the rows are not what it knows. "" otherwise."""

    @property
    def in_process(self) -> bool:
        """Whether this process does its work. Otherwise most of a batch is waiting for a server."""

    @property
    def pause_s(self) -> float:
        """How long to wait for a batch before `recover` is called."""

    def open(self) -> None:
        """Connect, keep every other daemon out, bring the schema up to date. Raises StoreUnusable."""

    def close(self) -> None:
        """Close everything; what was saved is there."""

    def reader(self) -> Reading:
        """A new connection that only reads, for the thread that asks. Raises StoreUnusable."""

    def load(self, needs: Needs) -> Found:
        """What there is of what commands need, in a few queries. Raises StoreUnusable."""

    def save(self, changes: Changes, committing: Callable[[], None] = nobody_waits) -> None:
        """Save all in one transaction, durable once it returns, or nothing.

        committing: called once, when this process has done its part and only the disk or the server is waited for; not
        called where it fails before that.
        Raises StoreUnusable for what is the database's fault; every other exception is the fault of a command.
        """

    def delete_old(self, horizon: Horizon, hashed: Hash, limit: int) -> Deleted:
        """Delete at most so many rows of each kind that are beyond the horizon. Raises StoreUnusable."""

    def forget(self, forms: Forms, hashed: Hash, found: Mentions) -> ForgottenRows:
        """Remove a number from every row. found: its `mentions`.

        Raises StillRunning or StoreUnusable.
        """

    @property
    def remains(self) -> str:
        """Where what was deleted may still be for a time, out of our hands; "" where that is nowhere."""

    def rewrite(self) -> None:
        """Rewrite files of ours that still have what an earlier version deleted. Raises StoreUnusable."""

    def empty_log(self) -> bool:
        """Whether no file has any more what was deleted; a reader keeps it there for a while. Raises StoreUnusable."""

    def recover(self) -> None:
        """Nothing came for `pause_s`: see whether the database can still be used, or can be used again."""

    def tidy(self, *, busy: bool) -> None:
        """After each batch. busy: more is waiting."""
