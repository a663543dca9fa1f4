"""A call as whoever ordered it sees it, and as the watch sees it should the signalling thread be lost."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from drivers import CallHandle, CallResult, Unavailable
from drivers.sip.call_ending import CallEnding


class Handle(CallHandle):
    """Any thread may settle or refuse it; the first to do so counts, what comes later is ignored."""

    def __init__(self, hang_up: Callable[["Handle"], None]) -> None:
        self.result: Future[CallResult] = Future()
        self.result.set_running_or_notify_cancel()
        self._hang_up = hang_up
        self._open = threading.Semaphore()

    def hang_up(self) -> None:
        self._hang_up(self)

    def settle(self, result: CallResult) -> None:
        if self._open.acquire(blocking=False):
            self.result.set_result(result)

    def refuse(self, why: str) -> None:
        """Nothing was sent."""
        if self._open.acquire(blocking=False):
            self.result.set_exception(Unavailable(why))


CallEndings = tuple[CallEnding, ...]


@dataclass(frozen=True, slots=True)
class IfLost:
    """What becomes of a call if its thread is lost now: the result, and what the next generation ends it by."""

    handle: Handle
    result: CallResult
    endings: CallEndings = field(repr=False)


def endings_of(lost: tuple[IfLost, ...]) -> CallEndings:
    """Those of all these calls."""
    return tuple(ending for each in lost for ending in each.endings)
