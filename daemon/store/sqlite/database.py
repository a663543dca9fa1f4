"""SQLite as a database: one connection that writes; a full disk, a damaged file, and one that is not in its place.

Nobody else in this process may open the database file: POSIX locks die with any close().
"""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from daemon.core.batch import Changes, Found, Needs
from daemon.store import forgetting, retention
from daemon.store.condition import Misplaced
from daemon.store.contract import StoreUnusable, nobody_waits
from daemon.store.forgetting import ForgottenRows, Forms, Mentions
from daemon.store.retention import Deleted, Hash, Horizon
from daemon.store.sqlite.faults import is_damage, of_the_database, unusable
from daemon.store.sqlite.library import Connection, SqliteRows, connect, rewrite, sqlite, transaction
from daemon.store.sqlite.loading import load
from daemon.store.sqlite.open_database import OpenDatabase
from daemon.store.sqlite.reading import SqliteReading
from daemon.store.sqlite.saving import save
from daemon.store.statements import Rows

log = logging.getLogger("pinwheel.store")

T = TypeVar("T")
PAGES_OF_A_COMMIT = 8  # besides one a row, however few rows: the last page of each table and index
RECOVER_S = 2.0  # between two looks whether a disk that was full takes a commit again
LOOK_S = 5.0  # between two looks whether the file is in its place, while nothing is saved; each save looks, too


class SqliteDatabase:
    """A `Database` in one file. connection: the one that writes."""

    in_process = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = OpenDatabase(path)
        self._next_row = 1
        self.broken = self.damaged = False

    @property
    def connection(self) -> Connection:
        return self._file.connection

    @property
    def misplaced(self) -> Misplaced | None:
        return self._file.misplaced

    @property
    def stale(self) -> str:
        return self._file.stale

    def open(self) -> None:
        """Take the lock, and bring the schema up to date. Raises StoreUnusable."""
        self._file.open()
        self._next_row = self._file.last_row + 1

    def close(self) -> None:
        """Fold the log back into the file, release the lock."""
        self._file.close()

    def reader(self) -> SqliteReading:
        """A connection that only reads. Raises StoreUnusable."""
        try:
            return SqliteReading(connect(self._path, read_only=True), self._unreadable)
        except sqlite.Error as exc:
            raise StoreUnusable(f"cannot read {self._path}: {exc}") from exc

    @property
    def pause_s(self) -> float:
        return RECOVER_S if self.broken or self._file.log_is_long else LOOK_S

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

    def save(self, changes: Changes, committing: Callable[[], None] = nobody_waits) -> None:
        """One transaction, on the disk once it returns."""
        self._look()
        before = self.connection.total_changes
        try:
            with transaction(self.connection):
                save(self.connection, changes)
                committing()
        except Exception as exc:  # whoever asked gets it: here the transaction only ends
            if not of_the_database(exc):  # the fault of one command: the next batch has a transaction of its own
                raise
            raise self._fail(exc) from exc
        self._file.wrote(PAGES_OF_A_COMMIT + self.connection.total_changes - before)
        if self.broken:
            self._works_again()

    def _look(self) -> None:
        """Raises StoreUnusable where nobody would find what is written."""
        try:
            self._file.look()
        except StoreUnusable:
            self.broken = True
            raise

    def _fail(self, exc: Exception) -> StoreUnusable:
        if not is_damage(exc):
            if not self.broken:  # each batch meets it, until `_works_again` says that it is over
                log.error("store=failed path=%s error=%s", self._path, exc)
            self._file.log_is_long = True
        self.broken = not is_damage(exc)
        return self._noted(exc, unusable(f"cannot write to {self._path}", exc, "; is the disk full?"))

    def _noted(self, exc: Exception, refused: StoreUnusable) -> StoreUnusable:
        """Damage stays until a backup is restored. It is logged once, as every command may meet it."""
        if is_damage(exc):
            if not self.damaged:
                log.critical("store=damaged %s", refused)
            self.damaged = True
        return refused

    def recover(self) -> None:
        """Look where the file is; try whether the disk takes a commit again, and give back the room of a long log."""
        with contextlib.suppress(StoreUnusable):
            if self.broken:
                self.save(Changes(meta={"last recovery": str(time.time_ns())}))
                return
            self._look()
            if self._file.log_is_long:
                self._works_again()

    def _works_again(self) -> None:
        if self.broken:
            log.info("store=recovered path=%s", self._path)
        self.broken = False
        with contextlib.suppress(sqlite.Error):  # there is room for a commit, but not yet for the file: later
            self._file.empty_log()

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
        return self._chore(self._file.empty_log)

    def _changed(self, work: Callable[[Rows], T]) -> T:
        def chore() -> T:
            with transaction(self.connection):
                return work(SqliteRows(self.connection))

        return self._chore(chore)

    def _chore(self, work: Callable[[], T]) -> T:
        self._look()
        before = self.connection.total_changes
        try:
            return work()
        except sqlite.Error as exc:
            raise self._noted(exc, unusable("cannot change the database", exc)) from exc
        finally:
            self._file.wrote(self.connection.total_changes - before)

    def tidy(self, *, busy: bool) -> None:
        """Fold the log back into the file once it has grown, and rather in a pause."""
        self._file.tidy(busy=busy)
        if time.monotonic() > self._file.looked_at + LOOK_S:  # batches came that saved nothing, as of the watchdog
            self.recover()
