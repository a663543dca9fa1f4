"""Work on the one read-write connection that is no command: it is done between two commits, in its own transactions."""

import asyncio
import contextlib
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.library import Connection, sqlite

T = TypeVar("T")


class Chores:
    """`add` from the event loop's thread, `run` on the one that has the connection."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = queue.SimpleQueue()

    def add(self, chore: Callable[[Connection], T]) -> "asyncio.Future[T]":
        """The future ends in the result, in StoreUnusable, or in the chore's own exception."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put((chore, future))
        return future

    def run(self, connection: Connection) -> None:
        """Do what waits. Raises nothing."""
        while not self._waiting.empty():  # nobody else takes from it
            chore, future = self._waiting.get()
            _do(partial(chore, connection), future)


def _do(chore: Callable[[], Any], future: "asyncio.Future[Any]") -> None:
    end: Callable[[], None]
    try:
        end = partial(future.set_result, chore())
    except sqlite.Error as exc:
        end = partial(future.set_exception, StoreUnusable(f"cannot change the database: {exc}"))
    except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits this chore
        end = partial(future.set_exception, exc)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(lambda: None if future.done() else end())


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
