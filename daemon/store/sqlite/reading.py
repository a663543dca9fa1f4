"""What can be asked of a SQLite database."""

from collections.abc import Sequence
from typing import Any

from daemon.core.milliseconds import Ms
from daemon.core.model import Request
from daemon.store.contract import MAX_CHECKS, Check, HistoryLine
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, attempt_of, request_of
from daemon.store.sqlite.library import Connection
from daemon.store.sqlite.listing import Listing
from drivers import NATIONAL_DIGITS

SELECT_REQUEST = f"SELECT id, {REQUEST_COLUMNS} FROM request"  # noqa: S608
SELECT_ATTEMPTS = f"SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE request=? ORDER BY step"  # noqa: S608
SELECT_HISTORY = "SELECT seq, at_ms, request_id, kind, step, detail FROM history"


class Reading:
    """What can be asked of a connection, read-only or not."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self.listing = Listing(connection)

    def request(self, request_id: str) -> tuple[int, Request] | None:
        """The row id and the request."""
        return self._one(f"{SELECT_REQUEST} WHERE public_id=?", request_id)

    def request_by_row(self, row: int) -> tuple[int, Request] | None:
        return self._one(f"{SELECT_REQUEST} WHERE id=?", row)

    def active_for(self, number: str) -> list[Request]:
        """The requests of a number that run, the oldest first."""
        query = f"{SELECT_REQUEST} WHERE number=? AND status='IN PROGRESS' ORDER BY id"
        return [self._assemble(row)[1] for row in self._db.execute(query, (number,)).fetchall()]

    def due(self, since: Ms, until: Ms) -> list[tuple[Ms, int]]:
        """(due time, row id) of the timers due in [since, until)."""
        query = "SELECT due_ms, id FROM request WHERE due_ms >= ? AND due_ms < ? ORDER BY due_ms"
        return list(self._db.execute(query, (since, until)))

    def unsettled(self) -> list[int]:
        """Row ids of the requests with an attempt that waits for a device or was being sent."""
        query = "SELECT DISTINCT request FROM attempt WHERE state IN ('queued', 'requeued', 'sending') ORDER BY request"
        return [row[0] for row in self._db.execute(query)]

    def attempt_reported(self, number: str, reference: str, device: str, since: Ms) -> tuple[int, int] | None:
        """(row id, step) of the message that a status report means: the newest of this device to this number
        with this reference: each modem counts by itself.

        Where no message has it, one whose answer this device has not given, so that its reference is not known; else
        one to a number with the same last digits, as the network reports national numbers.
        """
        query = (
            "SELECT r.id, a.step FROM request r JOIN attempt a ON a.request = r.id"
            " WHERE r.number=? AND a.queued_ms >= ? AND a.device=? AND (a.reference=? OR (a.reference=''"
            " AND a.state IN ('requeued', 'sending', 'uncertain')))"
            " ORDER BY a.reference='', a.queued_ms DESC LIMIT 1"
        )
        national = (
            "SELECT r.id, a.step FROM attempt a JOIN request r ON r.id = a.request"
            " WHERE a.device=? AND a.device != '' AND a.queued_ms >= ? AND a.reference=? AND r.number LIKE ?"
            " ORDER BY a.queued_ms DESC LIMIT 1"
        )
        found = self._db.execute(query, (number, since, device, reference)).fetchone()
        if found is None and len(number) >= NATIONAL_DIGITS:
            tail = "%" + number[-NATIONAL_DIGITS:]
            found = self._db.execute(national, (device, since, reference, tail)).fetchone()
        return found  # type: ignore[no-any-return]

    def sent_by(self, device: str, since: Ms) -> list[tuple[Ms, str]]:
        """(time, recipient) of each message that this modem may have sent since then, oldest first."""
        query = "SELECT at_ms, number FROM sent WHERE device=? AND at_ms >= ? ORDER BY at_ms"
        return self._db.execute(query, (device, since)).fetchall()  # type: ignore[no-any-return]

    def meta(self, name: str) -> str | None:
        """A lasting setting of this database."""
        row = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return str(row[0]) if row else None

    def checks(self, request_id: str) -> list[Check]:
        """The newest MAX_CHECKS, the oldest of them first."""
        query = (
            'SELECT c.at_ms, c.valid, c.ip_address FROM "check" c JOIN request r ON r.id=c.request'
            " WHERE r.public_id=? ORDER BY c.id DESC LIMIT ?"
        )
        rows = self._db.execute(query, (request_id, MAX_CHECKS)).fetchall()
        return [Check(at, bool(valid), ip) for at, valid, ip in reversed(rows)]

    def history(self, after: int, limit: int, request_id: str | None = None) -> list[HistoryLine]:
        """Lines with a seq above `after`, oldest first."""
        where, values = (" AND request_id=?", [request_id]) if request_id else ("", [])
        query = f"{SELECT_HISTORY} WHERE seq > ?{where} ORDER BY seq LIMIT ?"
        return [HistoryLine(*row) for row in self._db.execute(query, (after, *values, limit))]

    def last_seq(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM history").fetchone()[0])

    def live(self) -> int:
        """How many requests are in progress."""
        return int(self._db.execute("SELECT count(*) FROM request WHERE status='IN PROGRESS'").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """How many requests stand where."""
        return dict(self._db.execute("SELECT status, count(*) FROM request GROUP BY status").fetchall())

    def _one(self, query: str, value: Any) -> tuple[int, Request] | None:
        row = self._db.execute(query, (value,)).fetchone()
        return self._assemble(row) if row else None

    def _assemble(self, row: Sequence[Any]) -> tuple[int, Request]:
        attempts = self._db.execute(SELECT_ATTEMPTS, (row[0],)).fetchall()
        return row[0], request_of(row[1:], tuple(attempt_of(a) for a in attempts))
