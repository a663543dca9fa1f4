"""What a batch changed, in a few statements for each table and kind of change, of many rows each."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

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

SIZES = (64, 16, 4, 1)
"""How many rows a statement can have, the largest first: few statements are compiled, and few are needed.

`executemany` lets go of Python's lock at each row, and waits for it again; a statement does that once.
"""

Statements = Mapping[int, str]
"""By the number of rows, the largest first; the parameters of one row come behind those of the row before."""


def values(columns: str, rows: int) -> str:
    row = f"({', '.join('?' for _ in names(columns))})"
    return f"VALUES {', '.join([row] * rows)}"


def insert(into: str, columns: str) -> Statements:
    """columns: with commas between them."""
    return {rows: f"INSERT INTO {into} ({columns}) {values(columns, rows)}" for rows in SIZES}


def upsert(into: str, columns: str, *keys: str) -> Statements:
    changes = ", ".join(f"{name}=excluded.{name}" for name in names(columns) if name not in keys)
    return {1: f"{insert(into, columns)[1]} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"}


def update(table: str, columns: str, *keys: str) -> Statements:
    """The values are those of the columns, in their order. A row by itself needs no table of values."""
    several = {
        rows: _update(table, columns, keys, "v.column{}", f" FROM ({values(columns, rows)}) AS v")
        for rows in SIZES
        if rows > 1
    }
    return {**several, 1: _update(table, columns, keys, "?{}")}


def _update(table: str, columns: str, keys: Sequence[str], value: str, source: str = "") -> str:
    """value: that of the column with a number."""
    placed = {name: f"{name}={value.format(place)}" for place, name in enumerate(names(columns), 1)}
    changes = ", ".join(text for name, text in placed.items() if name not in keys)
    return f"UPDATE {table} SET {changes}{source} WHERE {' AND '.join(placed[key] for key in keys)}"  # noqa: S608


STATEMENTS: Mapping[Write, Statements] = {
    Write.INSERT_REQUESTS: insert("request", f"id, {REQUEST_COLUMNS}"),
    Write.UPDATE_REQUESTS: update("request", f"id, {CHANGING_REQUEST_COLUMNS}", "id"),
    # No upsert: it costs as much as the whole request, as SQLite keeps each page as it was until the statement ends.
    Write.INSERT_ATTEMPTS: insert("attempt", f"request, {ATTEMPT_COLUMNS}"),
    Write.UPDATE_ATTEMPTS: update("attempt", f"request, {CHANGING_ATTEMPT_COLUMNS}", "request", "step"),
    Write.INSERT_CHECKS: insert('"check"', "request, at_ms, valid, ip_address"),
    Write.INSERT_HISTORY: insert("history", HISTORY_COLUMNS),
    Write.REFUND: {
        1: "DELETE FROM sent WHERE rowid IN"
        " (SELECT rowid FROM sent WHERE device=? AND number=? ORDER BY at_ms DESC, rowid DESC LIMIT ?)"
    },
    Write.CHARGE: insert("sent", "device, at_ms, number"),
    Write.SET_META: upsert("meta", "name, value", "name"),
}


def save(connection: Connection, changes: Changes) -> None:
    """Inside a transaction."""
    for write, rows in written(changes):
        _save(connection, STATEMENTS[write], rows)


def _save(connection: Connection, statements: Statements, rows: Sequence[Sequence[Any]]) -> None:
    saved = 0
    for size, statement in statements.items():
        while len(rows) - saved >= size:
            connection.execute(statement, tuple(chain.from_iterable(rows[saved : saved + size])))
            saved += size
