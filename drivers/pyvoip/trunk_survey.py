"""A look at the trunk beside the driver: its name, its certificate, its answer to OPTIONS (RFC 3261 11). It blocks.

It registers nothing and uses a port of its own, so that a driver that runs is not disturbed.
"""

import contextlib
import socket
import ssl
import time
from dataclasses import replace

from drivers.checks import split_port
from drivers.named_files import Unreadable
from drivers.pyvoip.options import Options
from drivers.pyvoip.server_location import NotFound, locate
from drivers.pyvoip.subscriber import Subscriber, host_in
from drivers.pyvoip.transport import Tls, family_of, interface_of
from drivers.sip.address import Address, HostPort, TransportKind
from drivers.sip.message import MAX_DATAGRAM, Framer, Malformed, Message, parse
from drivers.sip.request_builder import Requester
from drivers.sip.uac import seen_at
from drivers.survey import TrunkSurvey

AGAIN_S = (0.5, 1.0, 2.0)  # timer E, for datagrams that are lost
DAY_S = 86_400.0


def survey(options: Options, limit_s: float = 4.0) -> TrunkSurvey:
    """limit_s: for the connection and the answer; a name may take longer to look up (`locate`)."""
    kind = TransportKind(options.transport)
    try:
        servers = locate(options.server, kind)
    except NotFound:
        return TrunkSurvey()
    found = TrunkSurvey(tuple(dict.fromkeys(host for host, _ in servers)))
    try:
        with _connected(options, kind, servers[0], limit_s) as sock:
            return _asked(options, kind, sock, _certified(found, sock), limit_s)
    except ssl.SSLCertVerificationError as exc:
        return replace(found, certificate_problem=exc.verify_message, unreachable="its certificate is not trusted")
    except Unreadable as exc:
        return replace(found, unreachable=str(exc))
    except TimeoutError:
        return replace(found, unreachable=f"no answer within {limit_s:g} s")
    except (OSError, ValueError, Malformed) as exc:
        return replace(found, unreachable=getattr(exc, "strerror", None) or str(exc))


def _connected(options: Options, kind: TransportKind, server: Address, limit_s: float) -> socket.socket:
    """From the address that the driver would take, at any port. Raises OSError."""
    here = interface_of(split_port(options.bind)[0], server)
    sock = socket.socket(family_of(here), socket.SOCK_STREAM if kind.reliable else socket.SOCK_DGRAM)
    with contextlib.ExitStack() as undo:
        undo.callback(sock.close)
        sock.settimeout(limit_s)
        sock.bind((here, 0))
        sock.connect(server)
        if kind is TransportKind.TLS:
            tls = Tls(host_in(options.server), options.tls_ca, options.tls_cert, options.tls_key)
            sock = tls.context().wrap_socket(sock, server_hostname=tls.server_name)
        undo.pop_all()
    return sock


def _certified(found: TrunkSurvey, sock: socket.socket) -> TrunkSurvey:
    ends = (sock.getpeercert() or {}).get("notAfter") if isinstance(sock, ssl.SSLSocket) else None
    if not isinstance(ends, str):
        return found
    return replace(found, certificate_days=(ssl.cert_time_to_seconds(ends) - time.time()) / DAY_S)


def _asked(
    options: Options, kind: TransportKind, sock: socket.socket, found: TrunkSurvey, limit_s: float
) -> TrunkSurvey:
    ours = str(HostPort(*sock.getsockname()[:2]))
    identity = replace(Subscriber(options).registrant(), host=ours)
    uri = f"sip:{Subscriber(options).domain}"
    request = Requester(identity).request("OPTIONS", uri, f"<{uri}>", ("contact", f"<{identity.contact}>"))
    answer = _answer(sock, request, limit_s) if kind.reliable else _datagram(sock, request, limit_s)
    sent_by = answer.get("via").partition(";")[0].split()[-1:]
    return replace(
        found,
        answer=f"{answer.status} {answer.reason}",
        seen_at=seen_at(answer),
        ours=ours,
        rewritten=sent_by != [ours] or answer.get("call-id") != request.get("call-id"),
    )


def _datagram(sock: socket.socket, request: Message, limit_s: float) -> Message:
    """Sent again while nothing comes. Raises TimeoutError or OSError."""
    end = time.monotonic() + limit_s
    for pause_s in (*AGAIN_S, limit_s):
        sock.send(request.encode())
        until = min(time.monotonic() + pause_s, end)
        while (left_s := until - time.monotonic()) > 0:
            sock.settimeout(left_s)
            try:
                answer = parse(sock.recv(MAX_DATAGRAM))
            except (TimeoutError, Malformed):
                continue
            if answer.status >= 200 and answer.branch == request.branch:
                return answer
    raise TimeoutError


def _answer(sock: socket.socket, request: Message, limit_s: float) -> Message:
    """Raises TimeoutError or OSError."""
    end, framer = time.monotonic() + limit_s, Framer()
    sock.sendall(request.encode())
    while (left_s := end - time.monotonic()) > 0:
        sock.settimeout(left_s)
        data = sock.recv(MAX_DATAGRAM)
        if not data:
            raise ConnectionResetError(0, "it closed the connection without an answer")
        framer.feed(data)
        while whole := framer.take():
            answer = _parsed(whole)
            if answer is not None and answer.status >= 200 and answer.branch == request.branch:
                return answer
    raise TimeoutError


def _parsed(data: bytes) -> Message | None:
    try:
        return parse(data)
    except Malformed:
        return None
