"""One HTTP connection: uvicorn's protocol, with limits on what a client may cost.

A connection has MESSAGE_S seconds to bring a whole request, with at most MAX_HEAD octets beside its body: the head, the
marks between chunks, trailers. What comes behind a request that is being answered waits unparsed, and its time with it.
One that idles is closed, one that does not read is cut off. On the Unix socket the peer as the kernel names it goes
along with every request.
"""

import asyncio
import json
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import ASGIApp, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from daemon.api.access import PEER, origin_of, peer_of
from daemon.api.connection_deadline import Deadline
from daemon.api.connection_flow import Flow
from daemon.api.connection_limits import ConnectionLimits, Guest
from daemon.api.json_response import AT_ONCE
from daemon.api.under_way import END

MAX_HEAD = 32 * 1024
MESSAGE_S = 15.0  # from the first octet of a request to its last
IDLE_S = 75
LAST_REQUEST_S = 0.5  # how long, when we stop, one may live on whose request is not whole yet
FLUSH_S = 1.0  # how long, when we stop, a client may take to read an answer that is whole
LINE_OCTETS = 4  # of a header line beside its name and value
PARSED_AT_ONCE = 1024  # octets: three requests or four, fifty of the shortest kind, which cost 3 kB each


class Protocol(HttpToolsProtocol):
    """A connection of a listener. guest: it, if it has been let in already, before its TLS handshake."""

    flow: Flow

    def __init__(self, limits: ConnectionLimits, guest: Guest | None = None, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._limits = limits
        self._guest = guest
        self._deadline = Deadline(self.loop)
        self._extensions: dict[str, object] = {}
        self._under_way: RequestResponseCycle | None = None  # uvicorn's `cycle` is the one that came last
        self._unparsed: deque[memoryview] = deque()
        self._received = 0  # octets of the request beside its body
        self._head = 0  # octets of header lines, by their parts
        self._begun = False  # a request, of which something is still to come
        self._refusal: bytes | None = None  # of a request that is refused, behind the answers to those before it
        self._once_more = b""  # the head of a request for another protocol, without that
        self._leaving = False  # we stop: one request more, and its answer

    @property
    def idle(self) -> bool:
        """Nothing is being answered; a request that is not whole yet, or whose client does not read, need not be."""
        cycle = self._under_way
        return cycle is None or cycle.response_complete or cycle.more_body or self.flow.write_paused

    @property
    def _refused(self) -> bool:
        return self._refusal is not None

    @property
    def _answering(self) -> bool:
        return self._under_way is not None and not self._under_way.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport, self.loop)
        peer = peer_of(transport.get_extra_info("socket"))
        self._extensions = {PEER: peer, AT_ONCE: _sent_at_once, END: _ended}
        self._deadline.set(MESSAGE_S, self._too_late)
        if peer is None and self.client is None:  # it has left already
            transport.abort()
            return
        if self._guest is not None:
            self._guest.idle, self._guest.close = lambda: self.idle, transport.abort
            return
        origin = origin_of(peer, self.client[0] if self.client else "")
        self._guest = Guest(origin, lambda: self.idle, transport.abort)
        if not self._limits.enter(self._guest):
            self._refuse(503, "There are too many connections; close some, or try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._guest is not None:
            self._limits.leave(self._guest)
            self._guest = None  # it knows us: what knows itself stays until the garbage collector comes
        self._refusal = b""  # nothing that was read is taken any more
        if self._under_way is not None and self._answering:  # uvicorn looks only at the request that came last
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        super().connection_lost(exc)
        self.pipeline.clear()  # what has not begun never will; it knows us, too
        if self.cycle is not None:
            self.cycle.on_response = _nothing
        self.flow.lost()
        self._deadline.end()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. It may still wait for answers (a half-closed connection); whether we stay open."""
        if self._begun:
            self._refuse(400, "The connection ended before the request did.")
        if self._under_way is None or not self._answering:
            return False
        if self._under_way.response_started or self.scheme == "https":  # a stream ends; TLS has no half
            return False
        if not self._refused:
            self.cycle.keep_alive = False
        return True

    def on_response_complete(self) -> None:
        """As uvicorn does it, which sets a timer for each answer, and cancels it for the next request."""
        if self._guest is not None:
            self._limits.used(self._guest)
        if self.transport.is_closing():
            self.flow.close()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())  # type: ignore[arg-type]
        self._wait()
        if self._refused:
            if not self._answering:  # not even the next one
                self._end()
        elif self._unparsed:
            self._parse_on()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if len(data) <= PARSED_AT_ONCE and not self.pipeline and not self._unparsed:  # as nearly always
            self._parse(data)
            return
        octets = memoryview(data)
        self._unparsed.extend(octets[at : at + PARSED_AT_ONCE] for at in range(0, len(data), PARSED_AT_ONCE))
        self._parse_on()

    def _parse_on(self) -> None:
        """Parse what was read, until a request has to wait for the answer to another: parsed, it costs far more."""
        while self._unparsed and not self.pipeline and not self._refused:
            self._parse(self._unparsed.popleft())
        if self._unparsed:
            self.flow.hold()
        elif not self._refused:
            self.flow.release()
            if not self._answering:  # a request that is under way reads on by itself
                self.flow.resume_reading()

    def _parse(self, octets: bytes | memoryview) -> None:
        self._received += len(octets)
        while octets:
            try:
                self.parser.feed_data(octets)
            except HttpParserUpgrade as exc:
                octets = self._once_more + octets[exc.args[0] :]
                self._once_more = b""
                continue
            except HttpParserError:
                self._refuse(400, "Invalid HTTP request received.")
            break
        if self._received > MAX_HEAD:
            self._refuse(431, TOO_LONG)
        else:
            self._wait()

    def _wait(self) -> None:
        """For the rest of a request, if we read it before another is answered; or for the next one."""
        if self.pipeline or (self._answering and not self._begun):
            self._deadline.clear()
        elif self._deadline.runs:
            return
        elif self._begun:
            self._deadline.set(MESSAGE_S, self._too_late)
        else:
            self._deadline.set(IDLE_S, self.flow.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._begun = True
        if self.cycle is not None:  # else the one that began with the connection goes on
            self._deadline.clear()
        self.server_state.default_headers = _date(int(time()))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value) + LINE_OCTETS
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + self._head > MAX_HEAD:
            self._refuse(431, TOO_LONG)
        elif not self._refused and self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._once_more = _without_upgrade(self.parser, self.url, self.headers)
        elif not self._refused:
            super().on_headers_complete()
            self.headers = []  # for the trailers, which are no headers (RFC 9110 6.5.1)
            self.cycle.keep_alive &= not self._leaving
            self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        self._received = max(self._received - len(body), 0)
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._once_more:
            return
        self._received = 0
        self._begun = False
        self._deadline.clear()
        if not self._refused:
            super().on_message_complete()
            self.cycle.more_body = False  # also where it has its answer already

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

    def _too_late(self) -> None:
        self._refuse(408, "The request did not come in time.")

    def _refuse(self, status: int, detail: str) -> None:
        """End the connection, with a problem (RFC 9457) behind the answers to the requests that came before."""
        if self._refused or self.transport.is_closing():
            return
        self._unparsed.clear()
        its_own = self.cycle is not None and self.cycle.more_body  # the request that came last is the one
        has_its_answer = its_own and self.cycle.response_complete
        self._refusal = b"" if has_its_answer else _problem(HTTPStatus(status), detail)
        if its_own and self.pipeline:
            self.pipeline.popleft()
        if self._answering and not (its_own and self.cycle is self._under_way):
            self.flow.hold()
        else:
            self._end()

    def _end(self) -> None:
        self._deadline.clear()
        if self._under_way is None or self._under_way.response_complete or not self._under_way.response_started:
            self.transport.write(self._refusal or b"")
        self.flow.close()


def _nothing() -> None:
    """What follows the answer to a request whose client has gone."""


def _without_upgrade(parser: HttpRequestParser, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """A head without its wish for another protocol: we speak none, and answer the request as it is (RFC 9110 7.8).

    The parser takes what follows such a wish for octets of that protocol, and not for the body.
    """
    lines = [b"%s: %s\r\n" % header for header in headers if header[0] != b"upgrade"]
    version = parser.get_http_version().encode()
    return b"%s %s HTTP/%s\r\n%s\r\n" % (parser.get_method(), url, version, b"".join(lines))


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
