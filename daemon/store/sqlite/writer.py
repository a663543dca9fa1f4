"""The one read-write connection: a group in a transaction, each operation in a savepoint; the log, and a full disk."""

import contextlib
import logging
import time
from pathlib import Path

from daemon.store.contract import StoreUnusable
from daemon.store.group_commit import Operation
from daemon.store.sqlite.library import Connection, empty_log, sqlite
from daemon.store.sqlite.transaction import Transaction

log = logging.getLogger("pinwheel.store")

CHECKPOINT_OPERATIONS = 1000  # about 16 MiB of log; written back into the file when there is a pause...
CHECKPOINT_AT_LATEST = 20_000  # ... or without one
RECOVER_S = 2.0  # between two looks whether a disk that was full takes a commit again
RECOVERY = "INSERT OR REPLACE INTO meta (name, value) VALUES ('last recovery', ?)"


class SqliteWriter:
    """A `Writer` of group_commit. broken: the last commit failed."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._db = connection
        self._path = path
        self._transaction = Transaction(connection)
        self._since_checkpoint = 0
        self._log_is_long = False  # it grew while nothing could be written, and has not been emptied since
        self.broken = False

    @property
    def pause_s(self) -> float | None:
        return RECOVER_S if self.broken or self._log_is_long else None

    def commit(self, group: list[Operation]) -> None:
        """Do all in one transaction; an operation that fails leaves no trace and takes no other along."""
        self._since_checkpoint += len(group)
        before = self._db.total_changes
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for operation in group:
                self._run(operation)
            self._db.execute("COMMIT")
        except sqlite.Error as exc:
            self._fail(group, exc)
            return
        if self.broken and self._db.total_changes != before:  # one that wrote nothing needs no disk
            self._works_again()

    def _run(self, operation: Operation) -> None:
        self._db.execute("SAVEPOINT one")
        try:
            operation.value = operation.run(self._transaction)
        except sqlite.OperationalError:  # of the disk, not of this operation
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits this operation
            log.error("store=operation-failed error=%s", exc)
            operation.error = exc
            self._db.execute("ROLLBACK TO one")
        self._db.execute("RELEASE one")

    def _fail(self, group: list[Operation], exc: Exception) -> None:
        self.broken = self._log_is_long = True
        log.error("store=failed path=%s error=%s", self._path, exc)
        with contextlib.suppress(sqlite.Error):
            self._db.execute("ROLLBACK")
        for operation in group:
            operation.error = StoreUnusable(f"cannot write to {self._path}: {exc}; is the disk full?")

    def recover(self) -> None:
        """In a pause: try whether the disk takes a commit again, and give back the room of a long log."""
        if self.broken:
            try:
                self._db.execute(RECOVERY, (str(time.time_ns()),))
            except sqlite.Error:
                return
        self._works_again()

    def _works_again(self) -> None:
        if self.broken:
            log.info("store=recovered path=%s", self._path)
        self.broken = False
        with contextlib.suppress(sqlite.Error):  # there is room for a commit, but not yet for the file: later
            self._log_is_long = not empty_log(self._db)

    def tidy(self, *, busy: bool) -> None:
        """Fold the log back into the file once it has grown, and rather in a pause."""
        if self._since_checkpoint <= (CHECKPOINT_AT_LATEST if busy else CHECKPOINT_OPERATIONS):
            return
        self._since_checkpoint = 0
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite.Error as exc:
            log.warning("store=checkpoint-failed error=%s", exc)
