"""Until when a connection is waited for: for the rest of a request, or for the next one."""

import asyncio
from collections.abc import Callable


class Deadline:
    """One timer of the event loop, which looks at the time when it ends, and goes on where more time was given.

    Each request moves the deadline: to set a timer and to cancel it time and again would be a tenth of what the
    connection costs. `end` it, or it lives until the garbage collector comes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0  # by the clock of the loop
        self._then: Callable[[], None] | None = None

    @property
    def runs(self) -> bool:
        return self._then is not None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """From now on, in place of the deadline before. then: is called where it passes."""
        self._at, self._then = self._loop.time() + seconds, then
        if self._timer is not None and self._timer.when() > self._at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._at, self._look)

    def clear(self) -> None:
        """There is none until the next `set`."""
        self._then = None

    def end(self) -> None:
        """There is none any more."""
        self.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._then is None:
            return
        if self._loop.time() < self._at:
            self._timer = self._loop.call_at(self._at, self._look)
            return
        then, self._then = self._then, None
        then()
