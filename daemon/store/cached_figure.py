"""A figure that takes long to find, and that many may ask for."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")
TIMES = 10  # so a core spends at most a tenth of its time on the figure


class CachedFigure(Generic[T]):
    """A figure is used again for TIMES as long as it took to find. Whoever asks during a search waits for it."""

    def __init__(self, find: Callable[[], Awaitable[T]], now: Callable[[], float] = monotonic) -> None:
        self._find = find
        self._now = now
        self._found: asyncio.Future[T] | None = None
        self._good_until = 0.0

    async def get(self) -> T:
        """Raises what `find` raises."""
        if self._found is None or (self._found.done() and self._now() >= self._good_until):
            self._found = asyncio.ensure_future(self._search())
        return await asyncio.shield(self._found)

    async def _search(self) -> T:
        began = self._now()
        found = await self._find()
        ended = self._now()
        self._good_until = ended + (ended - began) * TIMES
        return found
