"""What a batch needs, in a few queries: one for each kind of name, and one for all attempts."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from daemon.core.batch import UNANSWERED, Needs
from daemon.core.model import Attempt, Request
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, attempt_of, request_of
from daemon.store.sqlite.library import Connection

SELECT = f"SELECT id, {REQUEST_COLUMNS} FROM request"  # noqa: S608
LISTED = "(SELECT value FROM json_each(?))"
SELECT_ATTEMPTS = f"SELECT request, {ATTEMPT_COLUMNS} FROM attempt WHERE request IN {LISTED} ORDER BY request, step"  # noqa: S608
# The index has the running ones only; SQLite's planner would look through the finished ones of a number, too.
RUNNING = f"{SELECT} INDEXED BY request_active WHERE number IN {LISTED} AND status='IN PROGRESS'"
NAMED = f"{SELECT} WHERE public_id IN {LISTED}"
OF_ROWS = f"{SELECT} WHERE id IN {LISTED}"
KEYS = (
    "(SELECT value ->> 0 AS number, value ->> 1 AS ending, value ->> 2 AS reference, value ->> 3 AS device,"
    " value ->> 4 AS since FROM json_each(?)) k"
)
UNANSWERED_STATES = ", ".join(f"'{state}'" for state in UNANSWERED)
REPORTED = (  # as `may_mean`
    f"SELECT a.request FROM {KEYS} CROSS JOIN request r ON r.number = k.number"  # noqa: S608
    " JOIN attempt a ON a.request = r.id"
    " WHERE a.device != '' AND a.device = k.device AND a.queued_ms >= k.since"
    f" AND (a.reference = k.reference OR (a.reference = '' AND a.state IN ({UNANSWERED_STATES})))"
    f" UNION ALL SELECT a.request FROM {KEYS} CROSS JOIN attempt a ON a.device = k.device AND a.reference = k.reference"
    " JOIN request r ON r.id = a.request"
    " WHERE k.ending != '' AND a.device != '' AND a.reference != '' AND a.queued_ms >= k.since"
    " AND substr(r.number, -length(k.ending)) = k.ending"
)
MEANT = f"{SELECT} WHERE id IN ({REPORTED})"


def last_row(connection: Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM request").fetchone()[0])


def load(connection: Connection, needs: Needs) -> dict[int, Request]:
    """The requests that are needed, by row id."""
    return assembled(connection, list(_rows(connection, needs)))


def assembled(connection: Connection, rows: Sequence[Sequence[Any]]) -> dict[int, Request]:
    """Rows of `SELECT` as requests, by row id, in their order, with all their attempts."""
    attempts: dict[int, list[Attempt]] = {row[0]: [] for row in rows}
    if rows:
        for request, *columns in connection.execute(SELECT_ATTEMPTS, (json.dumps(list(attempts)),)):
            attempts[request].append(attempt_of(columns))
    return {row[0]: request_of(row[1:], tuple(attempts[row[0]])) for row in rows}


def _rows(connection: Connection, needs: Needs) -> Iterator[Sequence[Any]]:
    for query, names in ((NAMED, needs.ids), (OF_ROWS, needs.rows), (RUNNING, needs.numbers)):
        if names:
            yield from connection.execute(query, (json.dumps(list(names)),)).fetchall()
    if needs.reports:
        keys = json.dumps(list(needs.reports))
        yield from connection.execute(MEANT, (keys, keys)).fetchall()
