"""What a batch changed, in a few statements: one for each table and kind of change."""

from daemon.core.batch import Changes
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, attempt_columns, changing_columns, columns
from daemon.store.sqlite.library import Connection

INSERT_REQUEST = f"INSERT INTO request (id, {REQUEST_COLUMNS}) VALUES (" + ", ".join("?" * 23) + ")"  # noqa: S608
UPDATE_REQUEST = (
    "UPDATE request SET status=?, step=?, generation=?, pin_until_ms=?, wrong=?, due_ms=?, first_event_ms=?,"
    " last_event_ms=?, finalized_ms=? WHERE id=?"
)
UPSERT_ATTEMPT = (
    f"INSERT OR REPLACE INTO attempt (request, {ATTEMPT_COLUMNS}) VALUES (" + ", ".join("?" * 12) + ")"  # noqa: S608
)
ADD_CHECK = 'INSERT INTO "check" (request, at_ms, valid, ip_address) VALUES (?, ?, ?, ?)'
ADD_LINE = "INSERT INTO history (at_ms, request_id, kind, step, detail) VALUES (?, ?, ?, ?, ?)"
FORGET = "DELETE FROM sent WHERE device=? AND at_ms < ?"
REFUND = (
    "DELETE FROM sent WHERE rowid IN"
    " (SELECT rowid FROM sent WHERE device=? AND number=? ORDER BY at_ms DESC, rowid DESC LIMIT ?)"
)
CHARGE = "INSERT INTO sent (device, at_ms, number) VALUES (?, ?, ?)"
SET_META = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"


def save(connection: Connection, changes: Changes) -> None:
    """Inside a transaction."""
    connection.executemany(INSERT_REQUEST, [(row, *columns(request)) for row, request in changes.inserted])
    connection.executemany(UPDATE_REQUEST, [(*changing_columns(request), row) for row, request in changes.updated])
    connection.executemany(UPSERT_ATTEMPT, [(row, *attempt_columns(attempt)) for row, attempt in changes.attempts])
    connection.executemany(ADD_CHECK, changes.checks)
    connection.executemany(ADD_LINE, changes.history)
    connection.executemany(REFUND, changes.refunds)
    connection.executemany(FORGET, changes.forget.items())
    connection.executemany(CHARGE, changes.charges)
    connection.executemany(SET_META, changes.meta.items())
