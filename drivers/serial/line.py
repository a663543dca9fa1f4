"""A serial port with an AT session on it: what is written, and the one place where the driver waits for a modem.

One thread owns a line. It waits for the port, for a wake-up from other threads and for its deadline in one select, so
nothing is polled.
"""

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable
from typing import assert_never

import serial

from drivers.serial import at, procedure
from drivers.serial.procedure import Came, LineOrder
from drivers.serial.session_ends import Interrupted, Lost
from drivers.wake import Wake

CLOSED = "the port closed: was the modem unplugged?"
WRITE_S = 5.0  # a modem that does not drain its port for so long is gone


class Line:
    """An open port. `notify` gets each notice in its turn, on the owner thread; what it raises ends the wait.

    `until` bounds every wait: the monotonic time by which the driver must have let go, or infinity.
    """

    def __init__(
        self, port: serial.Serial, wake: Wake, notify: Callable[[at.Notice], None], until: Callable[[], float]
    ) -> None:
        self._port = port
        self._wake = wake
        self._notify = notify
        self._until = until
        self._parser = at.Parser()
        self._events: deque[at.Event] = deque()
        self._received_at = float("-inf")  # when the last octets came, monotonic
        self._poll = select.epoll()
        try:
            self._poll.register(port, select.EPOLLIN)
        except (OSError, ValueError, serial.SerialException):
            raise Lost(CLOSED) from None
        self._poll.register(wake, select.EPOLLIN)

    def close(self) -> None:
        self._poll.close()

    def watch(self, names: frozenset[str]) -> None:
        """Late answers of these names come as an `at.Aside`."""
        self._parser.watched = names

    def carry_out(self, order: LineOrder) -> Came:
        """Raises Lost, Interrupted."""
        event: at.Event | None = None
        match order:
            case procedure.Listen():
                event = self._next(order.until)
            case procedure.Idle():
                self.idle(order.until)
            case procedure.Begin():  # what an older command left behind is no part of its answer
                self._flush()
                self._write(
                    self._parser.command(order.command, order.answer, free_text=order.free_text, prompt=order.prompt)
                )
            case procedure.Beside():
                self._write(self._parser.beside(order.query, order.answer))
            case procedure.Body():
                self._write(self._parser.body(order.hex))
            case procedure.Send():
                self._write(bytes([at.CTRL_Z]))
            case procedure.Escape():  # CR ends the line: a modem at no prompt would take ESC for a command
                self._parser.forget()
                self._write(bytes([at.ESC, at.CR]))
            case procedure.Expect():
                self._parser.expect(order.answer, prompt=order.prompt)
            case procedure.Drop():
                self._parser.forget()
            case procedure.TrustEcho():
                self._parser.quiet = not self._parser.echoes
            case procedure.Unexpected():
                self._notify(order.notice)
            case procedure.Time():
                pass
            case _:
                assert_never(order)
        return Came(time.monotonic(), event, self._received_at)

    def _next(self, deadline: float) -> at.Event | None:
        """The next event but notices, which are handed on; None when the deadline (monotonic) has passed."""
        while isinstance(event := self.event(deadline), at.Notice):
            self._notify(event)
        return event

    def event(self, deadline: float) -> at.Event | None:
        """The next event of any kind; None when the deadline (monotonic) has passed."""
        while not self._events:
            left_s = self._left_s(deadline)
            if not left_s:
                return None
            self._wait(left_s)
        return self._events.popleft()

    def idle(self, deadline: float) -> None:
        """Listen until something has come, another thread wakes us, or the deadline has passed. Raises Interrupted."""
        self._flush(self._left_s(deadline))

    def _left_s(self, deadline: float) -> float:
        """How long one may wait; 0 when the deadline has passed. Raises Interrupted."""
        now = time.monotonic()
        if now >= self._until():
            raise Interrupted("the driver is closing")
        return max(min(deadline, self._until()) - now, 0)

    def _flush(self, timeout_s: float = 0) -> None:
        """Hand on the notices there are; nobody waits for the rest any more."""
        self._wait(0 if self._events else timeout_s)
        events, self._events = self._events, deque()
        for event in events:
            if isinstance(event, at.Notice):
                self._notify(event)

    def _wait(self, timeout_s: float) -> None:
        for number, _ in self._poll.poll(timeout_s):
            if number == self._wake.fileno():
                self._wake.clear()
            else:
                self._read()

    def _read(self) -> None:
        """What has come. Not by pyserial, which asks the kernel again whether there is anything."""
        try:
            data = os.read(self._port.fileno(), 4096)
        except BlockingIOError:
            return
        except (OSError, serial.SerialException):
            raise Lost(CLOSED) from None
        if not data:  # hung up
            raise Lost(CLOSED)
        self._received_at = time.monotonic()
        self._events += self._parser.feed(data)

    def _write(self, data: bytes) -> None:
        """All of it; by pyserial, which waits for room after each write, only what does not fit at once."""
        try:
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._port.fileno(), data) :]
            if data:
                self._port.write(data)
        except serial.SerialTimeoutException:
            raise Lost("the modem takes no data: check the cable and flow_control") from None
        except (OSError, serial.SerialException):
            raise Lost(CLOSED) from None
