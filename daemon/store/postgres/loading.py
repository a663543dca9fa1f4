"""What a batch needs, in two queries that are sent together: new row ids, and every request with its attempts."""

import json

from daemon.core.batch import UNANSWERED, Found, Needs
from daemon.store.postgres.connection import Connection, as_json, query
from daemon.store.postgres.reading import REQUESTS, assembled

NAMES = "(SELECT jsonb_array_elements_text(%s::jsonb))"
KEYS = (
    "(SELECT e ->> 0 AS number, e ->> 1 AS ending, e ->> 2 AS reference, e ->> 3 AS device, (e ->> 4)::bigint AS since"
    " FROM jsonb_array_elements(%s::jsonb) AS g (e)) k"
)
UNANSWERED_STATES = ", ".join(f"'{state}'" for state in UNANSWERED)
REPORTED = (  # as `may_mean`
    f"SELECT a.request FROM {KEYS} JOIN request r ON r.number = k.number"  # noqa: S608
    " JOIN attempt a ON a.request = r.id"
    " WHERE a.device != '' AND a.device = k.device AND a.queued_ms >= k.since"
    f" AND (a.reference = k.reference OR (a.reference = '' AND a.state IN ({UNANSWERED_STATES})))"
    f" UNION SELECT a.request FROM {KEYS} JOIN attempt a ON a.device = k.device AND a.reference = k.reference"
    " JOIN request r ON r.id = a.request"
    " WHERE k.ending != '' AND a.device != '' AND a.reference != '' AND a.queued_ms >= k.since"
    " AND right(r.number, length(k.ending)) = k.ending"
)
IDS = f"SELECT id FROM request WHERE public_id IN {NAMES}"  # noqa: S608
ROWS = "SELECT e::bigint FROM jsonb_array_elements(%s::jsonb) AS g (e)"
RUNNING = f"SELECT id FROM request WHERE number IN {NAMES} AND status = 'IN PROGRESS'"  # noqa: S608
NEW_ROWS = "SELECT nextval('request_id') FROM generate_series(1, %s)"


def load(connection: Connection, needs: Needs) -> Found:
    """What there is of it. Raises psycopg.Error."""
    reports = as_json(needs.reports)
    asked = [
        (names, values)
        for names, wanted, values in (
            (IDS, needs.ids, (as_json(needs.ids),)),
            (ROWS, needs.rows, (as_json(needs.rows),)),
            (RUNNING, needs.numbers, (as_json(needs.numbers),)),
            (REPORTED, needs.reports, (reports, reports)),
        )
        if wanted
    ]
    text = f"{REQUESTS} WHERE id IN ({' UNION '.join(names for names, _ in asked)})"
    with connection.pipeline():
        new = connection.execute(NEW_ROWS, (needs.new,)) if needs.new else None
        found = connection.execute(query(text), [v for _, values in asked for v in values]) if asked else None
    requests = json.loads(found.fetchall()[0][0] or "[]") if found is not None else ()
    return Found(dict(map(assembled, requests)), sorted(row for (row,) in new) if new is not None else ())
