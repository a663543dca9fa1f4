"""Commands share commits: a thread saves one batch at a time, and what comes meanwhile is the next one.

Each batch is one load, every command decided in memory, one save; only then the answers. Written once for every
database.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from daemon.core.batch import Changes, Found, Needs, all_needs
from daemon.core.commands import NOTHING, Command, Decision, Loaded
from daemon.core.histogram import LATENESS_S, Histogram
from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.request_cache import RequestCache
from daemon.core.working_set import WorkingSet
from daemon.store.between_batches import Chores
from daemon.store.contract import Damaged, Database, StoreUnusable

log = logging.getLogger("pinwheel.store")

T = TypeVar("T")
MAX_BATCH = 500
MANY, HELD_S = 8, 0.01
"""Behind a batch of so many commands the event loop waits until they are decided and with the database, but not longer
than HELD_S.

Only one thread at a time runs Python. A busy loop gives that right away for a moment at each read of a socket. Each
time the thread of the batches woke up in vain, 2.4 times a command; a commit took 12-20 ms of which the disk took
0.5. With the loop out of its way, and nothing else on two cores, a start costs 155 us of CPU instead of 210, and a
quarter more are done in a second. For a request that comes alone it would only be one wake-up more. All else on the
loop waits as well, so it must be short: timers may be 25 ms late (p99), and /healthz may take 10 ms.

It does not wait for a server: while PostgreSQL loads, it has the processor for itself.
"""

Decide = Callable[[Command, Loaded], tuple[Ms, Decision]]
"""When a command is decided, and how. It may be called again for the same command, and leaves no trace."""
Then = Callable[[Decision], None]


@dataclass(slots=True)
class Operation:
    """A command, and what came of it: `value`, or `error`. command: None only waits for those before it."""

    command: Command | None
    decide: Decide
    then: Then
    future: "asyncio.Future[Decision]"
    value: Decision = NOTHING
    error: Exception | None = None


class Rows(Protocol):
    """Of a database, what a batch needs."""

    def load(self, needs: Needs) -> Found: ...

    def save(self, changes: Changes) -> None: ...


@dataclass(frozen=True, slots=True)
class _Measured:
    """How long the commits take that succeed. For the thread of the batches; others may copy what it has counted."""

    load: Callable[[Needs], Found]
    commit: Callable[[Changes, Callable[[], None]], None]
    committing: Callable[[], None]
    commits: Histogram

    def save(self, changes: Changes) -> None:
        began = time.perf_counter()
        self.commit(changes, self.committing)
        self.commits.observe(time.perf_counter() - began)


def carry_out(database: Rows, cache: RequestCache, batch: Sequence[Operation]) -> None:
    """Do all in one commit, in order. Sets `value` or `error` of each, and raises nothing.

    A command that fails leaves no trace and takes no other along: where nothing shows which one
    could not be saved, the halves are done by themselves.
    """
    try:
        _carry_out(database, cache, batch)
    except Exception as exc:  # the end of one batch: a defect belongs to whoever awaits the command that had it
        cache.clear()
        of_all = isinstance(exc, StoreUnusable) and not isinstance(exc, Damaged)
        if len(batch) > 1 and not of_all:
            middle = len(batch) // 2
            carry_out(database, cache, batch[:middle])
            carry_out(database, cache, batch[middle:])
            return
        if not isinstance(exc, StoreUnusable):
            log.exception("store=command-failed command=%s", type(batch[0].command).__name__)
        for operation in batch:
            operation.error = exc


def _carry_out(database: Rows, cache: RequestCache, batch: Sequence[Operation]) -> None:
    wanted = all_needs([operation.command for operation in batch if operation.command is not None])
    working = WorkingSet(wanted, _found(database, cache, wanted))
    for operation in batch:
        if operation.command is None:
            continue
        operation.error = None
        try:
            at, decision = operation.decide(operation.command, working.loaded(operation.command))
        except Exception as exc:  # the end of one command: nothing of it was applied
            log.exception("store=command-failed command=%s", type(operation.command).__name__)
            operation.error = exc
            continue
        operation.value = working.apply(decision, at)
    changes = working.changes()
    if not changes.empty:
        database.save(changes)
    cache.keep(working.requests)


def _found(database: Rows, cache: RequestCache, wanted: Needs) -> Found:
    known, rest = cache.known(wanted), cache.rest(wanted)
    if rest.nothing:
        return Found(known)
    found = database.load(rest)
    return Found({**known, **found.requests}, found.rows)


class Batches:
    """Open it and close it; `submit` from the event loop's thread. Of each batch, futures end after its commit.

    held_s: for how long at most the loop gives way to a large batch, where the database is in this process.
    """

    def __init__(self, database: Database, held_s: float = HELD_S) -> None:
        self._database = database
        self._held_s = held_s if database.in_process else 0.0
        self._let_go = threading.Event()  # of the batch that the thread has: the loop need not give way to it any more
        self.commits = Histogram(LATENESS_S)
        self._measured = _Measured(database.load, database.save, self._let_go.set, self.commits)
        self._cache = RequestCache()
        self._chores = Chores()
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that submits
        self._waiting: list[Operation] = []  # for the thread to be free
        self._answering = False  # `_answer` is under way, and will have what waits handed over
        self._handed: queue.SimpleQueue[Sequence[Operation] | None] = queue.SimpleQueue()
        self._busy = False  # the thread has a batch that is not carried out yet; set by the loop, cleared by the thread
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Save what is queued, whether the loop still runs or not."""
        while self._waiting:
            self._hand_one_over()
        self._handed.put(None)
        self._thread.join()

    def submit(self, command: Command | None, decide: Decide, then: Then) -> "asyncio.Future[Decision]":
        """Put a command into the next batch. The future ends after its commit, or in the command's exception.

        then: called with the decision after the commit, before whoever awaits the future; also if that was cancelled.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Decision] = loop.create_future()
        if not (self._waiting or self._answering) or loop is not self._loop:  # one that is gone may leave something
            self._loop = loop
            loop.call_soon(self._hand_over)
        self._waiting.append(Operation(command, decide, then, future))
        return future

    async def between(self, chore: Callable[[], T]) -> T:
        """The result of other work with the database, which may change rows, between two batches; or its exception."""
        done = self._chores.add(chore)
        await asyncio.gather(done, self.turn(), return_exceptions=True)  # the turn wakes the thread; its end is no news
        return await done

    async def turn(self) -> None:
        """Until all that was submitted before has been committed. Raises StoreUnusable."""
        await self.submit(None, _nothing, lambda _: None)

    def _hand_over(self) -> None:
        """Give the thread what waits, unless it has a batch: `_answer` comes back once it has none.

        The loop gives way to a large one (see MANY), but not where a chore goes first.
        """
        if self._waiting and not self._busy and self._hand_one_over() >= MANY and not self._chores.any_left:
            self._let_go.wait(self._held_s)

    def _hand_one_over(self) -> int:
        """At most MAX_BATCH: what insists comes again by the thousand after an outage. Returns how many."""
        batch = self._waiting[:MAX_BATCH]
        self._busy = True
        self._let_go.clear()
        self._handed.put(batch)
        del self._waiting[:MAX_BATCH]  # only now: what is neither here nor there would not make the thread busy
        return len(batch)

    def _answer(self, batch: Sequence[Operation]) -> None:
        """Act on all that was decided, then end the futures, in their order.

        What waits is handed over once those who were answered have run.
        """
        loop = asyncio.get_running_loop()
        here = [each for each in batch if each.future.get_loop() is loop]  # others have ended: nobody waits any more
        self._answering = True
        for operation in here:
            if operation.error is None and operation.command is not None:
                _act_on(operation)
        for operation in here:
            if not operation.future.cancelled():
                _end(operation)
        self._answering = False
        loop.call_soon(self._hand_over)

    # --- the thread ---

    def _work(self) -> None:
        while True:
            try:
                batch = self._handed.get(timeout=self._database.pause_s)
            except queue.Empty:
                _beside(self._database.recover)
                continue
            if batch is None:
                return
            carry_out(self._measured, self._cache, batch)
            self._let_go.set()  # also where nothing was saved
            self._resolve(batch)
            if self._chores.run():
                self._cache.clear()
            _beside(partial(self._database.tidy, busy=bool(self._waiting) or not self._handed.empty()))

    def _resolve(self, batch: Sequence[Operation]) -> None:
        """Hand the decisions to the loop, with one wake-up.

        `_busy` ends before the loop is looked up, and a loop is noted before it looks at `_busy`: so a loop that has
        come meanwhile either gets this call or finds the thread free, and never waits for one that has ended.
        """
        self._busy = False
        assert self._loop is not None, "it has submitted the batch"
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._answer, batch)


def _beside(work: Callable[[], None]) -> None:
    """Do what is no batch. Raises nothing: without this thread every request would wait for ever."""
    try:
        work()
    except Exception:  # the end of one turn: the next batch may go well
        log.exception("store=upkeep-failed")


def _act_on(operation: Operation) -> None:
    try:
        operation.then(operation.value)
    except Exception:  # the end of one call: the rest of the batch is acted on, too
        log.exception("store=then-failed command=%s", type(operation.command).__name__)


def _end(operation: Operation) -> None:
    if operation.error is None:
        operation.future.set_result(operation.value)
    else:
        operation.future.set_exception(operation.error)
        operation.future.exception()  # it was logged: nobody need await it


def _nothing(_: Command, __: Loaded) -> tuple[Ms, Decision]:
    return EPOCH, NOTHING
