"""The smallest SMS driver that keeps the contract, on a device in memory: what the contract asks, and nothing else."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from drivers import (
    REFERENCES,
    Deferred,
    Delivery,
    DeviceState,
    DriverError,
    IncomingSms,
    LateAnswer,
    LeftBehind,
    ModemStatus,
    Receipt,
    Refused,
    Sms,
    SmsEvent,
    SmsListener,
    StateChanged,
    StatusReport,
    Unavailable,
    Uncertain,
)

ANSWER_S = 0.3  # so long the driver waits for the network
CHARACTERS = 153  # of one part


@dataclass(frozen=True, slots=True)
class Options:
    """It has nothing to configure."""


@dataclass(slots=True)
class Device:
    """A modem and its network. tell: the driver's, for what happens by itself, on any thread."""

    there: bool = True
    held: bool = False
    asked: Sms | None = None
    taken: list[tuple[str, str]] = field(default_factory=list)
    inbox: list[tuple[str, str]] = field(default_factory=list)
    congested: set[str] = field(default_factory=set)
    count: int = 0
    tell: Callable[[Callable[[], None]], None] = lambda _: None

    def submit(self, sms: Sms) -> Receipt | DriverError | None:
        """What the network says; None for nothing, yet or for ever."""
        if self.held:
            self.asked = sms
            return None
        return self.network(sms)

    def network(self, sms: Sms) -> Receipt | DriverError | None:
        self.asked = None
        if sms.number.endswith("80"):
            return Refused("no such number")
        if sms.number.endswith("81") and sms.number not in self.congested:
            self.congested.add(sms.number)
            return Deferred("the network is busy")
        self.taken.append((sms.number, sms.text))
        if sms.number.endswith("82"):
            return None
        parts = len(sms.text) // CHARACTERS + 1
        self.count += parts
        return Receipt(tuple((self.count - parts + place) % REFERENCES for place in range(parts)))


class Driver:
    """One thread owns everything; other threads put what they want into its queue."""

    def __init__(self, name: str, _: Options, device: Device | None = None) -> None:
        self.name = name
        self._device = device or Device()
        self._status = ModemStatus(DeviceState.CLOSED)
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: deque[tuple[Sms, Future[Receipt]]] = deque()
        self._current: tuple[Sms, Future[Receipt]] | None = None
        self._late: Sms | None = None
        self._listener: SmsListener = lambda _: Future()
        self._thread: threading.Thread | None = None
        self._closing = False

    def open(self, listener: SmsListener, left: Sequence[LeftBehind] = ()) -> None:
        self._listener, self._closing = listener, False
        self._late = left[-1].sms if left else self._late
        self._device.tell = self._todo.put
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def send(self, sms: Sms) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        if self._thread is None:
            future.set_exception(Unavailable("the driver is closed"))
        else:
            self._todo.put(lambda: self._waiting.append((sms, future)))
        return future

    def ask(self, command: str) -> Future[tuple[str, ...]]:
        future: Future[tuple[str, ...]] = Future()
        if command != "who":
            future.set_exception(Refused("it answers only: who"))
        elif self._status.state is not DeviceState.READY:
            future.set_exception(Unavailable("nobody is there"))
        else:
            future.set_result(("memory", "OK"))
        return future

    def status(self) -> ModemStatus:
        return self._status

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._todo.put(lambda: setattr(self, "_closing", True))
            thread.join(5)

    # --- the thread ---

    def _run(self) -> None:
        while not self._closing:
            self._become(DeviceState.READY if self._device.there else DeviceState.ABSENT)
            if not self._device.there:
                self._decline()
            elif self._current is None and self._waiting:
                self._begin(*self._waiting.popleft())
                continue
            elif self._device.inbox:
                self._hand_over()
            self._wait()
        self._end(Uncertain("closed meanwhile"))
        while not self._todo.empty():
            self._todo.get()()
        self._decline()
        self._become(DeviceState.CLOSED)

    def _wait(self) -> None:
        """For what is asked, or for the end of the network's time."""
        try:
            self._todo.get(timeout=ANSWER_S if self._current is not None else None)()
        except queue.Empty:
            self._late = self._current[0] if self._current is not None else None
            self._end(Uncertain("no answer"))

    def _begin(self, sms: Sms, future: Future[Receipt]) -> None:
        if future.set_running_or_notify_cancel():
            self._current = sms, future
            self.answered(self._device.submit(sms))

    def answered(self, answer: Receipt | DriverError | None) -> None:
        """The network's, in time or late."""
        sms = self._current[0] if self._current is not None else self._late
        if answer is None or sms is None:
            return
        if self._current is not None:
            self._end(answer)
        else:
            self._late = None
            self._listener(LateAnswer(sms, answer))
        if isinstance(answer, Receipt):
            self._listener(StatusReport(answer.references[-1], sms.number, Delivery.DELIVERED, 0))

    def _end(self, answer: Receipt | DriverError) -> None:
        current, self._current = self._current, None
        if current is None:
            return
        if isinstance(answer, Receipt):
            current[1].set_result(answer)
        else:
            current[1].set_exception(answer)

    def _decline(self) -> None:
        while self._waiting:
            _, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(Unavailable(self._status.detail or "the driver is closed"))

    def _hand_over(self) -> None:
        event: SmsEvent = IncomingSms(*self._device.inbox[0], stored=True)
        if self._listener(event).result():
            del self._device.inbox[0]
        else:
            threading.Timer(0.05, self._todo.put, (lambda: None,)).start()

    def _become(self, state: DeviceState) -> None:
        if state is not self._status.state:
            self._status = ModemStatus(state, "" if state is DeviceState.READY else "it is not there")
            self._listener(StateChanged())
