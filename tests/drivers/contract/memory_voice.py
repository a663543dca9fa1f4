"""The smallest voice driver that keeps the contract, with phones in memory, and nothing that it does not ask for."""

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from drivers import (
    Call,
    CallHandle,
    CallOutcome,
    CallPhase,
    CallResult,
    DeviceState,
    StateChanged,
    TrunkStatus,
    Unavailable,
)
from drivers.settings import setting

PHONE_RINGS_S = 0.05  # before it answers
REFUSALS = {"90": CallOutcome.BUSY, "92": CallOutcome.DECLINED, "93": CallOutcome.NOT_FOUND}
NEVER = "91"  # answers


@dataclass(frozen=True, slots=True)
class Options:
    there: bool = setting(True, "Whether the trunk is there.")


@dataclass(eq=False, slots=True)
class Handle(CallHandle):
    """A call under way. tell: puts what is asked into the driver's queue."""

    call: Call
    progress: Callable[[CallPhase], None]
    cancel: Callable[["Handle"], None]
    result: Future[CallResult] = field(default_factory=Future)
    rang_at: float = 0.0
    answered_at: float | None = None

    def hang_up(self) -> None:
        self.cancel(self)

    def end(self, outcome: CallOutcome) -> None:
        """The first end counts."""
        if self.result.done():
            return
        talk_s = time.monotonic() - self.answered_at if self.answered_at is not None else 0.0
        played_s = min(talk_s, self.call.audio.seconds)
        self.result.set_result(CallResult(outcome, talk_s=talk_s, played_s=played_s))


class Driver:
    """One thread owns all calls; other threads put what they want into its queue."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.dialled = 0
        self._options = options
        self._state = DeviceState.CLOSED
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._calls: list[Handle] = []
        self._listener: Callable[[StateChanged], None] = lambda _: None
        self._thread: threading.Thread | None = None

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        handle = Handle(call, progress, lambda handle: self._todo.put(lambda: self._hang_up(handle)))
        if self._thread is None or not self._options.there:
            handle.result.set_exception(Unavailable("the trunk is not there"))
        else:
            self._todo.put(lambda: self._dial(handle))
        return handle

    def status(self) -> TrunkStatus:
        detail = "" if self._options.there else "the trunk is not there"
        return TrunkStatus(self._state, detail, calls=len(self._calls))

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._todo.put(lambda: self._become(DeviceState.CLOSED))
            thread.join(5)

    # --- the thread ---

    def _run(self) -> None:
        self._become(DeviceState.READY if self._options.there else DeviceState.ABSENT)
        while self._state is not DeviceState.CLOSED:
            wait_s = max(self._due[0][0] - time.monotonic(), 0) if self._due else None
            try:
                self._todo.get(timeout=wait_s)()
            except queue.Empty:
                heapq.heappop(self._due)[2]()
        self._due.clear()
        for handle in list(self._calls):
            self._hang_up(handle)

    def _become(self, state: DeviceState) -> None:
        self._state = state
        self._listener(StateChanged())

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), action))

    def _dial(self, handle: Handle) -> None:
        self.dialled += 1
        self._calls.append(handle)
        handle.progress(CallPhase.DIALLING)
        refusal = REFUSALS.get(handle.call.number[-2:])
        if refusal is not None:
            self._end(handle, refusal)
            return
        handle.progress(CallPhase.RINGING)
        self._after(handle.call.ring_s, lambda: self._unanswered(handle))
        if not handle.call.number.endswith(NEVER):
            self._after(PHONE_RINGS_S, lambda: self._answer(handle))

    def _unanswered(self, handle: Handle) -> None:
        if handle.answered_at is None:
            self._end(handle, CallOutcome.NO_ANSWER)

    def _answer(self, handle: Handle) -> None:
        if not handle.result.done():
            handle.answered_at = time.monotonic()
            handle.progress(CallPhase.ANSWERED)
            self._after(handle.call.audio.seconds, lambda: self._end(handle, CallOutcome.ANSWERED))

    def _hang_up(self, handle: Handle) -> None:
        self._end(handle, CallOutcome.CANCELLED if handle.answered_at is None else CallOutcome.ANSWERED)

    def _end(self, handle: Handle, outcome: CallOutcome) -> None:
        if handle in self._calls:
            self._calls.remove(handle)
            handle.end(outcome)
