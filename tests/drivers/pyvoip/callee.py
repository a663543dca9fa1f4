"""A far end of calls on a socket of the test: it answers what the test says."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.sip.message import Message, parse
from drivers.sip.sdp import offer


@contextmanager
def far_end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.8", 0))
        sock.settimeout(15)
        yield sock


def answer_with(
    request: Message, peer: socket.socket, status: int, *headers: tuple[str, str], sdp: bytes = b""
) -> bytes:
    host, port = peer.getsockname()
    kept = [(name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    to = request.get("to") if "tag=" in request.get("to") else request.get("to") + ";tag=far"
    contact = [] if any(name == "contact" for name, _ in headers) else [("contact", f"<sip:far@{host}:{port}>")]
    return Message((*kept, ("to", to), *contact, *headers), sdp, status=status, reason="Whatever").encode()


def request_after(method: str, invite: Message, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    """The first request of the callee that answered this INVITE."""
    kept = (
        ("via", "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1;rport"),
        ("from", f"{invite.get('to')};tag=far"),
        ("to", invite.get("from")),
        ("call-id", invite.get("call-id")),
        ("cseq", f"1 {method}"),
    )
    return Message((*kept, *headers), body, method=method, uri="sip:gateway").encode()


class Callee:
    """A far end on a socket; it answers what the test says."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.address = "{}:{}".format(*peer.getsockname())
        self._calls: set[str] = set()
        self._came: list[Message] = []

    def branches(self, method: str, invite: Message) -> set[str]:
        """The branches of all requests of this method within a call; a retransmission has that of the first."""
        came = (message for message in self._came if message.get("call-id") == invite.get("call-id"))
        return {message.branch for message in came if message.method == method}

    def _next(self) -> tuple[Message, tuple[str, int]]:
        data, source = self.peer.recvfrom(65_535)
        self._came.append(parse(data))
        return self._came[-1], source

    def invited(self) -> tuple[Message, tuple[str, int]]:
        """The first INVITE of the next call."""
        while True:
            message, source = self._next()
            if message.method == "INVITE" and message.get("call-id") not in self._calls:
                self._calls.add(message.get("call-id"))
                return message, source

    def asked(self, method: str, invite: Message) -> tuple[Message, tuple[str, int]]:
        """The next request of a method within a call."""
        while True:
            message, source = self._next()
            if (message.method, message.get("call-id")) == (method, invite.get("call-id")):
                return message, source

    def answer(self, *headers: tuple[str, str], ringing: bool = False) -> Message:
        """Answer the next call; ringing: send 180 first."""
        invite, source = self.invited()
        if ringing:
            self.peer.sendto(answer_with(invite, self.peer, 180), source)
        host = self.peer.getsockname()[0]
        self.peer.sendto(answer_with(invite, self.peer, 200, *headers, sdp=offer(host, 9, 1)), source)
        return invite

    def hear_bye(self, invite: Message) -> None:
        bye, source = self.asked("BYE", invite)
        self.peer.sendto(answer_with(bye, self.peer, 200), source)
