"""What a connection does with requests that come at once, with a client that stops sending, reading or being there."""

import asyncio
import contextlib
import gc
import random
import socket
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from daemon.api.connection import PARSED_AT_ONCE
from daemon.api.json_response import answer
from daemon.api.server import Listener

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /9 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(app: ASGIApp) -> AsyncIterator[Streams]:
    """A client of a listener that serves the application."""
    listening = socket.create_server(("127.0.0.1", 0))
    listener = Listener(app, listening)
    serving = asyncio.create_task(listener.serve())
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        listener.stop()
        await serving


def run(story: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(story, 20)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


class Paths:
    """An application that answers with the path, once it may."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        await self.go_on.wait()
        while scope["method"] == "POST" and (await receive()).get("more_body"):
            continue
        await answer({"path": scope["path"]})(scope, receive, send)


def answers(octets: bytes) -> list[bytes]:
    """What was answered, in order: the path, or the line of a status that is not 200."""
    found = []
    for one in octets.split(b"HTTP/1.1 ")[1:]:
        line, _, rest = one.partition(b"\r\n")
        found.append(rest.partition(b'{"path":"')[2].rstrip(b'"}') if line == b"200 OK" else line)
    return found


BAD = {
    "no HTTP": (b"nonsense\r\n\r\n", b"400 Bad Request"),
    "a long head": (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000, b"431 Request Header Fields Too Large"),
    "a bad chunk": (CHUNKED + b"zz\r\n", b"400 Bad Request"),
}


@pytest.mark.parametrize("before", [POST, POST + GET % 1], ids=["behind one", "behind two"])
@pytest.mark.parametrize(("bad", "line"), BAD.values(), ids=BAD)
def test_a_bad_request_is_refused_behind_the_answers_to_those_before_it(before: bytes, bad: bytes, line: bytes) -> None:
    """There used to be one answer, the refusal: to the client it was that of the first request, which was stored."""

    async def story() -> None:
        app = Paths()
        async with connected(app) as (reader, writer):
            writer.write(before + bad)
            await app.begun.wait()
            app.go_on.set()
            assert answers(await reader.read()) == [*[b"/0", b"/1"][: before.count(b"HTTP/1.1")], line]

    run(story())


HALVES = {
    "one": (POST, [b"/0"]),
    "three": (POST + GET % 1 + GET % 2, [b"/0", b"/1", b"/2"]),
    "one, and a part": (POST + b"GET /", [b"/0", b"400 Bad Request"]),
    "half a body": (POST[:-1], [b"400 Bad Request"]),
    "half a line": (b"GET /", [b"400 Bad Request"]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("sent", "expected"), HALVES.values(), ids=HALVES)
def test_who_stops_sending_is_answered(sent: bytes, expected: list[bytes]) -> None:
    """There used to be no answer (to `nc -N`, say), while the request was carried out."""

    async def story() -> None:
        app = Paths()
        async with connected(app) as (reader, writer):
            writer.write(sent)
            writer.write_eof()
            asyncio.get_running_loop().call_later(0.05, app.go_on.set)
            assert answers(await reader.read()) == expected

    run(story())


def test_requests_that_come_at_once_are_parsed_a_few_at_a_time_and_answered_in_order() -> None:
    """There used to be some kB of memory for each of 18 octets, without end, and a pause for all others."""

    async def story() -> None:
        app, count = Paths(), 3000
        async with connected(app) as (reader, writer):
            writer.write(b"".join(GET % number for number in range(count)))
            await app.begun.wait()
            parsed = sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())
            assert parsed < 2 * PARSED_AT_ONCE / len(GET)
            app.go_on.set()
            for number in range(count):
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
                assert body == b'{"path":"/%d"}' % number

    run(story())


@pytest.mark.parametrize("before", [b"", GET % 9])
def test_a_body_that_is_longer_than_what_is_parsed_at_once_arrives_whole(before: bytes) -> None:
    async def story() -> None:
        seen = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            more = scope["method"] == "POST"
            while more:
                message = await receive()
                seen.append(message["body"])
                more = message["more_body"]
            await answer({"path": scope["path"]})(scope, receive, send)

        body = bytes(range(256)) * 300
        async with connected(app) as (reader, writer):
            writer.write(before + POST.replace(b"3\r\n\r\nabc", b"%d\r\n\r\n" % len(body)) + body + GET % 1)
            writer.write_eof()
            assert answers(await reader.read()) == [b"/9", b"/0", b"/1"][not before :]
        assert b"".join(seen) == body

    run(story())


KINDS = (b"GET", b"POST", b"chunked")
PIECES = (9, 100, 1000, 5000)  # octets


def any_request(rng: random.Random, number: int) -> bytes:
    kind, body = rng.choice(KINDS), bytes(rng.choice((0, 3, 3000)))
    if kind == b"GET":
        return GET % number
    if kind == b"POST":
        return POST.replace(b"/0", b"/%d" % number).replace(b"3\r\n\r\nabc", b"%d\r\n\r\n" % len(body)) + body
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return CHUNKED.replace(b"/9", b"/%d" % number) + chunk + b"0\r\n\r\n"


def test_requests_in_any_pieces_are_all_answered_in_order() -> None:
    rng = random.Random(1)

    async def story() -> None:
        app = Paths()
        app.go_on.set()
        for _ in range(15):
            count = rng.randint(1, 12)
            octets = b"".join(any_request(rng, number) for number in range(count))
            async with connected(app) as (reader, writer):
                while octets:
                    size = rng.choice(PIECES)
                    writer.write(octets[:size])
                    octets = octets[size:]
                    await asyncio.sleep(0)
                writer.write_eof()
                assert answers(await reader.read()) == [b"/%d" % number for number in range(count)]

    run(story())


def test_a_request_for_another_protocol_is_answered_as_any_and_so_is_the_next() -> None:
    """Its body used to be lost, and the next one in the same packet. Java's client asks for HTTP/2 in this way."""

    async def story() -> None:
        bodies = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            bodies.append((await receive())["body"])
            await answer({"path": scope["path"]})(scope, receive, send)

        async with connected(app) as (reader, writer):
            for wish in (
                b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
                b"Connection: upgrade\r\nUpgrade: websocket",
            ):
                writer.write((POST + GET % 1 + CHUNKED).replace(b"Host: x", wish) + b"2\r\nde\r\n0\r\n\r\n" + GET % 2)
            writer.write_eof()
            assert answers(await reader.read()) == [b"/0", b"/1", b"/9", b"/2"] * 2
        assert bodies == [b"abc", b"", b"de", b""] * 2

    run(story())


@pytest.mark.parametrize("length", [3, 5000])
def test_a_request_that_waits_for_the_answer_to_another_does_not_come_late(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There used to be 408 for one that was there, and that nobody had read while the one before it was answered."""
    monkeypatch.setattr("daemon.api.connection.MESSAGE_S", 0.1)

    async def story() -> None:
        app = Paths()
        async with connected(app) as (reader, writer):
            writer.write(GET % 9 + POST.replace(b"3\r\n\r\nabc", b"%d\r\n\r\n" % length) + bytes(length) + b"GET /")
            asyncio.get_running_loop().call_later(0.3, app.go_on.set)
            assert answers(await reader.read()) == [b"/9", b"/0", b"408 Request Timeout"]

    run(story())


def test_trailers_are_no_headers() -> None:
    async def story() -> None:
        seen = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive()).get("more_body"):
                continue
            seen.append(dict(scope["headers"]))
            await answer({})(scope, receive, send)

        async with connected(app) as (reader, writer):
            writer.write(CHUNKED + b"1\r\na\r\n0\r\nAuthorization: Basic eDp4\r\n\r\n")
            await reader.readline()
        assert seen == [{b"host": b"x", b"transfer-encoding": b"chunked"}]

    run(story())


def test_a_client_that_leaves_is_noticed_also_where_it_has_asked_for_more() -> None:
    """There used to be a stream that nobody read, until the daemon stopped."""

    async def story() -> None:
        begun, gone = asyncio.Event(), asyncio.Event()

        async def app(_: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            begun.set()
            while (await receive())["type"] != "http.disconnect":
                continue
            gone.set()

        async with connected(app) as (_, writer):
            writer.write(GET % 0 + GET % 1)
            await begun.wait()
            writer.close()
            await gone.wait()

    run(story())


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """There used to be no limit: connections that were never idle could shut all others out, without credentials."""
    monkeypatch.setattr("daemon.api.connection_flow.UNREAD_S", 0.1)

    async def story() -> None:
        gone = asyncio.Event()

        async def app(_: Scope, __: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            for _part in range(1000):
                await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            gone.set()

        async with connected(app) as (_, writer):
            writer.write(GET % 0)
            await gone.wait()

    run(story())
