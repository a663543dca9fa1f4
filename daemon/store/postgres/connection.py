"""Connections to PostgreSQL: their settings, and that none waits for ever for an answer.

psycopg, in pure Python, loads libpq from the system. Rows travel as one JSON text each way: both ends write and read
that in C.
"""

import json
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql

from daemon.store.contract import Damaged, StoreUnusable
from daemon.store.postgres.address import Address

CONNECT_S, ANSWER_S = 5, 5.0
"""The longest that a connection may take, and the answer to one statement; then the database counts as away."""

LONG_S = 65.0  # the same for what operators look at, of which the server itself makes an end a little before
PATIENCE_S = 3000.0  # the same for what has to look at all rows before a start; the unit's TimeoutStartSec is longer
RECOVER_S = 2.0  # between two looks whether it is there again

SETTINGS = {
    "application_name": "pinwheel",
    "connect_timeout": str(CONNECT_S),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": str(int(ANSWER_S * 1000)),
}
"""Of libpq. The server gets the same for its side, so that the lock of a gateway whose host is gone ends soon."""

SESSION: LiteralString = (
    "SET synchronous_commit = on; SET timezone = 'UTC'; SET client_min_messages = warning;"
    " SET standard_conforming_strings = on; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;"
    " SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000; SET lock_timeout = '4s'; "
)
WRITER: LiteralString = "SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s'"
READER: LiteralString = "SET statement_timeout = '60s'; SET default_transaction_read_only = on"


DAMAGE = (errors.DataCorrupted, errors.IndexCorrupted)
"""XX001, XX002: a page of a table or an index is not what was written. The session goes on."""


class NoAnswer(psycopg.OperationalError):
    """The server may hang, or the network."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives an answer up after a time. answer_s: of one statement, or of what is sent together."""

    answer_s = ANSWER_S
    gone = False  # it has not answered once: nothing that psycopg does to end it waits again

    def wait(self, gen: Generator[Any, Any, Any], *limits: Any, **named: Any) -> Any:
        """psycopg waits here for every answer. Raises NoAnswer."""
        return super().wait(self._bounded(gen), *limits, **named)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        end = time.monotonic() + self.answer_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and (self.gone or time.monotonic() > end):
                    self.gone = True
                    raise NoAnswer(f"no answer within {self.answer_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


def connect(address: Address, *, read_only: bool = False) -> Connection:
    """A connection in autocommit mode. Raises psycopg.Error."""
    wanted = {**SETTINGS, **address.parameters}
    opened = Connection.connect("", autocommit=True, prepare_threshold=2, **wanted)  # type: ignore[arg-type]
    try:
        opened.execute(SESSION + (READER if read_only else WRITER))
    except psycopg.Error:
        opened.close()
        raise
    return opened


@contextmanager
def patience(connection: Connection) -> Iterator[None]:
    """One transaction, whose statements may take as long as they need. Raises psycopg.Error."""
    before, connection.answer_s = connection.answer_s, PATIENCE_S
    try:
        with connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            yield
    finally:
        connection.answer_s = before


def away(address: Address, exc: Exception) -> StoreUnusable:
    """libpq's message, which has no password, as one line."""
    first: BaseException = exc
    while not isinstance(first, NoAnswer) and first.__context__ is not None:
        first = first.__context__  # psycopg cannot end what it sent together: that is no news
    cause = first if isinstance(first, NoAnswer) else exc
    why = " ".join(str(cause).split()) or type(exc).__name__
    return StoreUnusable(f"cannot use the database {address}: {why}")


def damage(address: Address, exc: Exception) -> Damaged:
    """exc: one of DAMAGE."""
    return Damaged(f"{away(address, exc)}; a part of it is damaged: restore a backup")


def of_both(statement: str) -> str:
    """A statement that both databases have, with "?" for each value, as psycopg wants it."""
    return statement.replace("%", "%%").replace("?", "%s")


def query(text: str) -> sql.SQL:
    """A statement that was put together from texts of our own."""
    return sql.SQL(text)


class PostgresRows:
    """A connection that changes rows, or reads them for that (see `store.statements.Rows`)."""

    row_of_sent = "id"

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Raises psycopg.Error."""
        return self._db.execute(query(of_both(statement)), values)


def plain(text: str) -> str:
    """A text as PostgreSQL can keep it: without NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def as_json(rows: Iterable[Any]) -> str:
    """Rows, or names, for `jsonb_array_elements`; NUL, which PostgreSQL cannot keep, is replaced.

    Raises UnicodeEncodeError for a lone surrogate, which SQLite does not take either.
    """
    text = json.dumps(list(rows), ensure_ascii=False)
    if "\\u0000" in text:
        text = json.dumps(_without_nul(json.loads(text)), ensure_ascii=False)
    text.encode()
    return text


def _without_nul(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
