"""Our UDP port for SIP. It outlives a generation of signalling: the trunk and the registrar know us by it."""

import contextlib
import socket
import threading
from collections.abc import Sequence

from drivers.sip.address import Address


class SipPort:
    """One bound socket; each generation has a descriptor of its own of it, so that nobody closes another's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._bound: tuple[socket.AddressFamily, tuple[Address, ...]] | None = None

    def descriptor(self, family: socket.AddressFamily, binds: Sequence[Address]) -> socket.socket:
        """A socket on the first of these addresses that is free. Raises OSError where the last one is not."""
        with self._lock:
            if self._socket is None or self._bound != (family, tuple(binds[-1:])):
                self._close()
                self._socket, self._bound = _bound(family, binds), (family, tuple(binds[-1:]))
            return self._socket.dup()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _bound(family: socket.AddressFamily, binds: Sequence[Address]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for bind in binds[:-1]:
            with contextlib.suppress(OSError):
                sock.bind(bind)
                return sock
        sock.bind(binds[-1])
    except OSError:
        sock.close()
        raise
    return sock
