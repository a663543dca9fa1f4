"""The store: SQLite, WAL, synchronous=FULL, one writer.

Rules. Rows are the truth. One thread owns the one read-write connection; what the loop submits in one turn, and what
arrives while that thread syncs, shares a commit. Each operation runs in a savepoint of its own, so one that fails takes
nobody along, and its future is resolved only after the commit. Every other connection is read-only. A lock file keeps a
second daemon out. Nobody else in this process may open the database file: POSIX locks die with any close().
"""

import asyncio
import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from daemon.store.contract import StoreUnusable
from daemon.store.costly import Costly
from daemon.store.sqlite.files import SIDE_FILES, lock, private
from daemon.store.sqlite.library import Connection, connect, empty_log, sqlite
from daemon.store.sqlite.reading import Reading
from daemon.store.sqlite.schema import migrate
from daemon.store.sqlite.transaction import Transaction

log = logging.getLogger("pinwheel.store")

T = TypeVar("T")
CHECKPOINT_OPERATIONS = 1000  # about 16 MiB of log; written back into the file when there is a pause...
CHECKPOINT_AT_LATEST = 20_000  # ... or without one
MAX_GROUP = 500
READERS, OPERATORS_READERS = 1, 1  # threads: what operators look at holds up no request, and costs one core at most
RECOVER_S = 2.0  # between two looks whether a disk that was full takes a commit again
RECOVERY = "INSERT OR REPLACE INTO meta (name, value) VALUES ('last recovery', ?)"


class SqliteStore:
    """The store on one SQLite file. Open it and close it; `submit` from the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn: list[_Operation] = []  # what the loop has submitted since it last woke the writer
        self._turns: queue.SimpleQueue[list[_Operation] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._operators_readers: ThreadPoolExecutor | None = None
        self._connections: list[Connection] = []  # of the reading threads
        self._reading = threading.local()  # each reading thread's Reading
        self._lock: Any = None
        self._since_checkpoint = 0
        self._log_is_long = False  # it grew while nothing could be written, and has not been emptied since
        self.broken = False
        self.counts = Costly(lambda: self.browse(Reading.counts))

    def open(self) -> None:
        """Take the lock, migrate, start the writer. Raises StoreUnusable."""
        self._lock = lock(self._path.with_suffix(".lock"))
        try:
            for path in (self._path, *(Path(f"{self._path}{more}") for more in SIDE_FILES)):
                if path == self._path or path.exists():
                    os.close(private(path))  # before SQLite has it: its locks would die with this
            self._writer = connect(self._path)
            migrate(self._writer)
            self._reader = connect(self._path, read_only=True)
        except (sqlite.Error, OSError) as exc:
            self._lock.close()
            raise StoreUnusable(f"cannot open the database {self._path}: {exc}") from exc
        self._readers = ThreadPoolExecutor(READERS, "store-reader", self._open_reader)
        self._operators_readers = ThreadPoolExecutor(OPERATORS_READERS, "store-operators", self._open_reader)
        self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, fold the log back into the file, release the lock."""
        if self._thread is not None:
            self._wake_writer()
            self._turns.put(None)
            self._thread.join()
            self._close_readers()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def reading(self) -> Reading:
        """Sees what has been committed. It holds up whoever asks: for the start, and for the tests."""
        return Reading(self._reader)

    async def read(self, query: Callable[[Reading], T]) -> T:
        """The result of a query that sees what has been committed; it runs on a thread for reading.

        SQLite works without the interpreter's lock, so that the event loop goes on however large a table is.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    async def browse(self, query: Callable[[Reading], T]) -> T:
        """As `read`, for what operators look at, which may take long: no request waits for it."""
        return await asyncio.get_running_loop().run_in_executor(self._operators_readers, self._read, query)

    def _read(self, query: Callable[[Reading], T]) -> T:
        return query(self._reading.of_thread)

    def _open_reader(self) -> None:
        connection = connect(self._path, read_only=True)
        self._connections.append(connection)
        self._reading.of_thread = Reading(connection)

    def _close_readers(self) -> None:
        for readers in (self._readers, self._operators_readers):
            if readers is not None:
                readers.shutdown(cancel_futures=True)
        for connection in (self._reader, *self._connections):
            connection.close()

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
            self._writer.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))
        except sqlite.Error as exc:
            raise StoreUnusable(f"cannot write to {self._path}: {exc}; is the disk full?") from exc

    def submit(
        self, operation: Callable[[Transaction], T], then: Callable[[T], None] = lambda _: None
    ) -> "asyncio.Future[T]":
        """Run an operation in the next commit. The future ends after that commit, or in the operation's exception.

        then: called with the result after the commit, before whoever awaits the future; also if that was cancelled.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._turn:
            loop.call_soon(self._wake_writer)
        self._turn.append(_Operation(operation, then, future, loop))
        return future

    def _wake_writer(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            self._turns.put(turn)

    # --- the writer's thread ---

    def _write(self) -> None:
        transaction = Transaction(self._writer)
        while True:
            try:
                group = self._next_group()
            except queue.Empty:
                self._recover()
                continue
            if group is None:
                return
            results = [_Result(operation) for operation in group]
            try:
                self._run_group(transaction, results)
            except sqlite.Error as exc:
                self._fail_group(results, exc)
            _resolve(results)
            self._since_checkpoint += len(group)
            limit = CHECKPOINT_OPERATIONS if self._turns.empty() else CHECKPOINT_AT_LATEST
            if self._since_checkpoint > limit:
                self._checkpoint()

    def _next_group(self) -> "list[_Operation] | None":
        """Everything that waits, at least one; None once closed. Raises queue.Empty when it is time to recover."""
        group = self._turns.get(timeout=RECOVER_S if self.broken or self._log_is_long else None)
        if group is None:
            return None
        with contextlib.suppress(queue.Empty):
            while len(group) < MAX_GROUP:
                turn = self._turns.get_nowait()
                if turn is None:
                    self._turns.put(None)
                    break
                group += turn
        return group

    def _run_group(self, transaction: Transaction, results: "list[_Result]") -> None:
        before = self._writer.total_changes
        self._writer.execute("BEGIN IMMEDIATE")
        for result in results:
            self._writer.execute("SAVEPOINT one")
            try:
                result.value = result.operation.run(transaction)
            except sqlite.OperationalError:  # of the disk, not of this operation
                raise
            except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits this operation
                log.error("store=operation-failed error=%s", exc)
                result.error = exc
                self._writer.execute("ROLLBACK TO one")
            self._writer.execute("RELEASE one")
        self._writer.execute("COMMIT")
        if self.broken and self._writer.total_changes != before:  # one that wrote nothing needs no disk
            self._works_again()

    def _recover(self) -> None:
        """In a pause: try whether the disk takes a commit again, and give back the room of a long log."""
        if self.broken:
            try:
                self._writer.execute(RECOVERY, (str(time.time_ns()),))
            except sqlite.Error:
                return
        self._works_again()

    def _works_again(self) -> None:
        if self.broken:
            log.info("store=recovered path=%s", self._path)
        self.broken = False
        with contextlib.suppress(sqlite.Error):  # there is room for a commit, but not yet for the file: later
            self._log_is_long = not empty_log(self._writer)

    def _fail_group(self, results: "list[_Result]", exc: Exception) -> None:
        self.broken = self._log_is_long = True
        log.error("store=failed path=%s error=%s", self._path, exc)
        with contextlib.suppress(sqlite.Error):
            self._writer.execute("ROLLBACK")
        for result in results:
            result.error = StoreUnusable(f"cannot write to {self._path}: {exc}; is the disk full?")

    def _checkpoint(self) -> None:
        """Fold the log back into the file."""
        self._since_checkpoint = 0
        try:
            self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite.Error as exc:
            log.warning("store=checkpoint-failed error=%s", exc)


@dataclass(frozen=True, slots=True)
class _Operation:
    run: Callable[[Transaction], Any]
    then: Callable[[Any], None]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


@dataclass(slots=True)
class _Result:
    operation: _Operation
    value: Any = None
    error: Exception | None = None


def _resolve(results: list[_Result]) -> None:
    """Hand the results to the loop in commit order, with one wake-up."""
    loop = results[0].operation.loop

    def on_loop() -> None:
        for result in results:
            if result.error is None:
                loop.call_soon(result.operation.then, result.value)
            if not result.operation.future.cancelled():
                _end(result.operation.future, result)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(on_loop)


def _end(future: "asyncio.Future[Any]", result: _Result) -> None:
    if result.error is None:
        future.set_result(result.value)
    else:
        future.set_exception(result.error)
        future.exception()  # it was logged: nobody need await it
