"""A serial port with an AT session on it: write a command, wait for its end, hand notices on meanwhile.

One thread owns a line. It waits for the port, for a wake-up from other threads and for its deadline in one select, so
nothing is polled.
"""

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable

import serial

from drivers.serial import at
from drivers.serial.ends import Interrupted, Lost, Silent
from drivers.wake import Wake

CLOSED = "the port closed: was the modem unplugged?"
LISTING_S = 120.0  # for a full storage at 9600 baud
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
        self.received_at = float("-inf")  # when the last octets came, monotonic
        self._poll = select.epoll()
        try:
            self._poll.register(port, select.EPOLLIN)
        except (OSError, ValueError, serial.SerialException):
            raise Lost(CLOSED) from None
        self._poll.register(wake, select.EPOLLIN)

    def close(self) -> None:
        self._poll.close()

    def ask(self, command: str, answer: str = "", *, free_text: bool = False, timeout_s: float) -> at.Reply:
        """A command from its first octet to its final result. Raises Silent, Lost, Interrupted."""
        self.begin(command, answer, free_text=free_text)
        return self.end(timeout_s, at_most_s=timeout_s if free_text else LISTING_S)

    def begin(self, command: str, answer: str = "", *, free_text: bool = False, prompt: bool = False) -> None:
        """Write a command. What an older one left behind is no part of its answer."""
        self._flush()
        self._write(self._parser.command(command, answer, free_text=free_text, prompt=prompt))

    def end(self, timeout_s: float, at_most_s: float) -> at.Reply:
        """The rest of the command under way; each line of its answer gives it time again, up to at_most_s."""
        answers: list[str] = []
        deadline, latest = time.monotonic() + timeout_s, time.monotonic() + max(timeout_s, at_most_s)
        while True:
            event = self.next(deadline)
            if isinstance(event, at.Final):
                return at.Reply(event, answers)
            if isinstance(event, at.Answer):
                answers.append(event.text)
                deadline = min(time.monotonic() + timeout_s, latest)
            if event is None:
                self._parser.forget()
                if answers:  # a Wavecom's "+CPIN: READY" has no OK behind it
                    return at.Reply(at.Final("NONE"), answers)
                raise Silent("no final result")

    def watch(self, names: frozenset[str]) -> None:
        """Late answers of these names come from `next` as an `at.Aside`."""
        self._parser.watched = names

    def trust_echo(self) -> None:
        """From now on an echo is a notice, if the last command had none: only a restart brings it back."""
        self._parser.quiet = not self._parser.echoes

    def give_up(self) -> None:
        """The command under way has had its time: what still comes of it is a notice."""
        self._parser.forget()

    def beside(self, query: str, answer: str) -> None:
        """Ask while the network has the message under way; the answer is an `at.Aside`."""
        self._write(self._parser.beside(query, answer))

    def body(self, pdu: str) -> None:
        """The message for a prompt; nothing is sent before `send`."""
        self._write(self._parser.body(pdu))

    def send(self) -> None:
        """Ctrl-Z: from here on the modem may send the message."""
        self._write(bytes([at.CTRL_Z]))

    def escape(self) -> None:
        """Leave the prompt, if the modem is at one. CR ends the line: a modem at none would take ESC for a command."""
        self._parser.forget()
        self._write(bytes([at.ESC, at.CR]))

    def expect(self, answer: str, *, prompt: bool = False) -> None:
        """The command under way is not over: what has ended was an older one."""
        self._parser.expect(answer, prompt=prompt)

    def unexpected(self, notice: at.Notice) -> None:
        """What looked like a result of the command under way is said by the modem by itself."""
        self._notify(notice)

    def next(self, deadline: float) -> at.Event | None:
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
        self.received_at = time.monotonic()
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
