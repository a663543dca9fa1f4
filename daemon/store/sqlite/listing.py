"""What operators list, as JSON that SQLite writes itself.

SQLite works without the interpreter's lock, and each query here gives one row, so that the event loop never waits for
a list that is written out. Numbers are masked as by `daemon.core.masking.masked`, times are written as by `zoned_text`.
"""

from daemon.core.masking import HASHED
from daemon.store.sqlite.faults import Failed, reading, unreadable
from daemon.store.sqlite.library import Connection
from daemon.store.statements import LINES_OF

MASKED = (
    f"CASE WHEN substr(number, 1, {len(HASHED)}) = '{HASHED}' THEN number WHEN length(number) > 6"
    " THEN substr(number, 1, 4) || replace(hex(zeroblob(length(number) - 6)), '00', '*') || substr(number, -2)"
    " ELSE replace(hex(zeroblob(length(number))), '00', '*') END"
)


def _time(column: str) -> str:
    return f"coalesce(strftime('%Y-%m-%d %H:%M:%SZ', {column} / 1000, 'unixepoch'), '')"


SUMMARY = (
    f"json_object('request_id', public_id, 'number', {MASKED}, 'brand', brand, 'status', status,"
    " 'workflow_id', workflow_id, 'event', step, 'events', length(steps) - length(replace(steps, ',', '')) + 1,"
    f" 'submitted', {_time('created_ms')}, 'due', {_time('due_ms')}, 'finalized', {_time('finalized_ms')})"
)
EVENT = (
    f"json_object('seq', seq, 'at', {_time('at_ms')}, 'request_id', request_id, 'kind', kind, 'step', step,"
    " 'detail', detail)"
)
CHECK = f"json_object('at', {_time('at_ms')}, 'valid', json(iif(valid, 'true', 'false')), 'ip_address', ip_address)"
# The index has the running ones only; SQLite's planner would look through the finished ones, too.
RUNNING = "SELECT id FROM request INDEXED BY request_active WHERE status='IN PROGRESS' ORDER BY id DESC LIMIT ?"


@reading
class SqliteListing:
    """A `Listing`, of one connection."""

    def __init__(self, connection: Connection, failed: Failed = unreadable) -> None:
        self._db = connection
        self.failed = failed

    def requests(self, *, active_only: bool, limit: int) -> str:
        """A JSON array, the newest first, with masked numbers and no deliveries."""
        where = f"WHERE id IN ({RUNNING}) ORDER BY id DESC" if active_only else "ORDER BY id DESC LIMIT ?"
        return self._array(f"SELECT {SUMMARY} AS item FROM request {where}", limit)  # noqa: S608

    def checks_of(self, row: int, limit: int) -> str:
        """A JSON array: the newest checks of a request, the oldest of them first."""
        newest = 'SELECT * FROM "check" WHERE request=? ORDER BY id DESC LIMIT ?'
        return self._array(f"SELECT {CHECK} AS item FROM ({newest}) ORDER BY id", row, limit)  # noqa: S608

    def history_of(self, request_id: str, limit: int) -> str:
        """A JSON array: the first lines of the history of a request, the oldest first."""
        query = f"SELECT {EVENT} AS item FROM history WHERE {LINES_OF} ORDER BY seq LIMIT ?"  # noqa: S608
        return self._array(query, request_id, request_id, limit)

    def events(self, after: int, limit: int) -> tuple[int, str]:
        """The next lines of history as server-sent events, "" if there are none, and the position behind them."""
        lines = "SELECT * FROM history WHERE seq > ? ORDER BY seq LIMIT ?"
        event = f"'id: ' || seq || char(10) || 'event: ' || kind || char(10) || 'data: ' || {EVENT} || char(10, 10)"
        query = f"SELECT coalesce(max(seq), ?), coalesce(group_concat({event}, ''), '') FROM ({lines})"  # noqa: S608
        last, text = self._db.execute(query, (after, after, limit)).fetchone()
        return int(last), str(text)

    def recipients(self) -> list[str]:
        """No JSON, and in full: to whom the modems sent what a limit may still count, each once."""
        return [number for (number,) in self._db.execute("SELECT DISTINCT number FROM sent")]

    def _array(self, query: str, *values: object) -> str:
        """query: gives the texts of the items, as the column `item`."""
        joined = f"SELECT '[' || coalesce(group_concat(item, ','), '') || ']' FROM ({query})"  # noqa: S608
        return str(self._db.execute(joined, values).fetchone()[0])
