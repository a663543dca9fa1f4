"""A user agent without I/O, its calls, and what its far end answers: for the tests of several files."""

from dataclasses import replace

from drivers.sip.address import Address, TransportKind
from drivers.sip.agent import UserAgent
from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Answered, Moved
from drivers.sip.digest import Account
from drivers.sip.failover import Servers
from drivers.sip.message import Message, parse
from drivers.sip.request_builder import Identity
from drivers.sip.sdp import offer

RELIABLE = (("require", "100rel"), ("rseq", "1"))

FIRST, SECOND = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
SDP = offer("192.0.2.9", 40000, 1)


def agent(*servers: Address, kind: TransportKind = TransportKind.UDP) -> UserAgent:
    identity = Identity("sip:gw@trunk.example", "gw", "192.0.2.9:5060", kind, account=Account("gw", "secret"))
    return UserAgent(identity, Servers(list(servers or (FIRST,))))


def sent(from_agent: UserAgent) -> list[tuple[Message, Address]]:
    """What it has sent since the last look."""
    outbox, from_agent.outbox = from_agent.outbox, []
    return [(parse(data), address) for data, address in outbox]


def reply(request: Message, status: int, *headers: tuple[str, str], body: bytes = b"", tag: str = "far") -> bytes:
    kept = [(name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    to = request.get("to")
    to += "" if "tag=" in to else f";tag={tag}"
    fields = (*kept, ("to", to), ("contact", "<sip:far@192.0.2.1:5060>"), *headers)
    return Message(fields, body, status=status, reason="Whatever").encode()


def with_headers(message: Message, *headers: tuple[str, str]) -> Message:
    """The same with these headers in place of others of their names."""
    names = {name for name, _ in headers}
    return replace(message, headers=(*(kept for kept in message.headers if kept[0] not in names), *headers))


def placed(from_agent: UserAgent, now: float = 0.0) -> tuple[OutgoingCall, Message]:
    call = from_agent.call("sip:+44@trunk.example", SDP, now)
    ((invite, _),) = sent(from_agent)
    return call, invite


def answered(from_agent: UserAgent, *headers: tuple[str, str]) -> tuple[OutgoingCall, Message]:
    """A call that was answered at 1.0, and its ACK."""
    call, invite = placed(from_agent)
    from_agent.receive(reply(invite, 200, *headers, body=SDP), FIRST, 1.0)
    ((ack, _),) = sent(from_agent)
    return call, ack


def asked(
    call: OutgoingCall,
    method: str,
    cseq: int,
    *headers: tuple[str, str],
    body: bytes = b"",
    tag: str = "far",
    branch: str = "",
) -> bytes:
    """A request of the far end within the call."""
    kept = (
        ("via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch or cseq}"),
        ("from", f"<sip:far@trunk.example>;tag={tag}"),
        ("to", f"<sip:gw@trunk.example>;tag={call.tag}"),
        ("call-id", call.call_id),
        ("cseq", f"{cseq} {method}"),
        ("content-type", "application/sdp"),
    )
    return Message(headers + kept, body, method=method, uri="sip:gw@192.0.2.9").encode()


def statuses(ours: UserAgent) -> list[int]:
    return [message.status for message, _ in sent(ours)]


def described(port: int, host: str = "192.0.2.50") -> bytes:
    return offer(host, port, 7)


def bare(request: Message, status: int, *headers: tuple[str, str], body: bytes = b"", tag: str = "far") -> bytes:
    """A response with these headers only, besides those that every one has."""
    kept = [(name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    to = ("to", f"{request.get('to')};tag={tag}")
    return Message((*kept, to, *headers), body, status=status, reason="Whatever").encode()


def ports(call: OutgoingCall) -> list[int]:
    """Where audio goes, in order."""
    return [event.audio.port for event in call.events if isinstance(event, Answered | Moved)]


def response_to(ours: UserAgent, data: bytes, source: Address = FIRST) -> Message:
    ours.receive(data, source, 2.0)
    ((response, _),) = sent(ours)
    return response
