"""One HTTP connection: uvicorn's protocol, with limits on what a client may cost.

A connection has MESSAGE_S seconds to bring a whole request, with at most MAX_HEAD octets beside its body: the head, the
marks between chunks, trailers. One that idles is closed. On the Unix socket the peer as the kernel names it goes along
with every request.
"""

import asyncio
import json
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Any

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from daemon.api.access import PEER, Peer, origin_of, peer_of
from daemon.api.connection_limits import ConnectionLimits, Guest
from daemon.api.json_response import AT_ONCE
from daemon.api.under_way import END

MAX_HEAD = 32 * 1024
MESSAGE_S = 15.0  # from the first octet of a request to its last
IDLE_S = 75
LAST_REQUEST_S = 0.5  # how long, when we stop, one may live on whose request is not whole yet
FLUSH_S = 1.0  # how long, when we stop, a client may take to read an answer that is whole
LINE_OCTETS = 4  # of a header line beside its name and value


class Protocol(HttpToolsProtocol):
    """A connection of a listener. guest: it, if it has been let in already, before its TLS handshake."""

    def __init__(self, limits: ConnectionLimits, guest: Guest | None = None, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._limits = limits
        self._guest = guest
        self._deadline: asyncio.TimerHandle | None = None
        self._peer: Peer | None = None
        self._extensions: dict[str, object] = {}
        self._received = 0  # octets of the request beside its body
        self._head = 0  # octets of the head and of trailers, by their parts
        self._refused = False
        self._leaving = False  # we stop: one request more, and its answer

    @property
    def idle(self) -> bool:
        """Nothing is being answered; a request whose body is not whole yet need not be."""
        return not self._answering or self.cycle.more_body

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = peer_of(transport.get_extra_info("socket"))
        self._extensions = {PEER: self._peer, AT_ONCE: _sent_at_once, END: _ended}
        self._expect_message()
        if self._peer is None and self.client is None:  # it has left already
            transport.abort()
            return
        if self._guest is not None:
            self._guest.idle, self._guest.close = lambda: self.idle, transport.abort
            return
        origin = origin_of(self._peer, self.client[0] if self.client else "")
        self._guest = Guest(origin, lambda: self.idle, transport.close)
        if not self._limits.enter(self._guest):
            self._refuse(503, "There are too many connections; close some, or try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._guest is not None:
            self._limits.leave(self._guest)
            self._guest = None  # it knows us: what knows itself stays until the garbage collector comes
        self._refused = True
        self._message_is_whole()
        super().connection_lost(exc)
        # uvicorn leaves its timer running where a connection ends by an error, and all that belongs to it stays.
        self._unset_keepalive_if_required()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refused:
            self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._received += len(data)
        super().data_received(data)
        if self._received > MAX_HEAD:
            self._refuse(431, TOO_LONG)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self.server_state.default_headers = _date(int(time()))
        if self._deadline is None:
            self._expect_message()

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value) + LINE_OCTETS
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._head > MAX_HEAD:
            self._refuse(431, TOO_LONG)
        if not self._refused:
            super().on_headers_complete()
            self.cycle.keep_alive &= not self._leaving
            self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]

    def on_body(self, body: bytes) -> None:
        self._received = max(self._received - len(body), 0)
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._received = 0
        self._message_is_whole()
        if not self._refused:
            super().on_message_complete()

    def shutdown(self) -> None:
        """We stop. Who was accepted a moment ago may have its first request under way, and is answered, too."""
        self._leaving = True
        self.loop.call_later(LAST_REQUEST_S, self._leave)
        self.loop.call_later(FLUSH_S, self._cut_off)
        if self.cycle is not None:
            super().shutdown()

    def _leave(self) -> None:
        """A request that is still not whole is waited for no longer."""
        if self.cycle is None:
            self.transport.close()
        elif self._answering and self.cycle.more_body:
            self._refuse(503, "The daemon stops.")

    def _cut_off(self) -> None:
        """Whoever does not read an answer that is whole holds nobody up."""
        if not self._answering:
            self.transport.abort()

    def _expect_message(self) -> None:
        self._deadline = self.loop.call_later(MESSAGE_S, self._refuse, 408, "The request did not come in time.")

    def _message_is_whole(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, detail: str) -> None:
        """End the connection, with a problem (RFC 9457) unless an answer is under way."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if not self._answering or not self.cycle.response_started:
            self.transport.write(_problem(HTTPStatus(status), detail))
        self.transport.close()


def _sent_at_once(send: Send, headers: bytes, body: bytes) -> bool:
    """Send a whole answer of status 200 in one write; False where uvicorn has to send it, in two.

    One write is half the system calls, for the client, too. send: as the application got it; headers: lines with the
    length among them. It finds its request by `send`: a scope that led to its own request would be garbage that
    only the collector finds, eight objects a request.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle):  # a middleware has wrapped it
        return False
    if cycle.scope["method"] == "HEAD" or cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    cycle.response_started = cycle.response_complete = True
    date = b"".join(b"%s: %s\r\n" % header for header in cycle.default_headers)
    close = b"" if cycle.keep_alive else b"connection: close\r\n"
    cycle.transport.write(b"HTTP/1.1 200 OK\r\n%s%s%s\r\n%s" % (date, headers, close, body))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def _ended(send: Send) -> bool:
    """End an answer in its midst: what was sent of a stream is all of it. False where none has begun.

    send: as for `_sent_at_once`.
    """
    cycle = getattr(send, "__self__", None)
    assert isinstance(cycle, RequestResponseCycle)
    if cycle.response_started and not cycle.response_complete:
        cycle.response_complete = True
        if cycle.chunked_encoding and not cycle.flow.write_paused:
            cycle.transport.write(b"0\r\n\r\n")
            cycle.transport.close()
        else:  # the client knows the length, or does not read
            cycle.transport.abort()
    return cycle.response_started


@lru_cache(maxsize=1)
def _date(second: int) -> list[tuple[bytes, bytes]]:
    """The Date header of all answers of a second (since the epoch)."""
    return [(b"date", formatdate(second, usegmt=True).encode())]


TOO_LONG = f"A request has at most {MAX_HEAD} octets beside its body."


def _problem(status: HTTPStatus, detail: str) -> bytes:
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
