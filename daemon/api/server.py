"""The wire: uvicorn on the Unix socket and, if configured, on TCP; with limits on what a client may cost.

A connection has HEAD_S seconds to bring a whole head of at most MAX_HEAD octets and BODY_S for its body; one that
idles is closed. On the Unix socket the kernel's word on the peer goes along with every request.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from daemon.api.access import PEER, Peer, peer_of

MAX_HEAD = 32 * 1024
MESSAGE_S = 15.0  # from the first octet of a request to its last
IDLE_S = 75
MAX_CONNECTIONS = 1024
BACKLOG = 512
GRACE_S = 3


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with a limit on the time and size of a request, and the peer in the scope."""

    _deadline: asyncio.TimerHandle | None = None
    _peer: Peer | None = None
    _head_octets = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = peer_of(transport.get_extra_info("socket"))
        self._expect_message()

    def connection_lost(self, exc: Exception | None) -> None:
        self._message_is_whole()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_octets += len(data)
        super().data_received(data)
        if self._in_head and self._head_octets > MAX_HEAD and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        if self._deadline is None:
            self._expect_message()
        if self._peer is not None:
            self.scope["extensions"] = {PEER: self._peer}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        self._in_head, self._head_octets = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._message_is_whole()
        super().on_message_complete()

    def _expect_message(self) -> None:
        self._deadline = self.loop.call_later(MESSAGE_S, self._refuse, b"408 Request Timeout")

    def _message_is_whole(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not answering:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.transport.close()


class _Server(uvicorn.Server):
    """Signals are the daemon's business; and nothing wakes for the Date header: each request brings it up to date."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """One listening socket and the server on it."""

    def __init__(self, app: ASGIApp, sock: socket.socket, tls: tuple[str, str] | None = None) -> None:
        self._socket = sock
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nobody stands between: a forwarded address would be the caller's own word
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
        )
        config.load()
        self._server = _Server(config)

    async def serve(self) -> None:
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._server.stop()


class SocketUnusable(Exception):
    """A listening socket cannot be made; the text names it and the remedy."""


def unix_socket(path: Path, mode: int) -> socket.socket:
    """Bind a Unix socket in place of a dead one. Raises SocketUnusable if it is in use or cannot be made."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            _remove_if_dead(path)
        before = os.umask(0o777 & ~mode)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
    except OSError as exc:
        sock.close()
        raise SocketUnusable(f"cannot listen on {path}: {exc.strerror or exc}; see [api] socket") from exc
    return sock


def _remove_if_dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise SocketUnusable(f"cannot listen on {path}: another daemon answers there")


def tcp_socket(address: str) -> socket.socket:
    """Bind "host:port". Raises SocketUnusable."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if "[" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as exc:
        raise SocketUnusable(f"cannot listen on {address}: {exc.strerror or exc}; see [api] tcp") from exc


def tls_files(cert: str, key: str) -> tuple[str, str] | None:
    """The pair, tried out. Raises SocketUnusable."""
    if not cert:
        return None
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as exc:
        raise SocketUnusable(f"cannot use [api] tls_cert {cert} with tls_key {key}: {exc}") from exc
    return cert, key


def inherited_sockets() -> list[socket.socket]:
    """The sockets that systemd passed (sd_listen_fds(3)); the variables are removed so that no child takes them."""
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = [socket.socket(fileno=fd) for fd in range(3, 3 + int(count))]
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets
