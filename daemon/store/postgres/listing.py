"""What operators list, as JSON that PostgreSQL writes itself, as SQLite does (see `store.sqlite.listing`)."""

from collections.abc import Callable
from typing import Any

from daemon.core.masking import HASHED
from daemon.store.postgres.connection import plain

MASKED = (
    f"CASE WHEN left(number, {len(HASHED)}) = '{HASHED}' THEN number"
    " WHEN length(number) > 6 THEN left(number, 4) || repeat('*', length(number) - 6) || right(number, 2)"
    " ELSE repeat('*', length(number)) END"
)


def _time(column: str) -> str:
    text = f"to_char(to_timestamp({column} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"')"
    return f"coalesce({text}, '')"


SUMMARY = (
    f"json_build_object('request_id', public_id, 'number', {MASKED}, 'brand', brand, 'status', status,"
    " 'workflow_id', workflow_id, 'event', step, 'events', length(steps) - length(replace(steps, ',', '')) + 1,"
    f" 'submitted', {_time('created_ms')}, 'due', {_time('due_ms')}, 'finalized', {_time('finalized_ms')})"
)
EVENT = (
    f"json_build_object('seq', seq, 'at', {_time('at_ms')}, 'request_id', request_id, 'kind', kind, 'step', step,"
    " 'detail', detail)"
)
CHECK = f"json_build_object('at', {_time('at_ms')}, 'valid', valid, 'ip_address', ip_address)"


class PostgresListing:
    """A `Listing`. ask: puts a query with its values, and gives all rows."""

    def __init__(self, ask: Callable[..., list[tuple[Any, ...]]]) -> None:
        self._ask = ask

    def requests(self, *, active_only: bool, limit: int) -> str:
        """A JSON array, the newest first, with masked numbers and no deliveries."""
        where = "WHERE status = 'IN PROGRESS' " if active_only else ""
        newest = f"SELECT * FROM request {where}ORDER BY id DESC LIMIT %s"  # noqa: S608
        return self._array(f"SELECT {SUMMARY} AS item, -id AS place FROM ({newest}) r", limit)  # noqa: S608

    def checks_of(self, row: int, limit: int) -> str:
        """A JSON array: the newest checks of a request, the oldest of them first."""
        newest = 'SELECT * FROM "check" WHERE request=%s ORDER BY id DESC LIMIT %s'
        return self._array(f"SELECT {CHECK} AS item, id AS place FROM ({newest}) c", row, limit)  # noqa: S608

    def history_of(self, request_id: str, limit: int) -> str:
        """A JSON array: the first lines of the history of a request, the oldest first."""
        lines = "SELECT * FROM history WHERE request_id=%s ORDER BY seq LIMIT %s"
        return self._array(f"SELECT {EVENT} AS item, seq AS place FROM ({lines}) h", plain(request_id), limit)  # noqa: S608

    def events(self, after: int, limit: int) -> tuple[int, str]:
        """The next lines of history as server-sent events, "" if there are none, and the position behind them."""
        next_lines = "SELECT * FROM history WHERE seq > %s ORDER BY seq LIMIT %s"
        event = rf"'id: ' || seq || E'\nevent: ' || kind || E'\ndata: ' || {EVENT} || E'\n\n'"
        text = (
            f"SELECT coalesce(max(seq), %s), coalesce(string_agg({event}, '' ORDER BY seq), '') FROM ({next_lines}) h"  # noqa: S608
        )
        ((last, lines),) = self._ask(text, after, after, limit)
        return int(last), str(lines)

    def recipients(self) -> list[str]:
        """No JSON, and in full: to whom the modems sent what a limit may still count, each once."""
        return [number for (number,) in self._ask("SELECT DISTINCT number FROM sent")]

    def _array(self, items: str, *values: object) -> str:
        """items: a query for the objects, as the column `item`, in the order of the column `place`."""
        joined = f"SELECT '[' || coalesce(string_agg(item::text, ',' ORDER BY place), '') || ']' FROM ({items}) i"  # noqa: S608
        ((text,),) = self._ask(joined, *values)
        return str(text)
