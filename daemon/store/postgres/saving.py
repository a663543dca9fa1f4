"""What a batch changed, in one statement with a part for each table and kind of change."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from psycopg import sql

from daemon.core.batch import Changes
from daemon.store.postgres.connection import as_json, query
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

BIGINTS = frozenset({"id", "request", "at_ms", "count", "seq", "epoch"})
SMALL = frozenset({"code_length", "workflow_id", "step", "generation", "wrong", "tries", "key_number"})
FLAGS = frozenset({"expiry_given", "valid"})


def _as_column(place: int, name: str) -> str:
    """A column of rows that come as JSON arrays, in the type of the table's."""
    kind = "bigint" if name in BIGINTS or name.endswith("_ms") else "integer" if name in SMALL else "text"
    kind = "boolean" if name in FLAGS else kind
    return f"(e ->> {place})::{kind} AS {name}"


def rows_of(named: Sequence[str]) -> str:
    """A table of the rows that are given, in their order."""
    values = ", ".join(_as_column(place, name) for place, name in enumerate(named))
    return f"(SELECT {values} FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS g (e, place) ORDER BY place) v"  # noqa: S608


def insert(table: str, named: Sequence[str]) -> str:
    return f'INSERT INTO "{table}" ({", ".join(named)}) SELECT * FROM {rows_of(named)}'  # noqa: S608


def upsert(table: str, named: Sequence[str], keys: Sequence[str]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in named if name not in keys)
    return f"{insert(table, named)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


def update(table: str, named: Sequence[str], keys: Sequence[str]) -> str:
    changes = ", ".join(f"{name} = v.{name}" for name in named if name not in keys)
    which = " AND ".join(f"t.{name} = v.{name}" for name in keys)
    return f'UPDATE "{table}" t SET {changes} FROM {rows_of(named)} WHERE {which}'  # noqa: S608


REQUEST = ("id", *names(REQUEST_COLUMNS))
CHANGING = ("id", *names(CHANGING_REQUEST_COLUMNS))
ATTEMPT = ("request", *names(ATTEMPT_COLUMNS))
CHANGING_ATTEMPT = ("request", *names(CHANGING_ATTEMPT_COLUMNS))
STATEMENTS: Mapping[Write, str] = {
    Write.INSERT_REQUESTS: insert("request", REQUEST),
    Write.UPDATE_REQUESTS: update("request", CHANGING, ("id",)),
    Write.INSERT_ATTEMPTS: insert("attempt", ATTEMPT),
    Write.UPDATE_ATTEMPTS: update("attempt", CHANGING_ATTEMPT, ("request", "step")),
    Write.INSERT_CHECKS: insert("check", ("request", "at_ms", "valid", "ip_address")),
    Write.INSERT_HISTORY: insert("history", names(HISTORY_COLUMNS)),
    Write.REFUND: f"DELETE FROM sent WHERE id IN (SELECT n.id FROM {rows_of(('device', 'number', 'count'))}"  # noqa: S608
    " CROSS JOIN LATERAL (SELECT id FROM sent s WHERE s.device = v.device AND s.number = v.number"
    " ORDER BY at_ms DESC, id DESC LIMIT v.count) n)",
    Write.CHARGE: insert("sent", ("device", "at_ms", "number")),
    Write.SET_META: upsert("meta", ("name", "value"), ("name",)),
}
LAST_BATCH = "UPDATE gateway SET batch = %s"


def saving(changes: Changes, batch: int) -> tuple[sql.SQL, tuple[Any, ...]]:
    """One statement that is a transaction, and its values. batch: its number, by which it is known afterwards."""
    work = written(changes)
    return _together(tuple(write for write, _ in work)), (*(as_json(rows) for _, rows in work), batch)


@cache
def _together(writes: tuple[Write, ...]) -> sql.SQL:
    """One statement, so that a transaction is one message each way: each of its parts sees what was there before it.

    No two of them touch the same row: what is refunded was charged before.
    """
    parts = ", ".join(f"w{place} AS ({STATEMENTS[write]})" for place, write in enumerate(writes))
    return query(f"WITH {parts} {LAST_BATCH}" if parts else LAST_BATCH)
