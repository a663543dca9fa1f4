"""What a simulated device has to do later."""

import heapq
import itertools
import time
from collections.abc import Callable


class Timers:
    """Actions by the monotonic clock, of one thread: whoever makes them fires them."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), action))

    def fire(self) -> None:
        """Do all that is due."""
        while self._heap and self._heap[0][0] <= time.monotonic():
            heapq.heappop(self._heap)[2]()

    def due_s(self) -> float | None:
        """Seconds until something is due; None for never."""
        return max(self._heap[0][0] - time.monotonic(), 0) if self._heap else None

    def clear(self) -> None:
        self._heap.clear()
