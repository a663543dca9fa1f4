"""What a batch needs, in a few queries: one for each kind of name, and one for all attempts."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from daemon.core.batch import Needs
from daemon.core.model import Attempt, Request
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, UNANSWERED_STATES, attempt_of, request_of
from daemon.store.sqlite.library import Connection

SELECT = f"SELECT id, {REQUEST_COLUMNS} FROM request"  # noqa: S608
LISTED = "(SELECT value FROM json_each(?))"


class Query(NamedTuple):
    """A query for one name, and for several: a small batch pays for no list."""

    one: str
    several: str

    def __call__(self, connection: Connection, names: Collection[Any]) -> list[Sequence[Any]]:
        text, value = (self.several, json.dumps(list(names))) if len(names) > 1 else (self.one, next(iter(names)))
        return connection.execute(text, (value,)).fetchall()  # type: ignore[no-any-return]


def by(column: str, select: str, more: str = "") -> Query:
    return Query(f"{select} WHERE {column} = ?{more}", f"{select} WHERE {column} IN {LISTED}{more}")


SELECT_ATTEMPTS = f"SELECT request, {ATTEMPT_COLUMNS} FROM attempt"  # noqa: S608
OF_REQUESTS = by("request", SELECT_ATTEMPTS, " ORDER BY request, step")
# The index has the running ones only; SQLite's planner would look through the finished ones of a number, too.
RUNNING = by("number", "SELECT id FROM request INDEXED BY request_active", " AND status='IN PROGRESS'")
NAMED, OF_ROWS = by("public_id", SELECT), by("id", SELECT)
REPORTED = (  # as `report_match.may_mean`; ?1 to ?5: the fields of a ReportKey
    "SELECT a.request FROM attempt a CROSS JOIN request r ON r.id = a.request"  # noqa: S608
    " WHERE a.device = ?4 AND a.reference = ?3 AND a.device != '' AND a.reference != '' AND a.queued_ms >= ?5"
    " AND (r.number = ?1 OR (?2 != '' AND substr(r.number, -length(?2)) = ?2))"
    " UNION ALL SELECT a.request FROM attempt a CROSS JOIN request r ON r.id = a.request"
    f" WHERE {UNANSWERED_STATES} AND a.device = ?4 AND a.device != '' AND a.reference = '' AND a.queued_ms >= ?5"
    " AND r.number = ?1"
)


def load(connection: Connection, needs: Needs) -> dict[int, Request]:
    """The requests that are needed, by row id."""
    rows = NAMED(connection, needs.ids) if needs.ids else []
    meant = {row for key in needs.reports for (row,) in connection.execute(REPORTED, key)}
    if needs.numbers:
        meant.update(row for (row,) in RUNNING(connection, needs.numbers))
    if unknown := [row for row in needs.rows | meant if row not in needs.known]:
        rows += OF_ROWS(connection, unknown)
    found = {row: needs.known[row] for row in meant | {row[0] for row in rows} if row in needs.known}
    return found | assembled(connection, [row for row in rows if row[0] not in found])


def assembled(connection: Connection, rows: Sequence[Sequence[Any]]) -> dict[int, Request]:
    """Rows of `SELECT` as requests, by row id, in their order, with all their attempts."""
    attempts: dict[int, list[Attempt]] = {row[0]: [] for row in rows}
    if rows:
        for request, *columns in OF_REQUESTS(connection, attempts):
            attempts[request].append(attempt_of(columns))
    return {row[0]: request_of(row[1:], tuple(attempts[row[0]])) for row in rows}
