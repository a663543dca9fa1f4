"""Work that is no command: done on the connection that writes, between two batches, in transactions of its own."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Chores:
    """`add` from the event loop's thread, `run` on the one that writes."""

    def __init__(self) -> None:
        self._left: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()

    @property
    def any_left(self) -> bool:
        """Whether a chore waits or is under way."""
        return bool(self._left)

    def add(self, chore: Callable[[], T]) -> "asyncio.Future[T]":
        """The future ends in the result, or in the chore's exception."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._left.append((chore, future))
        return future

    def run(self) -> bool:
        """Do what waits; whether anything did. Raises nothing."""
        any_done = False
        while self._left:
            _do(*self._left[0])
            self._left.popleft()  # nobody else takes from it
            any_done = True
        return any_done


def _do(chore: Callable[[], Any], future: "asyncio.Future[Any]") -> None:
    end: Callable[[], None]
    try:
        end = partial(future.set_result, chore())
    except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits this chore
        end = partial(future.set_exception, exc)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(lambda: None if future.done() else end())
