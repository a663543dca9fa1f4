"""How many connections are allowed, and what a bad one costs: on TLS, on plain TCP and on the Unix socket."""

import asyncio
import contextlib
import gc
import json
import resource
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from daemon.api.connection import MAX_HEAD, Protocol
from daemon.api.connection_limits import ConnectionLimits, Guest
from daemon.api.json_response import answer
from daemon.api.server import MAX_CONNECTIONS, OF_ONE_ADDRESS, OF_ONE_USER, Listener, tcp_socket
from daemon.client.connection import Unreachable
from tests.gateway import Gateway, until
from tests.peers.baresip import free_port
from tests.peers.tls import certificate

# --- the count -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Connection:
    """One end of a connection, as the limits see it."""

    origin: str
    idle: bool = True
    closed: bool = False

    def guest(self) -> Guest:
        def close() -> None:
            self.closed = True

        return Guest(self.origin, lambda: self.idle, close)


def test_who_has_too_many_loses_the_oldest_idle_one_to_the_newest() -> None:
    limits = ConnectionLimits(total=10, per_origin=3)
    own = [Connection("a", idle=idle) for idle in (False, True, True)]
    assert all(limits.enter(connection.guest()) for connection in own)
    assert limits.enter(Connection("a", idle=False).guest())
    assert [connection.closed for connection in own] == [False, True, False]
    assert limits.enter(Connection("a", idle=False).guest())
    assert not limits.enter(Connection("a").guest())
    assert limits.enter(Connection("b").guest())


def test_a_connection_that_is_used_outlives_those_that_are_not() -> None:
    """There used to be an end of those that were opened first: of the busy ones, in the moment between two requests."""
    limits = ConnectionLimits(total=10, per_origin=2)
    first, second = Connection("a"), Connection("a")
    used = first.guest()
    assert limits.enter(used)
    assert limits.enter(second.guest())
    limits.used(used)
    assert limits.enter(Connection("a").guest())
    assert (first.closed, second.closed) == (False, True)
    limits.leave(used)
    limits.used(used)
    assert limits.enter(Connection("a", idle=False).guest())


def test_when_there_are_too_many_of_all_whoever_has_the_most_makes_room() -> None:
    limits = ConnectionLimits(total=6, per_origin=5)
    many = [Connection("a") for _ in range(4)]
    assert all(limits.enter(connection.guest()) for connection in [*many, Connection("b"), Connection("c")])
    assert limits.enter(Connection("d").guest())
    assert [connection.closed for connection in many] == [True, False, False, False]
    for connection in many:
        connection.idle = False
    assert not limits.enter(Connection("e").guest())


def test_who_leaves_makes_room_once() -> None:
    limits = ConnectionLimits(total=2, per_origin=2)
    first, second = (Connection("a", idle=False).guest() for _ in range(2))
    assert limits.enter(first)
    assert limits.enter(second)
    limits.leave(first)
    limits.leave(first)
    assert limits.enter(Connection("b", idle=False).guest())
    assert not limits.enter(Connection("c").guest())


# --- the listener ----------------------------------------------------------------------------------------------


@dataclass
class Tls:
    gateway: Gateway
    port: int
    context: ssl.SSLContext

    def connect(self, source: str = "127.0.0.1", *, handshake: bool = True) -> socket.socket:
        raw = socket.create_connection(("127.0.0.1", self.port), 10, (source, 0))
        return self.context.wrap_socket(raw, server_hostname="127.0.0.1") if handshake else raw

    def healthy(self, source: str) -> bool:
        with self.connect(source) as connection:
            return ask(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 ")


def account(directory: Path) -> str:
    """The section of an account with a secret."""
    (directory / "secret").write_text("secret")
    (directory / "secret").chmod(0o600)
    return f'[[account]]\nkey = "acme"\nsecret_file = "{directory}/secret"\n'


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    directory = tmp_path_factory.mktemp("limits")
    cert, key = certificate(directory)
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    api = f'[api]\ntcp = "127.0.0.1:{port}"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
    with Gateway(directory, api + account(directory)) as gateway:
        yield Tls(gateway, port, ssl.create_default_context(cafile=cert))


def ask(connection: socket.socket, octets: bytes, *, to_its_end: bool = False) -> bytes:
    """The first answer; to_its_end: all until the other end closes."""
    connection.settimeout(30)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(octets)
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
            _, _, body = answer.partition(b"\r\n\r\n")
            if body.endswith(b"}") and not to_its_end:
                break
    return answer


def resident_kb(gateway: Gateway) -> int:
    assert gateway.process is not None
    return int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]) * 4


@pytest.mark.parametrize("handshake", [True, False])
def test_idle_connections_shut_nobody_out_not_even_their_own_address(tls: Tls, *, handshake: bool) -> None:
    """There used to be one limit for all: 1,060 idle TLS connections shut others out. Those in their handshake did not
    count at all."""
    idle = [tls.connect(handshake=handshake) for _ in range(OF_ONE_ADDRESS + 40)]
    assert tls.healthy("127.0.0.2")
    assert tls.healthy("127.0.0.1")
    for connection in idle:
        connection.setblocking(False)
    until(lambda: closed(idle) >= 40, "the oldest are closed", 10)
    assert closed(idle) <= 60
    for connection in idle:
        connection.close()


def closed(connections: list[socket.socket]) -> int:
    count = 0
    for connection in connections:
        try:
            count += connection.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            continue
        except OSError:
            count += 1
    return count


def test_a_crowd_of_addresses_shuts_nobody_out(tls: Tls) -> None:
    crowd = [tls.connect(f"127.0.3.{i % 50 + 1}", handshake=False) for i in range(MAX_CONNECTIONS + 36)]
    assert tls.healthy("127.0.0.2")
    for connection in crowd:
        connection.close()


def test_half_requests_shut_nobody_out(tls: Tls) -> None:
    """While bodies were awaited, which needs no credentials, nobody else used to be served."""
    half = [socket.socket(socket.AF_UNIX) for _ in range(OF_ONE_USER + 10)]
    for connection in half:
        connection.connect(str(tls.gateway.socket))
        connection.sendall(BODY[:-1])

    def answer() -> dict[str, Any] | None:
        with contextlib.suppress(Unreachable):  # while more wait for their accept than the kernel queues
            return tls.gateway.health()
        return None

    health = until(answer, "an answer")
    assert health["code"] in (200, 503)
    assert "reasons" in health
    for connection in half:
        connection.close()


def test_clients_that_leave_in_mid_answer_leave_nothing_behind(tls: Tls) -> None:
    """There used to be a timer of 75 s that held 40 kB of each, without any limit and without credentials."""

    def leave(count: int) -> None:
        for _ in range(count):
            connection = tls.connect()
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.close()

    leave(50)  # what grows once
    before = resident_kb(tls.gateway)
    leave(250)
    until(lambda: resident_kb(tls.gateway) - before < 4_000, "it was 10,000 more for more than a minute", 10)


def test_a_client_that_was_accepted_as_the_daemon_stops_is_answered(tmp_path: Path) -> None:
    """Its request used to be lost: one of 1,443 during an upgrade."""
    with Gateway(tmp_path) as gateway, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(gateway.socket))
        assert gateway.health()  # a later connection was served, so the first one was accepted
        assert gateway.process is not None
        gateway.process.terminate()
        until(lambda: "state=stopping" in gateway.log(), "the stop")
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 ")
        assert gateway.process.wait(15) == 0


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNK = b"POST /verify/json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3"
BODY = b"POST /verify/json HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
LONG = {
    "one line": HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
    "many lines": HEAD + b"X: yyyyy\r\n" * 4_000 + b"\r\n",
    "a long path": b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "the second of two": BODY + HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
    "with a body behind it": b"POST /verify/json HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\nContent-Length: 3\r\n\r\nabc",
    "trailers": CHUNK + b"\r\na=b\r\n0\r\n" + b"X: yyyyy\r\n" * 4_000,
    "one trailer": CHUNK + b"\r\na=b\r\n0\r\nX: " + b"y" * 40_000,
    "an extension of a chunk": CHUNK + b";" + b"y" * 40_000,
}


@pytest.mark.parametrize("pieces", [1, 2, 40])
@pytest.mark.parametrize("octets", LONG.values(), ids=LONG.keys())
def test_a_head_of_40_kb_is_refused_however_it_arrives(tls: Tls, octets: bytes, pieces: int) -> None:
    """There used to be a count of what came before the head was whole: one that came at once was taken, and trailers
    were taken without end: 50 MB stayed in memory, and one of 20 MB stopped the daemon for a second."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tls.gateway.socket))
        size = -(-len(octets) // pieces)
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(octets), size):
                connection.sendall(octets[start : start + size])
                time.sleep(0.001)
        answer = ask(connection, b"", to_its_end=True)
    assert problem(answer.rpartition(b"HTTP/1.1 ")[2]) == (431, "Request Header Fields Too Large")


def problem(answer: bytes) -> tuple[int, str]:
    """Status and title of an answer that is a problem."""
    head, _, body = answer.removeprefix(b"HTTP/1.1 ").partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    document = json.loads(body)
    assert document["status"] == int(head[:3])
    assert document["detail"]
    return document["status"], document["title"]


@pytest.mark.parametrize("octets", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", HEAD + b"no colon\r\n\r\n"])
def test_what_is_no_http_gets_a_problem(tls: Tls, octets: bytes) -> None:
    with tls.connect() as connection:
        assert problem(ask(connection, octets)) == (400, "Bad Request")


def test_who_leaves_before_he_is_let_in_is_no_trouble(tmp_path: Path) -> None:
    """There used to be a traceback in the log for each: its address was asked for when it had gone."""
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    with Gateway(tmp_path, f'[api]\ntcp = "127.0.0.1:{port}"\n{account(tmp_path)}') as gateway:
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert ask(connection, HEAD + b"\r\n").startswith(b"HTTP/1.1 ")
        assert "Traceback" not in gateway.log()


def test_a_head_just_below_the_limit_is_taken(tls: Tls) -> None:
    with tls.connect() as connection:
        answer = ask(connection, HEAD + b"X: " + b"y" * (MAX_HEAD - 200) + b"\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
    assert b'"reasons"' in answer


NOT_FOUND = Starlette()  # answers each request once its head is there


async def reads_first(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        continue
    await NOT_FOUND(scope, receive, send)


async def all_that_comes(listening: socket.socket, *sent: bytes, app: ASGIApp = NOT_FOUND) -> bytes:
    """Of a listener in this process, until it closes. sent: each once something has come for the one before."""
    listener = Listener(app, listening)
    serving = asyncio.create_task(listener.serve())
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    came = b""
    for octets in sent:
        writer.write(octets)
        came += await asyncio.wait_for(reader.read(10_000), 10)
    came += await asyncio.wait_for(reader.read(), 10)
    writer.close()
    listener.stop()
    await serving
    return came


@pytest.mark.parametrize(
    "sent",
    [
        (HEAD,),
        (HEAD + b"\r\n" + HEAD,),
        (HEAD + b"\r\n", HEAD),
        (HEAD + b"\r\n", b"\r\n" + HEAD + b"Content-Length: 9\r\n\r\n12345678"),
    ],
    ids=["the first", "behind another in one packet", "behind an answer", "a body"],
)
def test_a_request_that_does_not_come_in_time_gets_a_problem(
    sent: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.connection.MESSAGE_S", 0.2)
    came = asyncio.run(all_that_comes(tcp_socket("127.0.0.1:0"), *sent, app=reads_first))
    answers = [b"HTTP/1.1 " + each for each in came.split(b"HTTP/1.1 ")[1:]]
    assert problem(answers[-1]) == (408, "Request Timeout")
    assert all(each.startswith(b"HTTP/1.1 404") for each in answers[:-1])


@pytest.mark.parametrize(
    "sent",
    [(HEAD + b"\r\n",), (HEAD + b"\r\n\r\n",), (BODY[:-1], BODY[-1:])],
    ids=["after a request", "after an empty line", "after the rest of a request that has its answer"],
)
def test_a_connection_that_idles_is_closed(sent: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent empty lines used to stay for ever, and whoever sent a body that nobody had waited for."""
    monkeypatch.setattr("daemon.api.connection.IDLE_S", 0.2)
    came = asyncio.run(all_that_comes(tcp_socket("127.0.0.1:0"), *sent))
    assert came.count(b"HTTP/1.1 ") == 1


def test_a_request_that_has_its_answer_gets_no_other_where_its_rest_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There used to be two answers to one request: 404, and 408 behind it."""
    monkeypatch.setattr("daemon.api.connection.MESSAGE_S", 0.2)
    came = asyncio.run(all_that_comes(tcp_socket("127.0.0.1:0"), HEAD + b"\r\n", BODY[:-1]))
    assert came.count(b"HTTP/1.1 404") == came.count(b"HTTP/1.1 ") == 2


def test_a_peer_whose_connections_are_all_busy_gets_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.api.server.OF_ONE_ADDRESS", 1)

    async def endless(http: HttpRequest) -> StreamingResponse:
        async def drip() -> AsyncIterator[bytes]:
            while not await http.is_disconnected():
                yield b"."
                await asyncio.sleep(0.01)

        return StreamingResponse(drip())

    async def second(listening: socket.socket) -> bytes:
        listener = Listener(Starlette(routes=[Route("/healthz", endless)]), listening)
        serving = asyncio.create_task(listener.serve())
        busy, hold = await asyncio.open_connection(*listening.getsockname())
        hold.write(HEAD + b"\r\n")
        await busy.readuntil(b".")
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        answer = await asyncio.wait_for(reader.read(), 10)
        for each in (hold, writer):
            each.close()
        listener.stop()
        await serving
        return answer

    assert problem(asyncio.run(second(tcp_socket("127.0.0.1:0")))) == (503, "Service Unavailable")


def test_a_connection_leaves_nothing_for_the_garbage_collector() -> None:
    """Each request used to leave eight objects that knew each other, and each connection some more: the collector took
    a fourth of the CPU of a start, and held the event loop up for a fifth of a second at a time."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            return await answer({"status": "0"})(scope, receive, send)
        await send({"type": "http.response.start", "status": 200})
        while (await receive())["type"] != "http.disconnect":
            continue
        return None

    async def asking(listening: socket.socket) -> list[object]:
        listener = Listener(app, listening)
        serving = asyncio.create_task(listener.serve())
        closing, stream = HEAD + b"Connection: close\r\n\r\n", b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
        for octets in (HEAD + b"\r\n", closing, HEAD + b"\r\n" * 2, stream + closing, b"no HTTP\r\n\r\n"):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(octets)
            assert (await reader.readline()).startswith(b"HTTP/1.1 ")
            writer.close()
            await writer.wait_closed()
        listener.stop()
        await serving
        return [each for each in gc.get_objects() if isinstance(each, Protocol | RequestResponseCycle | Guest)]

    gc.collect()
    gc.disable()
    try:
        assert not asyncio.run(asking(tcp_socket("127.0.0.1:0")))
    finally:
        gc.enable()


def test_a_low_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    """There used to be 1024 outside systemd: as many idle connections on TCP, without credentials, shut out the Unix
    socket and a modem that was plugged in again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        with Gateway(tmp_path) as gateway:
            assert gateway.process is not None
            soft, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert soft == (min(hard, 8192) if hard >= 0 else 8192)
    assert soft > 2 * MAX_CONNECTIONS
