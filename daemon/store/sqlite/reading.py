"""What can be asked of a SQLite database."""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from daemon.core.milliseconds import Ms
from daemon.core.model import Channel, Request
from daemon.store.contract import MAX_CHECKS, CheckLine, Due, HistoryLine, Overdue, Place
from daemon.store.forgetting import Forms, Mentions, look
from daemon.store.retention import Hash
from daemon.store.rows import HISTORY_COLUMNS, UNANSWERED_STATES, WAITS, overdue_of
from daemon.store.sqlite.faults import Failed, is_damage, reading, unreadable
from daemon.store.sqlite.library import Connection, sqlite
from daemon.store.sqlite.listing import SqliteListing
from daemon.store.sqlite.loading import OF_ROWS, SELECT, assembled
from daemon.store.statements import LINES_OF

WAITING = (
    f"SELECT not_after_ms, request, step FROM attempt WHERE {WAITS} AND channel=?"  # noqa: S608
    " AND (not_after_ms, request, step) > (?, ?, ?) ORDER BY not_after_ms, request, step LIMIT ?"
)
BEHIND = "FROM request WHERE due_ms >= ?1 AND (due_ms, id) > (?1, ?2) AND due_ms < ?3 ORDER BY due_ms, id LIMIT ?4"
DUE, OVERDUE = f"SELECT due_ms, id {BEHIND}", f"SELECT due_ms, id, steps, step {BEHIND}"
COUNT_WAITING = f"SELECT count(*) FROM attempt WHERE {WAITS} AND channel=?"  # noqa: S608
UNDER_WAY = (
    "SELECT r.public_id, a.step FROM attempt a JOIN request r ON r.id = a.request"  # noqa: S608
    f" WHERE {UNANSWERED_STATES} AND a.state='sending'"  # the first as the index has it
)
NOT_ANSWERED = (
    "SELECT r.public_id, a.step FROM attempt a JOIN request r ON r.id = a.request"  # noqa: S608
    f" WHERE {UNANSWERED_STATES} AND a.device = ? AND a.queued_ms >= ? AND a.reference = ''"
)
SELECT_HISTORY = f"SELECT seq, {HISTORY_COLUMNS} FROM history"  # noqa: S608
LIVE = "SELECT count(*) FROM request WHERE status='IN PROGRESS'"


@reading
class SqliteReading:
    """A `Reading`, on a connection."""

    def __init__(self, connection: Connection, failed: Failed = unreadable) -> None:
        self.connection = connection
        self.failed = failed
        self.listing = SqliteListing(connection, failed)

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All that is asked within it is of one moment; one within another is of the moment of the outer one."""
        self.connection.execute("SAVEPOINT one_moment")
        try:
            yield
        finally:
            with contextlib.suppress(sqlite.Error):  # a disk that failed has ended it
                self.connection.execute("RELEASE one_moment")

    def request(self, request_id: str) -> tuple[int, Request] | None:
        """The row id and the request."""
        with self.one_moment():
            found = self.connection.execute(f"{SELECT} WHERE public_id=?", (request_id,)).fetchall()
            return next(iter(assembled(self.connection, found).items()), None)

    def after(self, row: int, limit: int) -> list[tuple[int, Request]]:
        """The next requests behind a row, in the order of their rows."""
        with self.one_moment():
            found = self.connection.execute(f"{SELECT} WHERE id > ? ORDER BY id LIMIT ?", (row, limit)).fetchall()
            return list(assembled(self.connection, found).items())

    def due(self, after: Due, until: Ms, limit: int) -> list[Due]:
        """The first timers behind one that are due before a time, in their order."""
        return [Due(*row) for row in self.connection.execute(DUE, (*after, until, limit))]

    def overdue(self, after: Due, until: Ms, limit: int) -> list[Overdue]:
        """As `due`, with what each begins."""
        rows = self.connection.execute(OVERDUE, (*after, until, limit))
        return [overdue_of(row) for row in rows]

    def under_way(self) -> list[tuple[str, int]]:
        """(request id, step) of the deliveries that a device has, or had when the daemon stopped."""
        return list(self.connection.execute(UNDER_WAY))

    def unanswered(self, device: str, since: Ms) -> list[tuple[str, int]]:
        """(request id, step) of the deliveries, queued since then, to which this device has given no answer."""
        return list(self.connection.execute(NOT_ANSWERED, (device, since)))

    def waiting(self, channel: Channel, after: Place, limit: int) -> list[tuple[Place, Request]]:
        """The next deliveries of a channel that wait for a device, in the order of their places.

        Those of a damaged request are left out: they hold up none behind them.
        """
        found: list[tuple[Place, Request]] = []
        while (wanted := limit - len(found)) > 0:
            with self.one_moment():
                places = [Place(*row) for row in self.connection.execute(WAITING, (channel, *after, wanted))]
                requests = self._whole([place.row for place in places])
            found += [(place, requests[place.row]) for place in places if place.row in requests]
            if len(places) < wanted:
                break
            after = places[-1]
        return found

    def _whole(self, rows: Sequence[int]) -> dict[int, Request]:
        """Those of these requests that can be read. Raises sqlite.Error, where that is not for damage."""
        if not rows:
            return {}
        try:
            return assembled(self.connection, OF_ROWS(self.connection, set(rows)))
        except sqlite.Error as exc:
            if not is_damage(exc):
                raise
            self.failed(exc)
        if len(rows) == 1:
            return {}
        middle = len(rows) // 2
        return self._whole(rows[:middle]) | self._whole(rows[middle:])

    def count_waiting(self, channel: Channel) -> int:
        return int(self.connection.execute(COUNT_WAITING, (channel,)).fetchone()[0])

    def sent_by(self, device: str, since: Ms) -> list[tuple[Ms, str]]:
        """(time, recipient) of each message that this modem may have sent since then, oldest first."""
        query = "SELECT at_ms, number FROM sent WHERE device=? AND at_ms >= ? ORDER BY at_ms"
        return self.connection.execute(query, (device, since)).fetchall()  # type: ignore[no-any-return]

    def meta(self, name: str) -> str | None:
        """A lasting setting of this database."""
        row = self.connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return str(row[0]) if row else None

    def checks(self, request_id: str) -> list[CheckLine]:
        """The newest MAX_CHECKS, the oldest of them first."""
        query = (
            'SELECT c.at_ms, c.valid, c.ip_address FROM "check" c JOIN request r ON r.id=c.request'
            " WHERE r.public_id=? ORDER BY c.id DESC LIMIT ?"
        )
        rows = self.connection.execute(query, (request_id, MAX_CHECKS)).fetchall()
        return [CheckLine(at, bool(valid), ip) for at, valid, ip in reversed(rows)]

    def history(self, after: int, limit: int, request_id: str | None = None) -> list[HistoryLine]:
        """Lines with a seq above `after`, oldest first."""
        where, values = (f" AND {LINES_OF}", [request_id, request_id]) if request_id else ("", [])
        query = f"{SELECT_HISTORY} WHERE seq > ?{where} ORDER BY seq LIMIT ?"
        return [HistoryLine(*row) for row in self.connection.execute(query, (after, *values, limit))]

    def last_seq(self) -> int:
        return int(self.connection.execute("SELECT coalesce(max(seq), 0) FROM history").fetchone()[0])

    def mentions(self, forms: Forms, hashed: Hash) -> Mentions:
        """Where a number may stand, as it is or hashed. It looks at every row."""
        return look(self.connection.execute, forms, hashed)

    def live(self, key_number: int | None = None) -> int:
        """How many requests are in progress, or how many of them began under this master key."""
        asked = (LIVE,) if key_number is None else (LIVE + " AND key_number=?", (key_number,))
        return int(self.connection.execute(*asked).fetchone()[0])

    def counts(self) -> dict[str, int]:
        """How many requests stand where."""
        return dict(self.connection.execute("SELECT status, count(*) FROM request GROUP BY status").fetchall())

    def timers(self) -> int:
        """How many requests have a timer, also one that is overdue."""
        return int(self.connection.execute("SELECT count(*) FROM request WHERE due_ms IS NOT NULL").fetchone()[0])

    def close(self) -> None:
        self.connection.close()
