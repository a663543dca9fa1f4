"""The file of the database while the daemon has it: its lock, the connection that writes, its log, and its place.

WAL, synchronous=FULL. A lock file keeps a second daemon out.
"""

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import Any

from daemon.store.condition import Misplaced
from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.faults import unusable
from daemon.store.sqlite.files import aside, lock, lock_of, private_files
from daemon.store.sqlite.in_place import Judgement, Kind
from daemon.store.sqlite.library import Connection, connect, empty_log, sqlite
from daemon.store.sqlite.migrations import migrate
from daemon.store.sqlite.numbering import last_row
from daemon.store.sqlite.open_files import OpenFiles

log = logging.getLogger("pinwheel.store")

# Of the log, counted in pages: it is written back into the file when there is a pause, or at the latest without one.
# It stays as large as it was: the disk takes half the time for octets that are there already.
CHECKPOINT, CHECKPOINT_AT_LATEST = 5000, 100_000


class OpenDatabase:
    """connection: the one that writes. last_row: of the requests that there were.

    looked_at: when it was last seen whether the files are in their places, on CLOCK_MONOTONIC.
    log_is_long: it grew while nothing could be written, and has not been emptied since. stale: as in `Database`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Any = None
        self._files: OpenFiles | None = None
        self.connection: Connection = None
        self.last_row = 0
        self.looked_at = time.monotonic()
        self._written = 0  # pages since the last checkpoint, about
        self.log_is_long = False
        self._wrong: Judgement | None = None  # what is not in its place
        self.stale = ""

    def open(self) -> None:
        """Take the lock, and bring the schema up to date. Raises StoreUnusable."""
        self._lock = lock(lock_of(self._path))
        try:
            self.connection = self._connected()
            self.last_row = last_row(self.connection)
            self._files = OpenFiles(self._path)
        except (sqlite.Error, OSError) as exc:
            self._lock.close()
            raise unusable(f"cannot open the database {self._path}", exc) from exc

    def _connected(self) -> Connection:
        private_files(self._path)
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
            with contextlib.suppress(StoreUnusable):
                self.look()
            kind = self._wrong.kind if self._wrong is not None else None
            if kind is Kind.OVERWRITTEN:
                self._let_go()
            else:
                if kind is not Kind.COPIED:  # else the log belongs to the copy; SQLite leaves it there, too
                    self._fold("TRUNCATE")
                self.connection.close()
            self.connection = None
        for each in (self._files, self._lock):
            if each is not None:
                each.close()
        self._files = self._lock = None

    def _let_go(self) -> None:
        """Close it, and leave the file as it is: the log belongs to what it was, and would damage what it is now."""
        self.connection.interrupt()  # SQLite would fold the log into the file by itself
        self.connection.close()
        with contextlib.suppress(OSError):
            kept = Path(f"{aside(self._path)}-wal")
            os.rename(f"{self._path}-wal", kept)
            log.warning("store=log-put-aside path=%s", kept)

    # --- its place ---

    @property
    def misplaced(self) -> Misplaced | None:
        return self._wrong.said if self._wrong is not None else None

    def look(self) -> None:
        """Raises StoreUnusable where nobody would find what is written, and logs that once."""
        assert self._files is not None, "the database is open"
        self.looked_at = time.monotonic()
        try:
            before, self._wrong = self._wrong, self._files.look()
        except OSError as exc:
            raise StoreUnusable(f"cannot read {self._path}: {exc.strerror}") from exc
        if self._wrong is None:
            if before is not None:
                log.warning("store=in-place path=%s", self._path)
            return
        refused = StoreUnusable(f"{self._wrong.said.text}; {self._wrong.said.remedy}")
        if self._wrong != before:
            log.critical("store=misplaced %s", refused)
            if self._wrong.kind in (Kind.AWAY, Kind.BESIDE):  # so nothing is only in the log, which stays at its path
                with contextlib.suppress(sqlite.Error):
                    self.empty_log()
            if self._wrong.kind in (Kind.COPIED, Kind.BESIDE):
                self.stale = str(refused)
        raise refused

    # --- its log ---

    def wrote(self, pages: int) -> None:
        """So many more pages are in the log."""
        self._written += pages

    def tidy(self, *, busy: bool) -> None:
        """Fold the log back into the file once it has grown, and rather in a pause."""
        if self._written <= (CHECKPOINT_AT_LATEST if busy else CHECKPOINT):
            return
        self._written = 0
        with contextlib.suppress(StoreUnusable):  # it is folded back once the file is in its place again
            self.look()
            self._fold("PASSIVE")

    def empty_log(self) -> bool:
        """Fold the log back, and give back its room; whether nobody was reading it meanwhile. Raises sqlite.Error."""
        try:
            self.log_is_long = not empty_log(self.connection)
        finally:
            self._changed()
        return not self.log_is_long

    def _fold(self, how: str) -> None:
        """how: as in PRAGMA wal_checkpoint. What cannot be folded stays beside the file for the next daemon."""
        try:
            self.connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
        except sqlite.Error as exc:
            log.warning("store=checkpoint-failed error=%s", exc)
        finally:
            self._changed()

    def _changed(self) -> None:
        if self._files is not None:
            with contextlib.suppress(OSError):  # a disk that cannot be read: each look says so
                self._files.changed()
