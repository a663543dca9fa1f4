"""A device on a pseudo-terminal, with a thread and timers of its own: what a simulated modem is built upon."""

import contextlib
import os
import queue
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self

from drivers.simulated.timers import Timers


class Terminal:
    """What stands under "from outside" may be called from any thread; all else is for the device's own thread.

    link: a name for the port that outlives an unplugging. timers: of the device; behind: of the network behind it,
    which goes on without it. mute: it says nothing. Who builds upon it says what a start is, and takes what comes.
    """

    def __init__(self, link: Path | None) -> None:
        self.port = ""
        self._link = link
        self._todo: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self.timers, self.behind = Timers(), Timers()
        self.mute = self._stopping = False
        self._master = self._slave = -1
        self._gathered: bytearray | None = None

    def _start(self) -> None:
        """It has power."""
        raise NotImplementedError

    def _take(self, data: bytes) -> None:
        raise NotImplementedError

    # --- from outside ---

    def open(self) -> None:
        self._wake_in, self._wake_out = os.pipe()
        self._plug()
        self._thread = threading.Thread(target=self._run, name="simulated-modem", daemon=True)
        self._thread.start()

    def close(self) -> None:
        def stop() -> None:
            self._stopping = True

        self.do(stop)
        self._thread.join()
        self._unplug()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def unplug(self) -> None:
        """Out of its socket: the port is gone, and with it whatever was under way."""
        self.do(self._unplug)

    def replug(self) -> None:
        """Back, under the same link."""
        self.do(self._plug)

    def gather(self, on: bool) -> None:
        """Keep what it says, and let it out in one piece when this is over."""

        def change() -> None:
            gathered, self._gathered = self._gathered, bytearray() if on else None
            self._put(bytes(gathered or b""))

        self.do(change)

    @property
    def gathered(self) -> bytes:
        return bytes(self._gathered or b"")

    def noise(self, octets: bytes) -> None:
        """Octets on the wire, also of a modem that hangs."""
        self.do(lambda: self._put(octets))

    # --- the thread ---

    def do(self, action: Callable[[], None]) -> None:
        """Do it on the device's thread, and return when it is done; from any other thread."""
        done = threading.Event()
        self._todo.put((action, done))
        os.write(self._wake_out, b"!")
        done.wait(10)

    def _run(self) -> None:
        while not self._stopping:
            due = [due_s for due_s in (self.timers.due_s(), self.behind.due_s()) if due_s is not None]
            ports = [self._wake_in] + ([self._master] if self._master >= 0 else [])
            readable, _, _ = select.select(ports, [], [], min(due, default=None))
            if self._wake_in in readable:
                os.read(self._wake_in, 4096)
                self._obey()
            if self._master in readable and self._master >= 0:
                self._read()
            self.timers.fire()
            self.behind.fire()

    def _obey(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                action, done = self._todo.get_nowait()
                action()
                done.set()

    def _plug(self) -> None:
        self._start()
        self._master, self._slave = os.openpty()  # the slave stays open, or a closing driver would end the port
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.port)
            self.port = str(self._link)

    def _unplug(self) -> None:
        if self._master < 0:
            return
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self.timers.clear()

    @property
    def answers(self) -> bool:
        """It is plugged in, and not mute."""
        return self._master >= 0 and not self.mute

    def write(self, octets: bytes) -> None:
        if not self.mute:
            self._put(octets)

    def _put(self, octets: bytes) -> None:
        if self._gathered is not None:
            self._gathered += octets
        elif self._master >= 0:
            with contextlib.suppress(OSError):  # nobody reads: a full buffer loses octets, as a UART does
                os.write(self._master, octets)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:  # EIO, as long as nobody has the port open
            data = b""
        self._take(data)
