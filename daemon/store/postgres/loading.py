"""What a batch needs, in one query: new row ids, and every request with its attempts."""

import json

from daemon.core.batch import Found, Needs
from daemon.store.postgres.connection import Connection, as_json, query
from daemon.store.postgres.reading import REQUESTS, assembled
from daemon.store.rows import UNANSWERED_STATES

NAMES = "(SELECT jsonb_array_elements_text(%s::jsonb))"
KEYS = (
    "(SELECT e ->> 0 AS number, e ->> 1 AS ending, e ->> 2 AS reference, e ->> 3 AS device, (e ->> 4)::bigint AS since"
    " FROM jsonb_array_elements(%s::jsonb) AS g (e)) k"
)
REPORTED = (  # as `report_match.may_mean`
    f"SELECT a.request FROM {KEYS} JOIN request r ON r.number = k.number"  # noqa: S608
    " JOIN attempt a ON a.request = r.id"
    " WHERE a.device != '' AND a.device = k.device AND a.queued_ms >= k.since"
    f" AND (a.reference = k.reference OR (a.reference = '' AND {UNANSWERED_STATES}))"
    f" UNION SELECT a.request FROM {KEYS} JOIN attempt a ON a.device = k.device AND a.reference = k.reference"
    " JOIN request r ON r.id = a.request"
    " WHERE k.ending != '' AND a.device != '' AND a.reference != '' AND a.queued_ms >= k.since"
    " AND right(r.number, length(k.ending)) = k.ending"
)
NONE = "SELECT NULL::bigint"
IDS = f"SELECT id FROM request WHERE public_id IN {NAMES}"  # noqa: S608
ROWS = "SELECT e::bigint FROM jsonb_array_elements(%s::jsonb) AS g (e)"
RUNNING = f"SELECT id FROM request WHERE number IN {NAMES} AND status = 'IN PROGRESS'"  # noqa: S608
NEW_ROWS = "SELECT json_agg(nextval('request_id'))::text FROM generate_series(1, %s)"


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
    text = f"SELECT ({NEW_ROWS}), ({REQUESTS} WHERE id IN ({' UNION '.join(names for names, _ in asked) or NONE}))"
    found = connection.execute(query(text), (needs.new, *(value for _, values in asked for value in values)))
    new, requests = (json.loads(text or "[]") for text in found.fetchall()[0])
    return Found(dict(map(assembled, requests)), sorted(new))
