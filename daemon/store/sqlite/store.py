"""The store: SQLite, WAL, synchronous=FULL, one writer.

Rules. Rows are the truth. One thread owns the one read-write connection; what the loop submits in one turn, and what
arrives while that thread syncs, shares a commit. Each operation runs in a savepoint of its own, so one that fails takes
nobody along, and its future is resolved only after the commit. Every other connection is read-only. A lock file keeps a
second daemon out. Nobody else in this process may open the database file: POSIX locks die with any close().
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from daemon.store.contract import StoreUnusable
from daemon.store.costly import Costly
from daemon.store.group_commit import GroupCommit
from daemon.store.sqlite.files import lock, private_files
from daemon.store.sqlite.library import Connection, connect, sqlite
from daemon.store.sqlite.readers import Readers
from daemon.store.sqlite.reading import Reading
from daemon.store.sqlite.schema import migrate
from daemon.store.sqlite.transaction import Transaction
from daemon.store.sqlite.writer import SqliteWriter

T = TypeVar("T")
READERS, OPERATORS_READERS = 1, 1  # threads: what operators look at holds up no request, and costs one core at most


class SqliteStore:
    """The store on one SQLite file. Open it and close it; `submit` from the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Any = None
        self._commits: GroupCommit | None = None
        self.counts = Costly(lambda: self.browse(Reading.counts))

    def open(self) -> None:
        """Take the lock, migrate, start the threads. Raises StoreUnusable."""
        self._lock = lock(self._path.with_suffix(".lock"))
        try:
            self._writer = self._connected()
            self._reader = connect(self._path, read_only=True)
        except (sqlite.Error, OSError) as exc:
            self._lock.close()
            raise StoreUnusable(f"cannot open the database {self._path}: {exc}") from exc
        self._readers = Readers(self._path, READERS, "store-reader")
        self._operators_readers = Readers(self._path, OPERATORS_READERS, "store-operators")
        self._group_writer = SqliteWriter(self._writer, self._path)
        self._commits = GroupCommit(self._group_writer, "store-writer")
        self._commits.open()

    def _connected(self) -> Connection:
        private_files(self._path)
        writer = connect(self._path)
        try:
            migrate(writer)
        except sqlite.Error:
            writer.close()
            raise
        return writer

    def close(self) -> None:
        """Write what is queued, fold the log back into the file, release the lock."""
        if self._commits is not None:
            self._commits.close()
            self._readers.close()
            self._operators_readers.close()
            self._reader.close()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def broken(self) -> bool:
        """The last commit failed."""
        return self._group_writer.broken

    @property
    def reading(self) -> Reading:
        """Sees what has been committed. It holds up whoever asks: for the start, and for the tests."""
        return Reading(self._reader)

    async def read(self, query: Callable[[Reading], T]) -> T:
        """The result of a query that sees what has been committed; it runs on a thread for reading."""
        return await self._readers.read(query)

    async def browse(self, query: Callable[[Reading], T]) -> T:
        """As `read`, for what operators look at, which may take long: no request waits for it."""
        return await self._operators_readers.read(query)

    def meta(self, name: str, default: str) -> str:
        """A lasting setting of this database, set to the default the first time. Only before `submit` is used.

        Raises StoreUnusable.
        """
        known = self.reading.meta(name)
        if known is None:
            self.set_meta(name, default)
        return default if known is None else known

    def set_meta(self, name: str, value: str) -> None:
        """Change a lasting setting. Only before `submit` is used. Raises StoreUnusable."""
        if self.reading.meta(name) == value:
            return
        try:
            Transaction(self._writer).set_meta(name, value)
        except sqlite.Error as exc:
            raise StoreUnusable(f"cannot write to {self._path}: {exc}; is the disk full?") from exc

    def submit(
        self, operation: Callable[[Transaction], T], then: Callable[[T], None] = lambda _: None
    ) -> "asyncio.Future[T]":
        """Run an operation in the next commit. The future ends after that commit, or in the operation's exception.

        then: called with the result after the commit, before whoever awaits the future; also if that was cancelled.
        """
        assert self._commits is not None, "the store is open"
        return self._commits.submit(operation, then)
