"""The transport layer (RFC 3261 section 18): SIP over UDP, TCP or TLS behind one interface that never blocks.

A transport registers its sockets with the selector of the thread that owns it; after each select that thread calls
`receive`. Connections are opened when something is sent, and kept; the far end's requests come back over them, since
our Contact names the port that a connection has here.
"""

import contextlib
import errno
import os
import selectors
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Protocol

from drivers.named_files import content, load_pair
from drivers.sip.address import Address, TransportKind
from drivers.sip.message import MAX_DATAGRAM, Framer, Malformed

CONNECT_S = 5.0  # for a connection, its handshake included
REST_S = (0.5, 1.0, 2.0, 4.0)  # before the next attempt, after one that failed, two in a row, ...
READS_A_TURN = 32  # of one socket, so that who sends much does not keep the thread from everything else
MESSAGES_A_TURN = 64  # of one connection, for the same reason: a read may hold hundreds
MOST_CONNECTIONS = 256  # far ends name addresses in their Contacts; the one used longest ago makes room
MAX_WAITING = 1 << 20  # octets that may wait for a far end that does not read
DEAD_AFTER_MS = 20_000  # unacknowledged octets for so long end a connection (TCP_USER_TIMEOUT, tcp(7))
KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection could not be made, or it ended; nothing more comes from there until something is sent again.

    stood: it had been made.
    """

    address: Address
    why: str
    stood: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message, and where it came from."""

    data: bytes = field(repr=False)
    source: Address


class Transport(Protocol):
    """Not thread-safe: one thread owns it, its selector and its sockets."""

    kind: TransportKind

    def local(self, address: Address) -> Address:
        """Our address and port as `address` has them; opens a connection where one is needed."""

    def up(self, address: Address) -> bool:
        """What is sent there now goes out."""

    def send(self, data: bytes, address: Address) -> None:
        """Send, or lose it: transactions send again, and `receive` reports a lost connection."""

    def receive(self, now: float) -> list[Received | Lost]:
        """What came since the last time."""

    def deadline(self) -> float:
        """When `receive` has something to do although no socket is ready (monotonic)."""

    def close(self) -> None: ...


def interface_of(bind: str, server: Address) -> str:
    """The address of ours from which `server` is reached: that of `bind`, or the one that the kernel would take."""
    if bind not in ("", "0.0.0.0", "::"):
        return bind
    with socket.socket(family_of(server[0]), socket.SOCK_DGRAM) as probe:
        probe.connect(server)
        return str(probe.getsockname()[0])


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


# --- UDP ---------------------------------------------------------------------------------------------------


class Datagrams:
    """One UDP socket, already bound, for everything. interface: our address as it stands in messages."""

    kind = TransportKind.UDP

    def __init__(self, sock: socket.socket, interface: str, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._socket = sock
        self._socket.setblocking(False)
        self._local = (interface, int(self._socket.getsockname()[1]))
        selector.register(self._socket, selectors.EVENT_READ)

    def local(self, address: Address) -> Address:  # noqa: ARG002  the same for all
        return self._local

    def up(self, address: Address) -> bool:  # noqa: ARG002
        return True

    def send(self, data: bytes, address: Address) -> None:
        with contextlib.suppress(OSError):  # a lost datagram: the timers send it again
            self._socket.sendto(data, address)

    def receive(self, now: float) -> list[Received | Lost]:  # noqa: ARG002
        found: list[Received | Lost] = []
        for _ in range(READS_A_TURN):
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM)
            except ConnectionRefusedError:
                continue  # an ICMP error of something sent before
            except OSError:  # nothing more; or the interface is down, which the transactions notice
                break
            found.append(Received(data, (source[0], source[1])))
        return found  # the selector wakes us again for what is left

    def deadline(self) -> float:
        return float("inf")

    def close(self) -> None:
        """The descriptor; others of the same socket stay open, so it is taken out of the selector first."""
        if self._socket.fileno() >= 0:
            self._selector.unregister(self._socket)
            self._socket.close()


# --- TCP and TLS -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tls:
    """Whose certificate the server has to show, and which we show, if asked (PEM files; "": the system's, none)."""

    server_name: str
    ca_file: str = ""
    certificate: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        """Raises OSError for files that cannot be used."""
        if self.ca_file:
            content(self.ca_file)  # ssl's own errors do not name the file
        context = ssl.create_default_context(cafile=self.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            load_pair(context, self.certificate, self.key)
        return context


@dataclass(slots=True)
class _Connection:
    """To one address. ready: the handshake is over."""

    sock: socket.socket
    address: Address
    local: Address
    give_up_at: float
    ready: bool = False
    waiting: bytearray = field(default_factory=bytearray, repr=False)
    framer: Framer = field(default_factory=Framer, repr=False)
    wants_write: bool = True
    has_more: bool = False  # it was left in the middle of what there is to read
    has_whole: bool = False  # of what was read, messages are left; no more is read until these are taken


class Streams:
    """Connections by address. tls: None for plain TCP."""

    def __init__(self, interface: str, selector: selectors.BaseSelector, tls: Tls | None = None) -> None:
        self.kind = TransportKind.TLS if tls is not None else TransportKind.TCP
        self._interface = interface
        self._selector = selector
        self._server_name = tls.server_name if tls is not None else ""
        self._context = tls.context() if tls is not None else None
        self._connections: dict[Address, _Connection] = {}
        self._failures: dict[Address, tuple[int, float]] = {}  # in a row, and when to try again
        self._events: list[Received | Lost] = []

    def local(self, address: Address) -> Address:
        connection = self._connection(address)
        return connection.local if connection is not None else (self._interface, 0)

    def up(self, address: Address) -> bool:
        connection = self._connections.get(address)
        return connection is not None and connection.ready

    def send(self, data: bytes, address: Address) -> None:
        connection = self._connection(address)
        if connection is None:
            self._events.append(Lost(address, "the connection failed a moment ago"))
        elif len(connection.waiting) + len(data) > MAX_WAITING:
            self._drop(connection, "the far end does not read")
        else:
            connection.waiting += data
            self._turn(connection)

    def receive(self, now: float) -> list[Received | Lost]:
        for connection in list(self._connections.values()):
            if not connection.ready and now >= connection.give_up_at:
                self._drop(connection, "no answer to the connection")
                continue
            self._turn(connection)
            problem = self._take(connection)
            if problem and self._connections.get(connection.address) is connection:
                self._drop(connection, problem)
        found, self._events = self._events, []
        return found

    def deadline(self) -> float:
        if self._events or any(c.has_more or c.has_whole for c in self._connections.values()):
            return 0.0
        return min((c.give_up_at for c in self._connections.values() if not c.ready), default=float("inf"))

    def close(self) -> None:
        for connection in list(self._connections.values()):
            connection.sock.close()
            self._selector.unregister(connection.sock)
        self._connections.clear()

    # --- one connection ---

    def _connection(self, address: Address) -> _Connection | None:
        """The connection to an address, a new one if need be; None while a failed one rests."""
        if address in self._connections:
            known = self._connections[address] = self._connections.pop(address)  # the one used last is the last
            return known
        if time.monotonic() < self._failures.get(address, (0, 0.0))[1]:
            return None
        if len(self._connections) >= MOST_CONNECTIONS:
            self._drop(next(iter(self._connections.values())), "too many connections")
        try:
            sock = socket.socket(family_of(self._interface), socket.SOCK_STREAM)
        except OSError as exc:  # no descriptor is free
            self._rest(address, os.strerror(exc.errno or errno.EIO), stood=False)
            return None
        try:
            sock.setblocking(False)
            sock.bind((self._interface, 0))  # so that our port is known, for the Contact, before the far end answers
            _prepare(sock)
            status = sock.connect_ex(address)
        except OSError as exc:
            status = exc.errno or errno.EIO
        connection = _Connection(sock, address, sock.getsockname()[:2], time.monotonic() + CONNECT_S)
        self._connections[address] = connection
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        if status not in (0, errno.EINPROGRESS):
            self._drop(connection, os.strerror(status))
            return None
        return connection

    def _turn(self, connection: _Connection) -> None:
        """As far as it goes without waiting: the handshake, what is to be sent, what has come."""
        write = False
        try:
            if not connection.ready:
                self._open(connection)
            write = not _flushed(connection)
            _read(connection)
        except ssl.SSLWantReadError:
            pass
        except (BlockingIOError, ssl.SSLWantWriteError):
            write = True
        except ssl.SSLError as exc:
            return self._drop(connection, f"TLS: {_why(exc)}")
        except OSError as exc:
            return self._drop(connection, exc.strerror or exc.__class__.__name__)
        self._listen(connection, write=write)
        return None

    def _open(self, connection: _Connection) -> None:
        """Finish the connection and its handshake; raises what says that one has to wait for either."""
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        if not _connected(connection.sock):
            raise BlockingIOError
        if self._context is not None:
            self._shake_hands(connection, self._context)
        connection.ready = True
        self._failures.pop(connection.address, None)

    def _shake_hands(self, connection: _Connection, context: ssl.SSLContext) -> None:
        if not isinstance(connection.sock, ssl.SSLSocket):
            self._selector.unregister(connection.sock)
            connection.sock = context.wrap_socket(
                connection.sock, server_hostname=self._server_name, do_handshake_on_connect=False
            )
            self._selector.register(connection.sock, selectors.EVENT_READ)
            connection.wants_write = False
        assert isinstance(connection.sock, ssl.SSLSocket)
        connection.sock.do_handshake()

    def _listen(self, connection: _Connection, *, write: bool) -> None:
        if connection.wants_write != write:
            connection.wants_write = write
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
            self._selector.modify(connection.sock, events)

    def _take(self, connection: _Connection) -> str:
        """Take whole messages off the stream; what is wrong with it, or ""."""
        connection.has_whole = False
        try:
            for _ in range(MESSAGES_A_TURN):
                data = connection.framer.take()
                if not data:
                    return ""
                self._events.append(Received(data, connection.address))
        except Malformed as exc:
            return str(exc)
        connection.has_whole = True
        return ""

    def _drop(self, connection: _Connection, why: str) -> None:
        self._take(connection)  # what came whole before the end
        del self._connections[connection.address]
        self._selector.unregister(connection.sock)
        connection.sock.close()
        self._rest(connection.address, why, stood=connection.ready)

    def _rest(self, address: Address, why: str, *, stood: bool) -> None:
        """There is no connection to an address any more; a new one has to wait."""
        now, times = time.monotonic(), self._failures.get(address, (0, 0.0))[0]
        if len(self._failures) >= MOST_CONNECTIONS:
            self._failures = {failed: rest for failed, rest in self._failures.items() if now < rest[1]}
        self._failures[address] = (times + 1, now + REST_S[min(times, len(REST_S) - 1)])
        self._events.append(Lost(address, why, stood))


NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def _flushed(connection: _Connection) -> bool:
    """Send what waits; whether all of it went."""
    with contextlib.suppress(*NOT_NOW):
        while connection.waiting:
            del connection.waiting[: connection.sock.send(connection.waiting)]
    return not connection.waiting


def _read(connection: _Connection) -> None:
    """What has come, or a good part of it; raises OSError at the stream's end."""
    if connection.has_whole:
        return
    connection.has_more = False
    with contextlib.suppress(*NOT_NOW):
        for _ in range(READS_A_TURN):
            data = connection.sock.recv(MAX_DATAGRAM)
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the far end closed the connection")
            connection.framer.feed(data)
        connection.has_more = True


def _prepare(sock: socket.socket) -> None:
    """Notice a far end that is gone without closing the connection (tcp(7))."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
    for option, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _why(exc: ssl.SSLError) -> str:
    """Why; for a certificate, what is wrong with it."""
    reason = exc.verify_message if isinstance(exc, ssl.SSLCertVerificationError) else exc.reason
    return reason or exc.__class__.__name__
