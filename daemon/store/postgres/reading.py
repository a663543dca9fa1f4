"""What can be asked of a PostgreSQL database: as `store.sqlite.reading`, which says what each answer means."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from daemon.core.milliseconds import Ms
from daemon.core.model import Channel, Request
from daemon.store.contract import MAX_CHECKS, CheckLine, Damaged, Due, HistoryLine, Overdue, Place
from daemon.store.forgetting import Forms, Mentions, look
from daemon.store.postgres.address import Address
from daemon.store.postgres.connection import (
    ANSWER_S,
    DAMAGE,
    LONG_S,
    RECOVER_S,
    Connection,
    NoAnswer,
    away,
    connect,
    damage,
    of_both,
    plain,
    query,
)
from daemon.store.postgres.listing import PostgresListing
from daemon.store.retention import Hash
from daemon.store.rows import (
    ATTEMPT_COLUMNS,
    HISTORY_COLUMNS,
    REQUEST_COLUMNS,
    UNANSWERED_STATES,
    WAITS,
    attempt_of,
    overdue_of,
    request_of,
)

OF_REQUEST = f"json_agg(json_build_array({ATTEMPT_COLUMNS}) ORDER BY step)"
ATTEMPTS = f"(SELECT {OF_REQUEST} FROM attempt a WHERE a.request = r.id)"  # noqa: S608
REQUESTS = f"SELECT json_agg(json_build_array(id, {ATTEMPTS}, {REQUEST_COLUMNS}) ORDER BY id)::text FROM request r"  # noqa: S608
"""One text with every request and its attempts."""

WAITING = (
    f"SELECT not_after_ms, request, step FROM attempt WHERE {WAITS} AND channel=%s"  # noqa: S608
    " AND (not_after_ms, request, step) > (%s, %s, %s) ORDER BY not_after_ms, request, step LIMIT %s"
)
BEHIND = "FROM request WHERE due_ms >= %s AND (due_ms, id) > (%s, %s) AND due_ms < %s ORDER BY due_ms, id LIMIT %s"
NOT_ANSWERED = (  # found by what the device has sent since then
    "SELECT r.public_id, a.step FROM sent s JOIN request r ON r.number = s.number"  # noqa: S608
    " JOIN attempt a ON a.request = r.id AND a.device = s.device"
    " WHERE s.device = %s AND s.at_ms >= %s AND a.queued_ms >= %s"
    f" AND a.reference = '' AND {UNANSWERED_STATES}"
)
SELECT_HISTORY = f"SELECT seq, {HISTORY_COLUMNS} FROM history"  # noqa: S608
LIVE = "SELECT count(*) FROM request WHERE status = 'IN PROGRESS'"


class PostgresReading:
    """A `Reading`, on a connection of its own, which is opened again where it was lost."""

    def __init__(self, address: Address, met: Callable[[Exception], Damaged] | None = None) -> None:
        """met: gets the error, where a part is damaged."""
        self._address = address
        self._met = met or partial(damage, address)
        self._db: Connection | None = None
        self._not_before = 0.0  # when the next connection may be tried
        self.listing = PostgresListing(partial(self._asked, LONG_S))  # many rows may be read for what operators look at

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All that is asked within it is of one moment, unless the connection is lost meanwhile."""
        self._all("BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            yield
        finally:
            if self._db is not None:  # a connection that failed is closed, and its transaction has ended
                self._all("COMMIT")

    def request(self, request_id: str) -> tuple[int, Request] | None:
        """The row id and the request."""
        return next(iter(self.requests("public_id = %s", plain(request_id))), None)

    def requests(self, where: str, *values: object) -> list[tuple[int, Request]]:
        """Those that a condition of our own names, the oldest first."""
        found = self._all(f"{REQUESTS} WHERE {where}", *values)[0][0]
        return [assembled(row) for row in json.loads(found or "[]")]

    def after(self, row: int, limit: int) -> list[tuple[int, Request]]:
        """The next requests behind a row, in the order of their rows."""
        return self.requests("id IN (SELECT id FROM request WHERE id > %s ORDER BY id LIMIT %s)", row, limit)

    def due(self, after: Due, until: Ms, limit: int) -> list[Due]:
        """The first timers behind one that are due before a time, in their order."""
        return [Due(*row) for row in self._all(f"SELECT due_ms, id {BEHIND}", after.at, *after, until, limit)]

    def overdue(self, after: Due, until: Ms, limit: int) -> list[Overdue]:
        """As `due`, with what each begins."""
        rows = self._all(f"SELECT due_ms, id, steps, step {BEHIND}", after.at, *after, until, limit)
        return [overdue_of(row) for row in rows]

    def under_way(self) -> list[tuple[str, int]]:
        """(request id, step) of the deliveries that a device has, or had when the daemon stopped."""
        begun = "SELECT r.public_id, a.step FROM attempt a JOIN request r ON r.id = a.request WHERE a.state = 'sending'"
        return [(request_id, step) for request_id, step in self._all(begun)]

    def unanswered(self, device: str, since: Ms) -> list[tuple[str, int]]:
        """(request id, step) of the deliveries, queued since then, to which this device has given no answer."""
        return sorted({(name, step) for name, step in self._all(NOT_ANSWERED, plain(device), since, since)})

    def waiting(self, channel: Channel, after: Place, limit: int) -> list[tuple[Place, Request]]:
        """The next deliveries of a channel that wait for a device, in the order of their places."""
        places = [Place(*row) for row in self._all(WAITING, channel.value, *after, limit)]
        requests = dict(self.requests("id = ANY(%s)", [place.row for place in places])) if places else {}
        return [(place, requests[place.row]) for place in places if place.row in requests]

    def count_waiting(self, channel: Channel) -> int:
        return int(self._all(f"SELECT count(*) FROM attempt WHERE {WAITS} AND channel=%s", channel.value)[0][0])  # noqa: S608

    def sent_by(self, device: str, since: Ms) -> list[tuple[Ms, str]]:
        """(time, recipient) of each message that this modem may have sent since then, oldest first."""
        sent = "SELECT at_ms, number FROM sent WHERE device=%s AND at_ms >= %s ORDER BY at_ms, id"
        return [(at, number) for at, number in self._all(sent, plain(device), since)]

    def meta(self, name: str) -> str | None:
        """A lasting setting of this database."""
        found = self._all("SELECT value FROM meta WHERE name=%s", plain(name))
        return str(found[0][0]) if found else None

    def checks(self, request_id: str) -> list[CheckLine]:
        """The newest MAX_CHECKS, the oldest of them first."""
        newest = (
            'SELECT c.at_ms, c.valid, c.ip_address FROM "check" c JOIN request r ON r.id=c.request'
            " WHERE r.public_id=%s ORDER BY c.id DESC LIMIT %s"
        )
        return [
            CheckLine(at, valid, ip) for at, valid, ip in reversed(self._all(newest, plain(request_id), MAX_CHECKS))
        ]

    def history(self, after: int, limit: int, request_id: str | None = None) -> list[HistoryLine]:
        """Lines with a seq above `after`, oldest first."""
        where, values = (" AND request_id=%s", [plain(request_id)]) if request_id else ("", [])
        lines = f"{SELECT_HISTORY} WHERE seq > %s{where} ORDER BY seq LIMIT %s"
        return [HistoryLine(*row) for row in self._all(lines, after, *values, limit)]

    def last_seq(self) -> int:
        return int(self._all("SELECT coalesce(max(seq), 0) FROM history")[0][0])

    def mentions(self, forms: Forms, hashed: Hash) -> Mentions:
        """Where a number may stand, as it is or hashed. It looks at every row."""
        return look(lambda statement, values: self._asked(LONG_S, of_both(statement), *values), forms, hashed)

    def live(self, key_number: int | None = None) -> int:
        """How many requests are in progress, or how many of them began under this master key."""
        found = self._all(LIVE) if key_number is None else self._all(LIVE + " AND key_number = %s", key_number)
        return int(found[0][0])

    def counts(self) -> dict[str, int]:
        """How many requests stand where."""
        return dict(self._asked(LONG_S, "SELECT status, count(*) FROM request GROUP BY status"))

    def timers(self) -> int:
        """How many requests have a timer, also one that is overdue."""
        return int(self._asked(LONG_S, "SELECT count(*) FROM request WHERE due_ms IS NOT NULL")[0][0])

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _all(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """What is found soon. Raises StoreUnusable."""
        return self._asked(ANSWER_S, text, *values)

    def _asked(self, answer_s: float, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Asked once more where a connection was lost, as after a restart of PostgreSQL. Raises StoreUnusable."""
        kept = self._db is not None
        try:
            connection = self._connected()
            connection.answer_s = answer_s
            found = connection.execute(query(text), values)
            return found.fetchall() if found.description is not None else []
        except DAMAGE as exc:
            raise self._met(exc) from exc
        except psycopg.Error as exc:
            self.close()
            if kept and isinstance(exc, psycopg.OperationalError) and not isinstance(exc, NoAnswer):
                return self._asked(answer_s, text, *values)
            self._not_before = time.monotonic() + RECOVER_S
            raise away(self._address, exc) from exc

    def _connected(self) -> Connection:
        if self._db is None:
            if time.monotonic() < self._not_before:
                raise psycopg.OperationalError("it did not answer a moment ago")
            self._db = connect(self._address, read_only=True)
        return self._db


def assembled(row: list[Any]) -> tuple[int, Request]:
    number, attempts, *columns = row
    return number, request_of(columns, tuple(attempt_of(a) for a in attempts or ()))
