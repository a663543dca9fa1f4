"""What a batch changed, in a few statements: one for each table and kind of change."""

from collections.abc import Mapping

from daemon.core.batch import Changes
from daemon.store.rows import (
    ATTEMPT_COLUMNS,
    CHANGING_ATTEMPT_COLUMNS,
    CHANGING_REQUEST_COLUMNS,
    HISTORY_COLUMNS,
    REQUEST_COLUMNS,
    Write,
    names,
    written,
)
from daemon.store.sqlite.library import Connection


def insert(into: str, columns: str) -> str:
    """columns: with commas between them."""
    return f"INSERT INTO {into} ({columns}) VALUES ({', '.join('?' for _ in names(columns))})"  # noqa: S608


def upsert(into: str, columns: str, *keys: str) -> str:
    changes = ", ".join(f"{name}=excluded.{name}" for name in names(columns) if name not in keys)
    return f"{insert(into, columns)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


def update(table: str, columns: str, *keys: str) -> str:
    """The values are those of the columns, in their order."""
    placed = {name: f"{name}=?{place}" for place, name in enumerate(names(columns), 1)}
    changes = ", ".join(text for name, text in placed.items() if name not in keys)
    return f"UPDATE {table} SET {changes} WHERE {' AND '.join(placed[key] for key in keys)}"  # noqa: S608


STATEMENTS: Mapping[Write, str] = {
    Write.INSERT_REQUESTS: insert("request", f"id, {REQUEST_COLUMNS}"),
    Write.UPDATE_REQUESTS: update("request", f"id, {CHANGING_REQUEST_COLUMNS}", "id"),
    # No upsert: it costs as much as the whole request, as SQLite keeps each page as it was until the statement ends.
    Write.INSERT_ATTEMPTS: insert("attempt", f"request, {ATTEMPT_COLUMNS}"),
    Write.UPDATE_ATTEMPTS: update("attempt", f"request, {CHANGING_ATTEMPT_COLUMNS}", "request", "step"),
    Write.INSERT_CHECKS: insert('"check"', "request, at_ms, valid, ip_address"),
    Write.INSERT_HISTORY: insert("history", HISTORY_COLUMNS),
    Write.REFUND: "DELETE FROM sent WHERE rowid IN"
    " (SELECT rowid FROM sent WHERE device=? AND number=? ORDER BY at_ms DESC, rowid DESC LIMIT ?)",
    Write.CHARGE: insert("sent", "device, at_ms, number"),
    Write.SET_META: upsert("meta", "name, value", "name"),
}


def save(connection: Connection, changes: Changes) -> None:
    """Inside a transaction."""
    for write, rows in written(changes):
        connection.executemany(STATEMENTS[write], rows)
