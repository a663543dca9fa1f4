"""Retention: what is deleted once it is too old, a few rows in each transaction, so that no request waits long for one.

Row ids rise with the time of their rows, so the rows before a time are found by halving, without an index that every
request would have to keep up. Each row is then asked for its own time: a clock that was set back makes a row stay
longer, never shorter.

Every statement here is for both databases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from daemon.core.masking import HASHED
from daemon.core.milliseconds import DAY, Ms
from daemon.core.quota import MONTH
from daemon.store.statements import LINES_OF, OVER, Rows

CURSOR = "numbers hashed below row"  # of meta
SET_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
REPLACED, THERE = "detail = replace(detail, ?, ?)", "detail LIKE '%' || ? || '%'"
RUNNING = "SELECT 1 FROM request WHERE public_id = history.request_id AND status = 'IN PROGRESS'"

Hash = Callable[[str], str]
"""A number as it is kept once it must no longer be read: HASHED and hex digits, the same for the same number."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What ended before these times is deleted; None: it stays.

    numbers: of finished requests become hashes. requests: finished ones go, with their deliveries, checks and history.
    history, incoming: lines of what happened, and incoming messages. sent: rows that count for no quota any more.
    """

    numbers: Ms | None
    requests: Ms | None
    history: Ms | None
    incoming: Ms | None
    sent: Ms


def horizon(at: Ms, *, numbers: int, requests: int, history: int, incoming: int) -> Horizon:
    """Ages in days, 0: for ever."""

    def before(days: int) -> Ms | None:
        return at - Ms(days * int(DAY)) if days else None

    return Horizon(before(numbers), before(requests), before(history), before(incoming), at - MONTH)


class Deleted(NamedTuple):
    """How many rows one step changed or deleted."""

    numbers: int = 0
    requests: int = 0
    history: int = 0
    sent: int = 0


def delete_old(db: Rows, horizon: Horizon, hashed: Hash, limit: int) -> Deleted:
    """One step: at most so many rows of each kind. Inside a transaction."""
    return Deleted(
        0 if horizon.numbers is None else _hash_numbers(db, horizon.numbers, hashed, limit),
        0 if horizon.requests is None else _delete_requests(db, horizon.requests, limit),
        (0 if horizon.history is None else _delete_history(db, "<>", horizon.history, limit))
        + (0 if horizon.incoming is None else _delete_history(db, "=", horizon.incoming, limit)),
        _delete_sent(db, horizon.sent, limit),
    )


def _first_since(db: Rows, table: str, key: str, column: str, at: Ms) -> int:
    """The lowest key that a row of that time or a later one may have."""
    low, high = 0, int(db.execute(f"SELECT coalesce(max({key}), 0) + 1 FROM {table}").fetchone()[0])  # noqa: S608
    query = f"SELECT {key}, {column} FROM {table} WHERE {key} >= ? ORDER BY {key} LIMIT 1"  # noqa: S608
    while low < high:
        middle = (low + high) // 2
        row = db.execute(query, (middle,)).fetchone()
        if row is None or row[1] >= int(at):
            high = middle
        else:
            low = int(row[0]) + 1
    return low


def _hash_numbers(db: Rows, at: Ms, hashed: Hash, limit: int) -> int:
    known = db.execute("SELECT value FROM meta WHERE name = ?", (CURSOR,)).fetchone()
    cursor, bound = int(known[0]) if known else 0, _first_since(db, "request", "id", "created_ms", at)
    plain = f"id >= ? AND id < ? AND number <> '' AND substr(number, 1, {len(HASHED)}) <> '{HASHED}'"
    query = (
        f"SELECT id, public_id, number FROM request WHERE {plain} AND {OVER} AND finalized_ms < ? ORDER BY id LIMIT ?"  # noqa: S608
    )
    rows = db.execute(query, (cursor, bound, at, limit)).fetchall()
    for row, public_id, number in rows:
        mark = hashed(number)
        db.execute("UPDATE request SET number = ?, sealed_pin = '' WHERE id = ?", (mark, row))
        for table, which, names in (("attempt", "request = ?", (row,)), ("history", LINES_OF, (public_id, public_id))):
            db.execute(f"UPDATE {table} SET {REPLACED} WHERE {which} AND {THERE}", (number, mark, *names, number))  # noqa: S608
    left = db.execute(f"SELECT id FROM request WHERE {plain} ORDER BY id LIMIT 1", (cursor, bound)).fetchone()  # noqa: S608
    reached = int(left[0]) if left else bound
    if reached != cursor:
        db.execute(SET_META, (CURSOR, str(reached)))
    return len(rows)


def _delete_requests(db: Rows, at: Ms, limit: int) -> int:
    """Deliveries and checks go with their request (foreign keys)."""
    bound = _first_since(db, "request", "id", "created_ms", at)
    query = f"SELECT id, public_id FROM request WHERE id < ? AND {OVER} AND finalized_ms < ? ORDER BY id LIMIT ?"  # noqa: S608
    rows = db.execute(query, (bound, at, limit)).fetchall()
    for row, public_id in rows:
        db.execute(f"DELETE FROM history WHERE {LINES_OF}", (public_id, public_id))  # noqa: S608
        db.execute("DELETE FROM request WHERE id = ?", (row,))
    return len(rows)


def _delete_history(db: Rows, is_incoming: str, at: Ms, limit: int) -> int:
    """is_incoming: "=" for incoming messages, "<>" for all other lines."""
    bound = _first_since(db, "history", "seq", "at_ms", at)
    which = f"SELECT seq FROM history WHERE seq < ? AND at_ms < ? AND kind {is_incoming} 'incoming'"  # noqa: S608
    query = f"DELETE FROM history WHERE seq IN ({which} AND NOT EXISTS ({RUNNING}) ORDER BY seq LIMIT ?)"  # noqa: S608
    return int(db.execute(query, (bound, at, limit)).rowcount)


def _delete_sent(db: Rows, at: Ms, limit: int) -> int:
    key = db.row_of_sent
    bound = _first_since(db, "sent", key, "at_ms", at)
    which = f"SELECT {key} FROM sent WHERE {key} < ? AND at_ms < ? ORDER BY {key} LIMIT ?"  # noqa: S608
    return int(db.execute(f"DELETE FROM sent WHERE {key} IN ({which})", (bound, at, limit)).rowcount)  # noqa: S608
