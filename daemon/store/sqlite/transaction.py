"""What an operation may write, inside the transaction of its group."""

from collections.abc import Sequence

from daemon.core.milliseconds import Ms
from daemon.core.model import Attempt, Charge, Refund, Request
from daemon.store.contract import Check
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, changing_columns, columns
from daemon.store.sqlite.reading import Reading

INSERT_REQUEST = f"INSERT INTO request ({REQUEST_COLUMNS}) VALUES (" + ", ".join("?" * 22) + ")"  # noqa: S608
UPDATE_REQUEST = (
    "UPDATE request SET status=?, step=?, generation=?, pin_until_ms=?, wrong=?, due_ms=?, first_event_ms=?,"
    " last_event_ms=?, finalized_ms=? WHERE id=?"
)
UPSERT_ATTEMPT = (
    f"INSERT OR REPLACE INTO attempt (request, {ATTEMPT_COLUMNS}) VALUES (" + ", ".join("?" * 12) + ")"  # noqa: S608
)


class Transaction(Reading):
    """What an operation may do; it runs on the writer's thread, inside the group's transaction."""

    def insert(self, request: Request) -> int:
        """Add a new request; returns its row id."""
        row = int(self._db.execute(INSERT_REQUEST, columns(request)).lastrowid)
        self._save_attempts(row, request.attempts)
        return row

    def update(self, row: int, before: Request, after: Request) -> None:
        """Write what differs."""
        standing = changing_columns(after)
        if standing != changing_columns(before):
            self._db.execute(UPDATE_REQUEST, (*standing, row))
        self._save_attempts(row, [a for a in after.attempts if a not in before.attempts])

    def add_check(self, row: int, check: Check) -> None:
        query = 'INSERT INTO "check" (request, at_ms, valid, ip_address) VALUES (?, ?, ?, ?)'
        self._db.execute(query, (row, check.at, check.valid, check.ip_address))

    def add_history(self, at: Ms, request_id: str, kind: str, step: int | None, detail: str) -> int:
        query = "INSERT INTO history (at_ms, request_id, kind, step, detail) VALUES (?, ?, ?, ?, ?)"
        return int(self._db.execute(query, (at, request_id, kind, step, detail)).lastrowid)

    def charge(self, charge: Charge, forget: Ms) -> None:
        """A row for each SMS, for its modem's quota; those before `forget` are not needed any more."""
        self._db.execute("DELETE FROM sent WHERE device=? AND at_ms < ?", (charge.device, forget))
        rows = [(charge.device, charge.at, charge.number)] * charge.count
        self._db.executemany("INSERT INTO sent (device, at_ms, number) VALUES (?, ?, ?)", rows)

    def refund(self, refund: Refund) -> None:
        """The newest rows of this modem and this number go."""
        newest = "SELECT rowid FROM sent WHERE device=? AND number=? ORDER BY at_ms DESC, rowid DESC LIMIT ?"
        values = (refund.device, refund.number, refund.count)
        self._db.execute(f"DELETE FROM sent WHERE rowid IN ({newest})", values)  # noqa: S608

    def set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))

    def _save_attempts(self, row: int, attempts: Sequence[Attempt]) -> None:
        for a in attempts:
            values = (a.step, a.channel, a.generation, a.not_after, a.queued_at, a.state, a.tries)
            self._db.execute(UPSERT_ATTEMPT, (row, *values, a.device, a.reference, a.detail, a.settled_at))
