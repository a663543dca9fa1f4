"""The wire: uvicorn on the Unix socket and, if configured, on TCP, with a limit on the connections of each peer."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from daemon.api.access import origin_of
from daemon.api.connection import Protocol
from daemon.api.connection_limits import ConnectionLimits, Guest

log = logging.getLogger("pinwheel.api")

MAX_CONNECTIONS = 1024
OF_ONE_USER, OF_ONE_ADDRESS = 512, 256
HANDSHAKE_S, SHUTDOWN_S = 10.0, 3.0  # of TLS
ACCEPT_AGAIN_S = 0.2  # when no more files can be opened
BACKLOG = 512
GRACE_S = 15  # for what is under way when we stop, which ends before (under_way.py)


class _Server(uvicorn.Server):
    """The daemon handles signals itself. No timer updates the Date header: each request does."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._limits = limits
        self._stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """With TLS connections are accepted here, so that those in their handshake count."""
        if self.config.ssl is None:
            return await super().startup(sockets)
        await self.lifespan.startup()
        for sock in sockets or []:
            sock.setblocking(False)
        accepting = [asyncio.create_task(self._accept(sock, self.config.ssl)) for sock in sockets or []]
        self.servers = [_Accepting(task) for task in accepting]  # type: ignore[misc]
        self.started = True
        return None

    async def _accept(self, sock: socket.socket, tls: ssl.SSLContext) -> None:
        loop, handshakes = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        while True:
            try:
                connection, address = await loop.sock_accept(sock)
            except OSError as exc:
                log.warning("listener=tls error=%r", exc.strerror or str(exc))
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            handshake = loop.create_task(self._shake_hands(connection, origin_of(None, address[0]), tls))
            handshakes.add(handshake)
            handshake.add_done_callback(handshakes.discard)

    async def _shake_hands(self, connection: socket.socket, origin: str, tls: ssl.SSLContext) -> None:
        task = asyncio.current_task()
        guest = Guest(origin, lambda: True, lambda: task and task.cancel())
        if not self._limits.enter(guest):
            connection.close()
            return
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Protocol(
                    self._limits,
                    guest,
                    config=self.config,
                    server_state=self.server_state,
                    app_state=self.lifespan.state,
                ),
                connection,
                ssl=tls,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except (OSError, asyncio.CancelledError):
            self._limits.leave(guest)
            connection.close()

    async def main_loop(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Accepting:
    """What uvicorn closes when it stops."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    def close(self) -> None:
        self._task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._task])


class Listener:
    """One listening socket and the server on it."""

    def __init__(self, app: ASGIApp, sock: socket.socket, tls: tuple[str, str] | None = None) -> None:
        self._socket = sock
        local = sock.family == socket.AF_UNIX
        limits = ConnectionLimits(MAX_CONNECTIONS, OF_ONE_USER if local else OF_ONE_ADDRESS)
        config = uvicorn.Config(
            app,
            http=partial(Protocol, limits),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # there is no proxy: the caller itself could write a forwarded address
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
        )
        config.load()
        self._server = _Server(config, limits)

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
