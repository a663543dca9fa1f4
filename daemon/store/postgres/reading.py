"""What can be asked of a PostgreSQL database: as `store.sqlite.reading`, which says what each answer means."""

import json
from typing import Any

from daemon.core.milliseconds import Ms
from daemon.core.model import Request
from daemon.store.contract import MAX_CHECKS, Check, HistoryLine
from daemon.store.postgres.connection import Connection, plain, query
from daemon.store.postgres.listing import Listing
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, attempt_of, request_of
from drivers import NATIONAL_DIGITS

OF_REQUEST = f"json_agg(json_build_array({ATTEMPT_COLUMNS}) ORDER BY step)"
ATTEMPTS = f"(SELECT {OF_REQUEST} FROM attempt a WHERE a.request = r.id)"  # noqa: S608
REQUESTS = f"SELECT json_agg(json_build_array(id, {ATTEMPTS}, {REQUEST_COLUMNS}) ORDER BY id)::text FROM request r"  # noqa: S608
"""One text with every request and its attempts."""

SELECT_HISTORY = "SELECT seq, at_ms, request_id, kind, step, detail FROM history"


class Reading:
    """What can be asked of a connection, read-only or not."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self.listing = Listing(connection)

    def request(self, request_id: str) -> tuple[int, Request] | None:
        """The row id and the request."""
        return next(iter(self.requests("public_id = %s", plain(request_id))), None)

    def request_by_row(self, row: int) -> tuple[int, Request] | None:
        return next(iter(self.requests("id = %s", row)), None)

    def active_for(self, number: str) -> list[Request]:
        """The requests of a number that run, the oldest first."""
        return [found for _, found in self.requests("number = %s AND status = 'IN PROGRESS'", plain(number))]

    def requests(self, where: str, *values: object) -> list[tuple[int, Request]]:
        """Those that a condition of our own names, the oldest first."""
        found = self._one(f"{REQUESTS} WHERE {where}", *values)[0]
        return [_assembled(row) for row in json.loads(found or "[]")]

    def due(self, since: Ms, until: Ms) -> list[tuple[Ms, int]]:
        """(due time, row id) of the timers due in [since, until)."""
        due = "SELECT due_ms, id FROM request WHERE due_ms >= %s AND due_ms < %s ORDER BY due_ms"
        return [(at, row) for at, row in self._all(due, since, until)]

    def unsettled(self) -> list[int]:
        """Row ids of the requests with an attempt that waits for a device or was being sent."""
        waits = "SELECT DISTINCT request FROM attempt WHERE state IN ('queued', 'requeued', 'sending') ORDER BY request"
        return [row for (row,) in self._all(waits)]

    def attempt_reported(self, number: str, reference: str, device: str, since: Ms) -> tuple[int, int] | None:
        """(row id, step) of the message that a status report means."""
        exact = (
            "SELECT r.id, a.step FROM request r JOIN attempt a ON a.request = r.id"
            " WHERE r.number=%s AND a.queued_ms >= %s AND a.device=%s AND (a.reference=%s OR (a.reference=''"
            " AND a.state IN ('requeued', 'sending', 'uncertain')))"
            " ORDER BY a.reference='', a.queued_ms DESC LIMIT 1"
        )
        national = (
            "SELECT r.id, a.step FROM attempt a JOIN request r ON r.id = a.request"
            " WHERE a.device=%s AND a.device != '' AND a.queued_ms >= %s AND a.reference=%s"
            " AND right(r.number, %s) = %s ORDER BY a.queued_ms DESC LIMIT 1"
        )
        number, reference, device = plain(number), plain(reference), plain(device)
        found = self._all(exact, number, since, device, reference)
        if not found and len(number) >= NATIONAL_DIGITS:
            found = self._all(national, device, since, reference, NATIONAL_DIGITS, number[-NATIONAL_DIGITS:])
        return next(((row, step) for row, step in found), None)

    def sent_by(self, device: str, since: Ms) -> list[tuple[Ms, str]]:
        """(time, recipient) of each message that this modem may have sent since then, oldest first."""
        sent = "SELECT at_ms, number FROM sent WHERE device=%s AND at_ms >= %s ORDER BY at_ms, id"
        return [(at, number) for at, number in self._all(sent, plain(device), since)]

    def meta(self, name: str) -> str | None:
        """A lasting setting of this database."""
        found = self._all("SELECT value FROM meta WHERE name=%s", plain(name))
        return str(found[0][0]) if found else None

    def checks(self, request_id: str) -> list[Check]:
        """The newest MAX_CHECKS, the oldest of them first."""
        newest = (
            'SELECT c.at_ms, c.valid, c.ip_address FROM "check" c JOIN request r ON r.id=c.request'
            " WHERE r.public_id=%s ORDER BY c.id DESC LIMIT %s"
        )
        return [Check(at, valid, ip) for at, valid, ip in reversed(self._all(newest, plain(request_id), MAX_CHECKS))]

    def history(self, after: int, limit: int, request_id: str | None = None) -> list[HistoryLine]:
        """Lines with a seq above `after`, oldest first."""
        where, values = (" AND request_id=%s", [plain(request_id)]) if request_id else ("", [])
        lines = f"{SELECT_HISTORY} WHERE seq > %s{where} ORDER BY seq LIMIT %s"
        return [HistoryLine(*row) for row in self._all(lines, after, *values, limit)]

    def last_seq(self) -> int:
        return int(self._one("SELECT coalesce(max(seq), 0) FROM history")[0])

    def live(self) -> int:
        """How many requests are in progress."""
        return int(self._one("SELECT count(*) FROM request WHERE status = 'IN PROGRESS'")[0])

    def counts(self) -> dict[str, int]:
        """How many requests stand where."""
        return dict(self._all("SELECT status, count(*) FROM request GROUP BY status"))

    def _all(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(query(text), values).fetchall()

    def _one(self, text: str, *values: object) -> tuple[Any, ...]:
        return self._all(text, *values)[0]


def _assembled(row: list[Any]) -> tuple[int, Request]:
    number, attempts, *columns = row
    return number, request_of(columns, tuple(attempt_of(a) for a in attempts or ()))
