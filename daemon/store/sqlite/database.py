"""SQLite as a database: WAL, synchronous=FULL, one connection that writes; the log, and a full disk.

A lock file keeps a second daemon out. Nobody else in this process may open the database file: POSIX locks die with any
close().
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from daemon.core.batch import Changes, Found, Needs
from daemon.store import forgetting, retention
from daemon.store.contract import StoreUnusable
from daemon.store.forgetting import ForgottenRows, Forms, Mentions
from daemon.store.retention import Deleted, Hash, Horizon
from daemon.store.sqlite.faults import is_damage, of_the_database, unusable
from daemon.store.sqlite.files import SIDE_FILES, lock, lock_of, private
from daemon.store.sqlite.library import Connection, SqliteRows, connect, empty_log, rewrite, sqlite, transaction
from daemon.store.sqlite.loading import load
from daemon.store.sqlite.migrations import migrate
from daemon.store.sqlite.numbering import last_row
from daemon.store.sqlite.reading import SqliteReading
from daemon.store.sqlite.saving import save
from daemon.store.statements import Rows

log = logging.getLogger("pinwheel.store")

T = TypeVar("T")
# Of the log, counted in pages: it is written back into the file when there is a pause, or at the latest without one.
# It stays as large as it was: the disk takes half the time for octets that are there already.
CHECKPOINT, CHECKPOINT_AT_LATEST = 5000, 100_000
PAGES_OF_A_COMMIT = 8  # besides one a row, however few rows: the last page of each table and index
RECOVER_S = 2.0  # between two looks whether a disk that was full takes a commit again


class SqliteDatabase:
    """A `Database` in one file. connection: the one that writes.

    A damaged file stays so; what needs no damaged page is done all the same.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Any = None
        self.connection: Connection = None
        self._next_row = 1
        self._written = 0  # pages since the last checkpoint, about
        self._log_is_long = False  # it grew while nothing could be written, and has not been emptied since
        self._failed = self._damaged = False  # the last save, while the file is not damaged; the file
        self.stale = ""  # nobody else writes, and no answer is lost

    def open(self) -> None:
        """Take the lock, and bring the schema up to date. Raises StoreUnusable."""
        self._lock = lock(lock_of(self._path))
        try:
            self.connection = self._connected()
            self._next_row = last_row(self.connection) + 1
        except (sqlite.Error, OSError) as exc:
            self._lock.close()
            raise unusable(f"cannot open the database {self._path}", exc) from exc

    def _connected(self) -> Connection:
        for path in (self._path, *(Path(f"{self._path}{more}") for more in SIDE_FILES)):
            if path == self._path or path.exists():
                os.close(private(path))  # before SQLite has it: its locks would die with this
        writer = connect(self._path)
        try:
            # On a connection of its own: pysqlite3 keeps the statements that it was given first, and a new database
            # takes more of them than it keeps; those of each batch would be compiled time and again.
            with contextlib.closing(connect(self._path)) as migrating:
                migrate(migrating)
        except sqlite.Error:
            writer.close()
            raise
        return writer

    def close(self) -> None:
        """Fold the log back into the file, release the lock."""
        if self.connection is not None:
            try:
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite.Error as exc:  # the log stays beside the file, and the next daemon reads it
                log.warning("store=checkpoint-failed error=%s", exc)
            self.connection.close()
        if self._lock is not None:
            self._lock.close()

    def reader(self) -> SqliteReading:
        """A connection that only reads. Raises StoreUnusable."""
        try:
            return SqliteReading(connect(self._path, read_only=True), self._unreadable)
        except sqlite.Error as exc:
            raise StoreUnusable(f"cannot read {self._path}: {exc}") from exc

    @property
    def broken(self) -> bool:
        return self._failed or self._damaged

    @property
    def pause_s(self) -> float | None:
        return RECOVER_S if self._failed or self._log_is_long else None

    def load(self, needs: Needs) -> Found:
        """Row ids are counted in memory: this connection is the only one that writes."""
        rows = range(self._next_row, self._next_row + needs.new)
        self._next_row = rows.stop
        try:
            return Found(load(self.connection, needs), rows)
        except sqlite.Error as exc:
            if not of_the_database(exc):
                raise
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: Exception) -> StoreUnusable:
        """On whatever thread it was read."""
        return self._noted(exc, unusable(f"cannot read {self._path}", exc))

    def save(self, changes: Changes) -> None:
        """One transaction, on the disk once it returns."""
        before = self.connection.total_changes
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            save(self.connection, changes)
            self.connection.execute("COMMIT")
        except Exception as exc:  # whoever asked gets it: here the transaction only ends
            self._roll_back()
            if not of_the_database(exc):  # the fault of one command: the next batch has a transaction of its own
                raise
            raise self._fail(exc) from exc
        self._written += PAGES_OF_A_COMMIT + self.connection.total_changes - before
        if self._failed:
            self._works_again()

    def _fail(self, exc: Exception) -> StoreUnusable:
        if not is_damage(exc):
            self._failed, self._log_is_long = not self._damaged, True
            log.error("store=failed path=%s error=%s", self._path, exc)
        return self._noted(exc, unusable(f"cannot write to {self._path}", exc, "; is the disk full?"))

    def _noted(self, exc: Exception, refused: StoreUnusable) -> StoreUnusable:
        """Damage stays until a backup is restored. It is logged once, as every command may meet it."""
        if is_damage(exc):
            if not self._damaged:
                log.critical("store=damaged %s", refused)
            self._failed, self._damaged = False, True
        return refused

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite.Error):
            self.connection.execute("ROLLBACK")

    def recover(self) -> None:
        """Try whether the disk takes a commit again, and give back the room of a long log."""
        if self._failed:
            with contextlib.suppress(StoreUnusable):
                self.save(Changes(meta={"last recovery": str(time.time_ns())}))
        else:
            self._works_again()

    def _works_again(self) -> None:
        if self._failed:
            log.info("store=recovered path=%s", self._path)
        self._failed = False
        with contextlib.suppress(sqlite.Error):  # there is room for a commit, but not yet for the file: later
            self._log_is_long = not empty_log(self.connection)

    def delete_old(self, horizon: Horizon, hashed: Hash, limit: int) -> Deleted:
        """One step, in one transaction."""
        return self._changed(lambda rows: retention.delete_old(rows, horizon, hashed, limit))

    def forget(self, forms: Forms, hashed: Hash, found: Mentions) -> ForgottenRows:
        """All rows in one transaction."""
        return self._changed(lambda rows: forgetting.forget(rows, forms, hashed, found))

    @property
    def remains(self) -> str:
        """Nowhere: freed octets are overwritten (`secure_delete`), and the write-ahead log is emptied."""
        return ""

    def rewrite(self) -> None:
        """A file that was once written without secure_delete; once. It stops all else meanwhile."""
        self._chore(lambda: rewrite(self.connection))

    def empty_log(self) -> bool:
        """Whether nothing that was deleted is left in the write-ahead log; a reader keeps it there for a while."""
        return self._chore(lambda: empty_log(self.connection))

    def _changed(self, work: Callable[[Rows], T]) -> T:
        def chore() -> T:
            with transaction(self.connection):
                return work(SqliteRows(self.connection))

        return self._chore(chore)

    def _chore(self, work: Callable[[], T]) -> T:
        before = self.connection.total_changes
        try:
            return work()
        except sqlite.Error as exc:
            raise self._noted(exc, unusable("cannot change the database", exc)) from exc
        finally:
            self._written += self.connection.total_changes - before

    def tidy(self, *, busy: bool) -> None:
        """Fold the log back into the file once it has grown, and rather in a pause."""
        if self._written <= (CHECKPOINT_AT_LATEST if busy else CHECKPOINT):
            return
        self._written = 0
        try:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite.Error as exc:
            log.warning("store=checkpoint-failed error=%s", exc)
