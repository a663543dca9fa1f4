"""What a batch changed, in a few statements: one for each table and kind of change."""

from collections.abc import Mapping

from daemon.core.batch import Changes
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, Write, written
from daemon.store.sqlite.library import Connection


def insert(into: str, columns: str) -> str:
    """columns: with commas between them."""
    return f"INSERT INTO {into} ({columns}) VALUES ({', '.join('?' * len(columns.split(',')))})"  # noqa: S608


def upsert(into: str, columns: str, *keys: str) -> str:
    others = [name for name in columns.split(", ") if name not in keys]
    changes = ", ".join(f"{name}=excluded.{name}" for name in others)
    return f"{insert(into, columns)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


STATEMENTS: Mapping[Write, str] = {
    Write.INSERT_REQUESTS: insert("request", f"id, {REQUEST_COLUMNS}"),
    Write.UPDATE_REQUESTS: "UPDATE request SET status=?2, step=?3, generation=?4, pin_until_ms=?5, wrong=?6, due_ms=?7,"
    " first_event_ms=?8, last_event_ms=?9, finalized_ms=?10 WHERE id=?1",
    # No upsert: it costs as much as the whole request, as SQLite keeps each page as it was until the statement ends.
    Write.INSERT_ATTEMPTS: insert("attempt", f"request, {ATTEMPT_COLUMNS}"),
    Write.UPDATE_ATTEMPTS: "UPDATE attempt SET state=?3, tries=?4, device=?5, reference=?6, detail=?7, settled_ms=?8"
    " WHERE request=?1 AND step=?2",
    Write.INSERT_CHECKS: insert('"check"', "request, at_ms, valid, ip_address"),
    Write.INSERT_HISTORY: insert("history", "at_ms, request_id, kind, step, detail"),
    Write.REFUND: "DELETE FROM sent WHERE rowid IN"
    " (SELECT rowid FROM sent WHERE device=? AND number=? ORDER BY at_ms DESC, rowid DESC LIMIT ?)",
    Write.CHARGE: insert("sent", "device, at_ms, number"),
    Write.SET_META: upsert("meta", "name, value", "name"),
}


def save(connection: Connection, changes: Changes) -> None:
    """Inside a transaction."""
    for write, rows in written(changes):
        connection.executemany(STATEMENTS[write], rows)
