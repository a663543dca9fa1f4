"""Requests and their responses on one UDP socket: what must be sent again is sent again (RFC 3261 17)."""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable

from drivers.simulated.phone.message import (
    REASONS,
    Address,
    Message,
    TransactionKey,
    compose,
    tag_of,
    transaction_of,
    via_back,
)
from drivers.simulated.timers import Timers

T1_S, T2_S = 0.5, 4.0  # RFC 3261 table 4
GIVE_UP_S = 64 * T1_S
ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER")


class Exchange:
    """The server transactions of a phone, and the repetition of what it sends by itself."""

    def __init__(self, sock: socket.socket, timers: Timers) -> None:
        self.timers = timers
        self._sock = sock
        self._answers: dict[TransactionKey, tuple[bytes, Address]] = {}

    @property
    def host(self) -> str:
        return str(self._sock.getsockname()[0])

    @property
    def address(self) -> str:
        """host:port of the SIP socket."""
        host, port = self._sock.getsockname()
        return f"{host}:{port}"

    def send(self, data: bytes, to: Address) -> None:
        with contextlib.suppress(OSError, OverflowError):  # a port or host that nobody can have: lost on the way
            self._sock.sendto(data, to)

    def answer_again(self, request: Message) -> bool:
        """Send the answer of a request that has come before; whether it has."""
        answered = self._answers.get(transaction_of(request, request.method))
        if answered is not None:
            self.send(*answered)
        return answered is not None

    def reply(
        self, request: Message, source: Address, status: int, *more: tuple[str, str], tag: str = "", body: bytes = b""
    ) -> tuple[bytes, Address]:
        """Answer, and remember the answer for when the request comes again."""
        vias, to = via_back(request, source)
        own_tag = "" if tag_of(request.first("to")) or status == 100 else f";tag={tag or secrets.token_hex(8)}"
        headers = [("Via", via) for via in vias]
        headers += [("From", request.first("from")), ("To", request.first("to") + own_tag)]
        headers += [("Call-ID", request.first("call-id")), ("CSeq", request.first("cseq")), *more]
        headers += [("Content-Type", "application/sdp")] if body else []
        data = compose(f"SIP/2.0 {status} {REASONS[status]}", headers, body)
        key = transaction_of(request, request.method)
        self._answers[key] = data, to
        if status >= 200:
            self.timers.after(GIVE_UP_S, lambda: self._answers.pop(key, None) and None)
        self.send(data, to)
        return data, to

    def repeat(self, data: bytes, to: Address, done: Callable[[], bool], give_up: Callable[[], None]) -> None:
        """Send until it is done: at once, after T1, then twice as late each time up to T2 (RFC 3261 17.1.2.2)."""
        started = time.monotonic()

        def again(interval_s: float) -> None:
            if done():
                return
            if time.monotonic() - started >= GIVE_UP_S:
                give_up()
                return
            self.send(data, to)
            self.timers.after(interval_s, lambda: again(min(2 * interval_s, T2_S)))

        again(T1_S)
