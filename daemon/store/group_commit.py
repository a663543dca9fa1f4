"""Operations share commits: a thread takes what the event loop has submitted in one turn, and what came while it wrote.

Written once for every database; how one commits a group is its `Writer`.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
MAX_GROUP = 500


@dataclass(slots=True)
class Operation:
    """What is to be done in a transaction, and what came of it: `value`, or `error`."""

    run: Callable[[Any], Any]
    then: Callable[[Any], None]
    future: "asyncio.Future[Any]"
    value: Any = None
    error: Exception | None = None


class Writer(Protocol):
    """The one that writes to a database. All of it is called by the thread of a `GroupCommit`."""

    @property
    def pause_s(self) -> float | None:
        """How long to wait for a group before `recover` is called; None: as long as it takes."""

    def commit(self, group: list[Operation]) -> None:
        """Do all in one transaction; an operation that fails leaves no trace and takes no other along.

        Sets `value` or `error` of each, and raises nothing.
        """

    def recover(self) -> None:
        """Nothing came for `pause_s`."""

    def tidy(self, *, busy: bool) -> None:
        """After each commit. busy: more is waiting."""


class GroupCommit:
    """Open it and close it; `submit` from the event loop's thread. Of each group, futures end after its commit."""

    def __init__(self, writer: Writer, name: str) -> None:
        self._writer = writer
        self._turn: list[Operation] = []  # what the loop has submitted since it last woke the thread
        self._turns: queue.SimpleQueue[list[Operation] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what is queued."""
        self._wake()
        self._turns.put(None)
        self._thread.join()

    def submit(self, run: Callable[[Any], T], then: Callable[[T], None]) -> "asyncio.Future[T]":
        """Do it in the next commit. The future ends after that, or in the operation's exception.

        then: called with the result after the commit, before whoever awaits the future; also if that was cancelled.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._turn:
            loop.call_soon(self._wake)
        self._turn.append(Operation(run, then, future))
        return future

    def _wake(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            self._turns.put(turn)

    # --- the thread ---

    def _work(self) -> None:
        while True:
            try:
                group = self._next_group()
            except queue.Empty:
                self._writer.recover()
                continue
            if group is None:
                return
            self._writer.commit(group)
            _resolve(group)
            self._writer.tidy(busy=not self._turns.empty())

    def _next_group(self) -> list[Operation] | None:
        """Everything that waits, at least one; None once closed. Raises queue.Empty after the writer's pause."""
        group = self._turns.get(timeout=self._writer.pause_s)
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


def _resolve(group: list[Operation]) -> None:
    """Hand the results to the loop in commit order, with one wake-up."""
    loop = group[0].future.get_loop()

    def on_loop() -> None:
        for operation in group:
            if operation.error is None:
                loop.call_soon(operation.then, operation.value)
            if not operation.future.cancelled():
                _end(operation)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(on_loop)


def _end(operation: Operation) -> None:
    if operation.error is None:
        operation.future.set_result(operation.value)
    else:
        operation.future.set_exception(operation.error)
        operation.future.exception()  # it was logged: nobody need await it
