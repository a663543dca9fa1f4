"""The store: SQLite, WAL, synchronous=FULL, one writer.

Rules. Rows are the truth. One thread owns the one read-write connection; what the loop submits in one turn, and what
arrives while that thread syncs, shares a commit. Each operation runs in a savepoint of its own, so one that fails takes
nobody along, and its future is resolved only after the commit. Every other connection is read-only. A lock file keeps a
second daemon out. Nobody else in this process may open the database file: POSIX locks die with any close().
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from daemon.core.milliseconds import Ms
from daemon.core.model import Attempt, AttemptState, Channel, Request, Status, Step
from daemon.store.schema import Connection, connect, empty_log, migrate, sqlite
from drivers import NATIONAL_DIGITS

log = logging.getLogger("pinwheel.store")

T = TypeVar("T")
CHECKPOINT_OPERATIONS = 1000  # about 16 MiB of log; written back into the file when there is a pause...
CHECKPOINT_AT_LATEST = 20_000  # ... or without one
MAX_GROUP = 500
PRIVATE = 0o600
SIDE_FILES = ("-wal", "-shm")
READERS = 2  # threads: a long read holds up no short one
MAX_CHECKS = 500  # of a request that are shown
RECOVER_S = 2.0  # between two looks whether a disk that was full takes a commit again
RECOVERY = "INSERT OR REPLACE INTO meta (name, value) VALUES ('last recovery', ?)"


class StoreUnusable(Exception):
    """The database cannot be used; the text names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Check:
    """A judged code. The code itself is not kept."""

    at: Ms
    valid: bool
    ip_address: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of history; seq is the resume key of the event stream."""

    seq: int
    at: Ms
    request_id: str
    kind: str
    step: int | None
    detail: str


REQUEST_COLUMNS = (
    "public_id, number, brand, locale, code_length, workflow_id, steps, pin_expiry_ms, expiry_given, created_ms,"
    " sealed_pin, sender_id, account, status, step, generation, pin_until_ms, wrong, due_ms, first_event_ms,"
    " last_event_ms, finalized_ms"
)
ATTEMPT_COLUMNS = (
    "step, channel, generation, not_after_ms, queued_ms, state, tries, device, reference, detail, settled_ms"
)
INSERT_REQUEST = f"INSERT INTO request ({REQUEST_COLUMNS}) VALUES (" + ", ".join("?" * 22) + ")"  # noqa: S608
SELECT_REQUEST = f"SELECT id, {REQUEST_COLUMNS} FROM request"  # noqa: S608
UPDATE_REQUEST = (
    "UPDATE request SET status=?, step=?, generation=?, pin_until_ms=?, wrong=?, due_ms=?, first_event_ms=?,"
    " last_event_ms=?, finalized_ms=? WHERE id=?"
)
UPSERT_ATTEMPT = (
    f"INSERT OR REPLACE INTO attempt (request, {ATTEMPT_COLUMNS}) VALUES (" + ", ".join("?" * 12) + ")"  # noqa: S608
)
SELECT_ATTEMPTS = f"SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE request=? ORDER BY step"  # noqa: S608
SELECT_HISTORY = "SELECT seq, at_ms, request_id, kind, step, detail FROM history"


class Reading:
    """What can be asked of a connection, read-only or not."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def request(self, request_id: str) -> tuple[int, Request] | None:
        """The row id and the request."""
        return self._one(f"{SELECT_REQUEST} WHERE public_id=?", request_id)

    def request_by_row(self, row: int) -> tuple[int, Request] | None:
        return self._one(f"{SELECT_REQUEST} WHERE id=?", row)

    def requests(self, *, active_only: bool, limit: int) -> list[Request]:
        """Newest first."""
        # The index has the running ones only; SQLite's planner would look through the finished ones, too.
        running = "SELECT id FROM request INDEXED BY request_active WHERE status='IN PROGRESS' ORDER BY id DESC LIMIT ?"
        where = f" WHERE id IN ({running}) ORDER BY id DESC" if active_only else " ORDER BY id DESC LIMIT ?"
        rows = self._db.execute(SELECT_REQUEST + where, (limit,)).fetchall()
        return [self._assemble(row)[1] for row in rows]

    def active_for(self, number: str) -> list[Request]:
        """The requests of a number that run, the oldest first."""
        query = f"{SELECT_REQUEST} WHERE number=? AND status='IN PROGRESS' ORDER BY id"
        return [self._assemble(row)[1] for row in self._db.execute(query, (number,)).fetchall()]

    def due(self, since: Ms, until: Ms) -> list[tuple[Ms, int]]:
        """(due time, row id) of the timers due in [since, until)."""
        query = "SELECT due_ms, id FROM request WHERE due_ms >= ? AND due_ms < ? ORDER BY due_ms"
        return list(self._db.execute(query, (since, until)))

    def unsettled(self) -> list[int]:
        """Row ids of the requests with an attempt that is queued or was being sent."""
        query = "SELECT DISTINCT request FROM attempt WHERE state IN ('queued', 'sending') ORDER BY request"
        return [row[0] for row in self._db.execute(query)]

    def attempt_reported(self, number: str, reference: str, device: str, since: Ms) -> tuple[int, int] | None:
        """(row id, step) of the message that a status report means: the newest of this device to this number
        with this reference: each modem counts by itself.

        Where no message has it, one whose answer this device has not given, so that its reference is not known; else
        one to a number that ends alike, which the network told in national form.
        """
        query = (
            "SELECT r.id, a.step FROM request r JOIN attempt a ON a.request = r.id"
            " WHERE r.number=? AND a.queued_ms >= ? AND a.device=? AND (a.reference=? OR (a.reference=''"
            " AND a.tries > 0 AND a.state IN ('queued', 'sending', 'uncertain')))"
            " ORDER BY a.reference='', a.queued_ms DESC LIMIT 1"
        )
        national = (
            "SELECT r.id, a.step FROM attempt a JOIN request r ON r.id = a.request"
            " WHERE a.device=? AND a.device != '' AND a.queued_ms >= ? AND a.reference=? AND r.number LIKE ?"
            " ORDER BY a.queued_ms DESC LIMIT 1"
        )
        found = self._db.execute(query, (number, since, device, reference)).fetchone()
        if found is None and len(number) >= NATIONAL_DIGITS:
            tail = "%" + number[-NATIONAL_DIGITS:]
            found = self._db.execute(national, (device, since, reference, tail)).fetchone()
        return found  # type: ignore[no-any-return]

    def sent_by(self, device: str, since: Ms) -> list[tuple[Ms, str]]:
        """(time, recipient) of each message that this modem may have sent since then, oldest first."""
        query = "SELECT at_ms, number FROM sent WHERE device=? AND at_ms >= ? ORDER BY at_ms"
        return self._db.execute(query, (device, since)).fetchall()  # type: ignore[no-any-return]

    def meta(self, name: str) -> str | None:
        """A lasting setting of this database."""
        row = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return str(row[0]) if row else None

    def checks(self, request_id: str) -> list[Check]:
        """The newest MAX_CHECKS, the oldest of them first."""
        query = (
            'SELECT c.at_ms, c.valid, c.ip_address FROM "check" c JOIN request r ON r.id=c.request'
            " WHERE r.public_id=? ORDER BY c.id DESC LIMIT ?"
        )
        rows = self._db.execute(query, (request_id, MAX_CHECKS)).fetchall()
        return [Check(at, bool(valid), ip) for at, valid, ip in reversed(rows)]

    def history(self, after: int, limit: int, request_id: str | None = None) -> list[HistoryLine]:
        """Lines with a seq above `after`, oldest first."""
        where, values = (" AND request_id=?", [request_id]) if request_id else ("", [])
        query = f"{SELECT_HISTORY} WHERE seq > ?{where} ORDER BY seq LIMIT ?"
        return [HistoryLine(*row) for row in self._db.execute(query, (after, *values, limit))]

    def last_seq(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM history").fetchone()[0])

    def live(self) -> int:
        """How many requests are in progress."""
        return int(self._db.execute("SELECT count(*) FROM request WHERE status='IN PROGRESS'").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """How many requests stand where."""
        return dict(self._db.execute("SELECT status, count(*) FROM request GROUP BY status").fetchall())

    def _one(self, query: str, value: Any) -> tuple[int, Request] | None:
        row = self._db.execute(query, (value,)).fetchone()
        return self._assemble(row) if row else None

    def _assemble(self, row: Sequence[Any]) -> tuple[int, Request]:
        attempts = self._db.execute(SELECT_ATTEMPTS, (row[0],)).fetchall()
        return row[0], _request(row[1:], tuple(_attempt(a) for a in attempts))


class Transaction(Reading):
    """What an operation may do; it runs on the writer's thread, inside the group's transaction."""

    def insert(self, request: Request) -> int:
        """Add a new request; returns its row id."""
        row = int(self._db.execute(INSERT_REQUEST, _columns(request)).lastrowid)
        self._save_attempts(row, request.attempts)
        return row

    def update(self, row: int, before: Request, after: Request) -> None:
        """Write what differs."""
        standing = _standing(after)
        if standing != _standing(before):
            self._db.execute(UPDATE_REQUEST, (*standing, row))
        self._save_attempts(row, [a for a in after.attempts if a not in before.attempts])

    def add_check(self, row: int, check: Check) -> None:
        query = 'INSERT INTO "check" (request, at_ms, valid, ip_address) VALUES (?, ?, ?, ?)'
        self._db.execute(query, (row, check.at, check.valid, check.ip_address))

    def add_history(self, at: Ms, request_id: str, kind: str, step: int | None, detail: str) -> int:
        query = "INSERT INTO history (at_ms, request_id, kind, step, detail) VALUES (?, ?, ?, ?, ?)"
        return int(self._db.execute(query, (at, request_id, kind, step, detail)).lastrowid)

    def add_sent(self, at: Ms, device: str, number: str, forget: Ms) -> None:
        """Count a message for its modem's quota; those before `forget` are not needed any more."""
        self._db.execute("DELETE FROM sent WHERE device=? AND at_ms < ?", (device, forget))
        self._db.execute("INSERT INTO sent (device, at_ms, number) VALUES (?, ?, ?)", (device, at, number))

    def take_back_sent(self, device: str, number: str) -> None:
        """The last message of this modem to this number was not sent after all."""
        newest = "SELECT rowid FROM sent WHERE device=? AND number=? ORDER BY at_ms DESC LIMIT 1"
        self._db.execute(f"DELETE FROM sent WHERE rowid = ({newest})", (device, number))  # noqa: S608

    def set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))

    def _save_attempts(self, row: int, attempts: Sequence[Attempt]) -> None:
        for a in attempts:
            values = (a.step, a.channel, a.generation, a.not_after, a.queued_at, a.state, a.tries)
            self._db.execute(UPSERT_ATTEMPT, (row, *values, a.device, a.reference, a.detail, a.settled_at))


class SqliteStore:
    """The store on one SQLite file. Open it and close it; `submit` from the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn: list[_Operation] = []  # what the loop has submitted since it last woke the writer
        self._turns: queue.SimpleQueue[list[_Operation] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._connections: list[Connection] = []  # of the reading threads
        self._reading = threading.local()  # each reading thread's Reading
        self._lock: Any = None
        self._since_checkpoint = 0
        self._log_is_long = False  # it grew while nothing could be written, and has not been emptied since
        self.broken = False

    def open(self) -> None:
        """Take the lock, migrate, start the writer. Raises StoreUnusable."""
        self._lock = _lock(self._path.with_suffix(".lock"))
        try:
            for path in (self._path, *(Path(f"{self._path}{more}") for more in SIDE_FILES)):
                if path == self._path or path.exists():
                    os.close(_private(path))  # before SQLite has it: its locks would die with this
            self._writer = connect(self._path)
            migrate(self._writer)
            self._reader = connect(self._path, read_only=True)
        except (sqlite.Error, OSError) as exc:
            self._lock.close()
            raise StoreUnusable(f"cannot open the database {self._path}: {exc}") from exc
        self._readers = ThreadPoolExecutor(READERS, "store-reader", self._open_reader)
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

    def _read(self, query: Callable[[Reading], T]) -> T:
        return query(self._reading.of_thread)

    def _open_reader(self) -> None:
        connection = connect(self._path, read_only=True)
        self._connections.append(connection)
        self._reading.of_thread = Reading(connection)

    def _close_readers(self) -> None:
        if self._readers is not None:
            self._readers.shutdown(cancel_futures=True)
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


def _private(path: Path) -> int:
    """A descriptor of a file, made if it is not there, which nobody else may read, whatever the umask.

    SQLite gives its log and its index the mode of the database. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) not in (PRIVATE, 0o640):  # the operator may have let a group in
        with contextlib.suppress(PermissionError):  # it is another user's
            os.fchmod(descriptor, PRIVATE)
    return descriptor


def _lock(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.fdopen(_private(path), "a")
    except OSError as exc:
        raise StoreUnusable(f"cannot write {path}: {exc.strerror}; may this user write to {path.parent}?") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        handle.close()
        raise StoreUnusable(f"cannot lock {path}: another pinwheeld is running on this database") from exc
    return handle


# --- rows --------------------------------------------------------------------------------------------------


def _columns(r: Request) -> tuple[Any, ...]:
    steps = ",".join(f"{step.channel}:{step.wait}" for step in r.steps)
    fixed = (r.id, r.number, r.brand, r.locale, r.code_length, r.workflow_id, steps, r.pin_expiry, r.expiry_given)
    return (*fixed, r.created_at, r.sealed_pin, r.sender_id, r.account, *_standing(r))


def _standing(r: Request) -> tuple[Any, ...]:
    """The columns that events change."""
    dates = (r.first_event_at, r.last_event_at, r.finalized_at)
    return (r.status, r.step, r.generation, r.pin_until, r.wrong, r.due_at, *dates)


def _request(row: Sequence[Any], attempts: tuple[Attempt, ...]) -> Request:
    (public_id, number, brand, locale, code_length, workflow_id, steps, pin_expiry, expiry_given, created_at) = row[:10]
    (sealed_pin, sender_id, account, status, step, generation, pin_until, wrong, due_at) = row[10:19]
    return Request(
        id=public_id,
        number=number,
        brand=brand,
        locale=locale,
        code_length=code_length,
        workflow_id=workflow_id,
        steps=tuple(_steps(steps)),
        pin_expiry=pin_expiry,
        expiry_given=bool(expiry_given),
        created_at=created_at,
        sealed_pin=sealed_pin,
        sender_id=sender_id,
        account=account,
        status=Status(status),
        step=step,
        generation=generation,
        pin_until=pin_until,
        wrong=wrong,
        due_at=due_at,
        first_event_at=row[19],
        last_event_at=row[20],
        finalized_at=row[21],
        attempts=attempts,
    )


def _steps(text: str) -> Iterator[Step]:
    for part in text.split(","):
        channel, wait = part.split(":")
        yield Step(Channel(channel), Ms(int(wait)))


def _attempt(row: Sequence[Any]) -> Attempt:
    (step, channel, generation, not_after, queued_at, state, *rest) = row
    return Attempt(step, Channel(channel), generation, not_after, queued_at, AttemptState(state), *rest)
