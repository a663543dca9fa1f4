"""SQLite itself: which library, and its settings.

pysqlite3 brings a SQLite past the WAL-reset bug (fixed in 3.51.3). sqlite-utils takes the same library, as it must: two
SQLite libraries on one file in one process lose each other's locks.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import pysqlite3 as library
except ImportError:  # no wheel for this machine
    import sqlite3 as library

sqlite: Any = library
Connection = Any  # of that library

LOG_LIMIT = 32 << 20  # octets of the write-ahead log that are kept once they are in the file
PATIENCE_MS, NO_PATIENCE_MS = 5000, 100  # with others who hold the database; where nothing depends on it
PAGE_SIZE = 2048
"""Octets, of a file that is new. A commit writes the last page of some ten tables and indexes, however little it adds
to each: with pages of 4096, SQLite's own choice, a request that comes alone waits longer for the disk."""
KEPT_STATEMENTS = 128
"""Of a connection, compiled: more than there are. Those that save take 0.7 MB once each of them has been used."""
WIPED = 2  # the user_version of a file that has had secure_delete from its beginning, or since a VACUUM; 1: with gaps
PRAGMAS = (
    f"PRAGMA busy_timeout={PATIENCE_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=0",
    f"PRAGMA journal_size_limit={LOG_LIMIT}",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # Debian's SQLite has it on, pysqlite3 has it off
    "PRAGMA cache_size=-16384",
)


def connect(path: Path, *, read_only: bool = False) -> Connection:
    """A connection in autocommit mode; transactions are written out. Raises sqlite.Error."""
    if read_only:
        address = f"{path.absolute().as_uri()}?mode=ro"
        reader = sqlite.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        reader.execute("PRAGMA query_only=ON")
        return reader
    writer = sqlite.connect(str(path), isolation_level=None, check_same_thread=False, cached_statements=KEPT_STATEMENTS)
    new = not writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA page_size={PAGE_SIZE}")  # without effect on a file that is there
    for pragma in PRAGMAS:
        writer.execute(pragma).fetchall()
    if new:
        writer.execute(f"PRAGMA user_version={WIPED}")
    return writer


def look_into(path: Path, *, at_rest: bool) -> Connection:
    """A connection that changes nothing and makes no file, in autocommit mode. Raises sqlite.Error.

    at_rest: nobody writes it, and all of it is in the file itself; a log beside it is not looked at.
    """
    return sqlite.connect(f"{path.absolute().as_uri()}?mode=ro&immutable={at_rest:d}", uri=True, isolation_level=None)


@contextmanager
def transaction(db: Connection) -> Iterator[None]:
    """All or nothing, durable at the end. Raises sqlite.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:  # whoever asked gets it: here the transaction only ends
        with contextlib.suppress(sqlite.Error):
            db.execute("ROLLBACK")
        raise


class SqliteRows:
    """A connection that changes rows (see `store.statements.Rows`)."""

    row_of_sent = "rowid"

    def __init__(self, connection: Connection) -> None:
        self.execute = connection.execute


def rewrite(db: Connection) -> None:
    """Rewrite a database that was once written without secure_delete: deleted rows may lie in its free pages.

    It stops all else meanwhile, once. Raises sqlite.Error.
    """
    if not wiped(db):
        db.execute("VACUUM")
        db.execute(f"PRAGMA user_version={WIPED}")


def wiped(connection: Connection) -> bool:
    """Whether everything that was ever deleted from this database has been overwritten."""
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] >= WIPED)


def empty_log(writer: Connection) -> bool:
    """Fold the write-ahead log into the file and give its room back; whether nobody was reading it meanwhile.

    Raises sqlite.Error, for one where the file itself has no room to grow.
    """
    writer.execute(f"PRAGMA busy_timeout={NO_PATIENCE_MS}")
    try:
        busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        writer.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    return not busy
