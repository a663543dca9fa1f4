"""The numbers of rows that outlast them: a reader of events, or retention, goes on behind one that it knows."""

from collections.abc import Mapping

from daemon.store.retention import CURSOR
from daemon.store.sqlite.library import Connection

HIGHEST = "SELECT coalesce(max(id), 0) FROM request"
HASHED = "SELECT coalesce(max(CAST(value AS INTEGER)) - 1, 0) FROM meta WHERE name = ?"
LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'history'"


def last_row(connection: Connection) -> int:
    """Of the requests; also of one that was deleted, where retention goes on behind it."""
    return max(_number(connection, HIGHEST), _number(connection, HASHED, CURSOR))


def last_seq(connection: Connection) -> int:
    """Of history, also of a line that was deleted."""
    return _number(connection, LAST_SEQ)


def last_numbers(connection: Connection) -> Mapping[str, int]:
    """By table, the highest that was ever given."""
    return {"request": last_row(connection), "history": last_seq(connection)}


def go_on_behind(connection: Connection, seq: int) -> None:
    """Number the next line of history behind this one, too. Inside a transaction."""
    behind = max(seq, last_seq(connection))
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'history'")
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('history', ?)", (behind,))


def _number(connection: Connection, query: str, *values: str) -> int:
    return int(connection.execute(query, values).fetchone()[0])
