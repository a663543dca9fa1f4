"""Wakes a thread that waits in a selector, from any other thread."""

import contextlib
import socket


class Wake:
    """Belongs to the thread that waits; only calling it is for the others."""

    def __init__(self) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)

    def __call__(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake anyway; closed: nobody is there
            self._out.send(b"!")

    def fileno(self) -> int:
        """Readable until `clear`."""
        return self._in.fileno()

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._in.recv(4096)

    def close(self) -> None:
        self._in.close()
        self._out.close()
