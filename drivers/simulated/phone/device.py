"""The phone as a device: its socket, its thread, and what it does with each kind of message."""

import contextlib
import ipaddress
import logging
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.simulated.phone.audio import MAX_DATAGRAM, udp_socket
from drivers.simulated.phone.calls import Calls, Manner
from drivers.simulated.phone.events import PhoneEvent
from drivers.simulated.phone.exchange import ALLOW, Exchange
from drivers.simulated.phone.message import Address, Message, read_message
from drivers.simulated.phone.recording import CallRecord
from drivers.simulated.phone.registrar import Registrar
from drivers.simulated.timers import Timers
from drivers.wake import Wake

log = logging.getLogger("pinwheel.simulated.phone")


class SimulatedPhone:
    """All the phones of a country behind one trunk. `codec`: take only "pcmu" or "pcma"; `password`: ask for it.

    One thread owns everything: the SIP socket, one RTP socket a call, and the timers. `listener` is called on it.
    """

    def __init__(
        self,
        bind: str = "127.0.0.2:0",
        *,
        recordings: Path | None = None,
        listener: Callable[[PhoneEvent], None] = lambda _: None,
        ring_s: float = 1.0,
        password: str = "",
        codec: str = "",
    ) -> None:
        self.calls: list[CallRecord] = []
        self._bind, self._password = bind, password
        self._manner = Manner(recordings, ring_s, codec)
        self._listener = listener
        self._closing = False
        self._thread: threading.Thread | None = None

    # --- for others ---

    @property
    def address(self) -> str:
        """host:port of the SIP socket; known once it is open."""
        return self._address

    def open(self) -> None:
        """Bind and start. Raises OSError for a taken port, ValueError for an address that is not loopback."""
        host, _, port = self._bind.rpartition(":")
        if not ipaddress.IPv4Address(host).is_loopback:
            raise ValueError("cannot bind a simulated phone beyond 127.0.0.0/8")
        if self._manner.recordings is not None:
            self._manner.recordings.mkdir(mode=0o700, parents=True, exist_ok=True)
        sock = udp_socket(host, int(port))
        self._wake = Wake()
        exchange = Exchange(sock, Timers())
        self._address = exchange.address
        self._closing = False
        self._thread = threading.Thread(target=self._run, args=(sock, exchange), name="simulated-phone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every call (their recordings are written), and release the ports."""
        if self._thread is None:
            return
        self._closing = True
        self._wake()
        self._thread.join(10)
        self._thread = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the thread ---

    def _run(self, sock: socket.socket, exchange: Exchange) -> None:
        registrar = Registrar(exchange, self._password, self._listener)
        with selectors.DefaultSelector() as selector, sock, contextlib.closing(self._wake):
            calls = Calls(exchange, registrar, selector, self._manner, self._listener, self.calls)
            selector.register(self._wake, selectors.EVENT_READ, lambda: None)
            selector.register(sock, selectors.EVENT_READ, lambda: _read(sock, exchange, registrar, calls))
            while not self._closing:
                exchange.timers.fire()
                for key, _ in selector.select(exchange.timers.due_s()):
                    key.data()
            calls.end_all()


def _read(sock: socket.socket, exchange: Exchange, registrar: Registrar, calls: Calls) -> None:
    """Take every message that has come."""
    with contextlib.suppress(OSError):
        while True:
            data, source = sock.recvfrom(MAX_DATAGRAM)
            message = read_message(data)
            if message is None:
                log.debug("phone=ignored octets=%s", len(data))
            elif not message.method:
                calls.response(message)
            elif message.method == "ACK":
                calls.ack(message)
            elif not exchange.answer_again(message):
                _take(message, source, exchange, registrar, calls)


def _take(request: Message, source: Address, exchange: Exchange, registrar: Registrar, calls: Calls) -> None:
    """A request that is new and wants an answer."""
    match request.method:
        case "REGISTER":
            registrar.register(request, source)
        case "INVITE":
            calls.invite(request, source)
        case "CANCEL":
            calls.cancel(request, source)
        case "BYE":
            calls.bye(request, source)
        case "OPTIONS":
            exchange.reply(request, source, 200, ALLOW, ("Accept", "application/sdp"))
        case _:
            exchange.reply(request, source, 405, ALLOW)
