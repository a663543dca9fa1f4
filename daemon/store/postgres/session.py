"""The session of the one gateway that has the database: an advisory lock holds every other one off."""

import time
from collections.abc import Collection
from dataclasses import dataclass

import psycopg

from daemon.store.contract import StoreUnusable
from daemon.store.postgres.address import Address
from daemon.store.postgres.connection import Connection, away, connect
from daemon.store.postgres.migrations import migrate

LOCK = 0x70696E776865656C  # "pinwheel"
OTHER = "another pinwheeld is running on this database"
NO_ROW = "cannot use the database: somebody has deleted the row of the table gateway; restore a backup"
OF_OURS = """
    SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
    AND l.pid = %s AND a.backend_start = %s::timestamptz
"""
RELEASE_S = 2.0  # for which a session that was ordered to end may go on


class TakenOver(Exception):
    """What we have in memory is not what the rows say: another gateway has had the database meanwhile, or it is an
    earlier one."""


@dataclass(frozen=True, slots=True)
class Session:
    """epoch: counts the gateways that have had the database. pid, began: of the server's process for us."""

    connection: Connection
    epoch: int
    pid: int
    began: str

    @property
    def lives(self) -> bool:
        return not self.connection.closed


def begin(address: Address) -> Session:
    """Take the database: the lock, and the schema brought up to date. Raises StoreUnusable."""
    try:
        connection = connect(address)
        try:
            if not _lock(connection):
                raise StoreUnusable(f"cannot lock the database {address}: {OTHER}")
            migrate(connection)
            return _session(connection, "UPDATE gateway SET epoch = epoch + 1, batch = 0 RETURNING epoch")
        except BaseException:  # whatever it is: no session is left open
            connection.close()
            raise
    except psycopg.Error as exc:
        raise away(address, exc) from exc


def resume(address: Address, before: Session, last: Collection[int]) -> Session:
    """Take it again after the session was lost. last: what can be the number of the last batch that is durable.

    Raises psycopg.Error, StoreUnusable or TakenOver.
    """
    connection = connect(address)
    try:
        if not _lock(connection):
            _end(before, connection, address)
        session = _session(
            connection, "UPDATE gateway SET epoch = epoch RETURNING epoch"
        )  # which needs room on its disk
        if session.epoch != before.epoch:
            raise TakenOver(f"another pinwheeld has had the database {address} meanwhile")
        if batch_of(connection) not in last:
            raise TakenOver(f"the database {address} is an earlier one: it lacks commits that were made")
    except BaseException:  # whatever it is: no session is left open
        connection.close()
        raise
    return session


def batch_of(connection: Connection) -> int:
    """The number of the last batch that is durable. Raises psycopg.Error or StoreUnusable."""
    found = connection.execute("SELECT batch FROM gateway").fetchone()
    if found is None:
        raise StoreUnusable(NO_ROW)
    return int(found[0])


def _session(connection: Connection, epoch: str) -> Session:
    found = connection.execute(epoch.encode()).fetchone()
    if found is None:
        raise StoreUnusable(NO_ROW)
    began = connection.execute(
        "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    ).fetchone()
    assert began is not None
    return Session(connection, found[0], *began)


def _lock(connection: Connection) -> bool:
    return connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone() == (True,)


def _end(before: Session, connection: Connection, address: Address) -> None:
    """The server may not have noticed that our last session is gone: end it, and take its lock."""
    connection.execute(OF_OURS, (before.pid, before.began))
    end = time.monotonic() + RELEASE_S
    while not _lock(connection):
        if time.monotonic() > end:
            raise StoreUnusable(f"cannot lock the database {address}: {OTHER}")
        time.sleep(0.05)
