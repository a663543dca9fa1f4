"""What requests of far ends are answered, in the order of RFC 3261 8.2: how they are written, method, headers, content.

Nothing here changes a call; the agent asks the call what a request does to it.
"""

from dataclasses import dataclass, field, replace

from drivers.sip.address import Address, TransportKind
from drivers.sip.body import SDP, description
from drivers.sip.message import Malformed, Message, parameters, split
from drivers.sip.uri import via_from
from drivers.sip.validation import refusal

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO", "NOTIFY", "PRACK", "MESSAGE")
"""What we understand within a call of ours."""
EXTENSIONS = ("timer", "100rel")
"""What a far end may require (8.2.2.3); 100rel costs us nothing, as we send no provisional responses."""
ABOUT_OURSELVES = (("allow", ", ".join(METHODS)), ("supported", ", ".join(EXTENSIONS)), ("accept", SDP))


@dataclass(frozen=True, slots=True)
class Reply:
    """headers: besides those that every response has; body: a session description, or b""."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        return self.status < 300


OK = Reply(200, "OK")
BUSY = Reply(486, "Busy Here")
UNKNOWN_CALL = Reply(481, "Call/Transaction Does Not Exist")
PENDING = Reply(491, "Request Pending")
OUT_OF_ORDER = Reply(500, "Server Internal Error")
UNKNOWN_METHOD = Reply(501, "Not Implemented", (("allow", ", ".join(METHODS)),))
NOT_ACCEPTABLE = Reply(488, "Not Acceptable Here")

STRANGERS = {"OPTIONS": replace(OK, headers=ABOUT_OURSELVES), "INVITE": BUSY}
"""Answers to requests outside any call; to others, that there is none."""


def objection(request: Message) -> Reply | None:
    """Why a request is refused, whoever sends it; None where nothing is wrong with it."""
    badly_written = refusal(request)
    if badly_written is not None:
        return Reply(*badly_written)
    if request.method not in METHODS:
        return UNKNOWN_METHOD
    if request.method == "CANCEL":  # it ends what we know already; its Require does not count (8.2.2.3)
        return None
    unsupported = [tag for tag in request.all("require") if tag.lower() not in EXTENSIONS]
    if unsupported:
        return Reply(420, "Bad Extension", (("unsupported", ", ".join(unsupported)),))
    return _content_objection(request)


def _content_objection(request: Message) -> Reply | None:
    """415 for an INVITE or UPDATE with what is no session description, unless it may be passed over (8.2.3)."""
    handling = ";".join(split(request.get("content-disposition"), ";")[1:]).lower().replace(" ", "")
    if not request.body or request.method not in ("INVITE", "UPDATE") or "handling=optional" in handling:
        return None
    if request.get("content-encoding", "identity").lower() != "identity":
        return Reply(415, "Unsupported Media Type", (("accept-encoding", "identity"),))
    return None if description(request) else Reply(415, "Unsupported Media Type", (("accept", SDP),))


def stranger_reply(request: Message) -> Reply:
    return STRANGERS.get(request.method, UNKNOWN_CALL)


def response_to(request: Message, reply: Reply, contact: str, source: Address) -> Message:
    """A response along the Vias (8.2.6); the topmost says where its request came from (18.2.1, RFC 3581 4)."""
    first, *others = request.all("via")
    to = request.get("to")
    to += "" if "tag" in parameters(to) else ";tag=pinwheel"
    headers = [("via", stamped(first, source)), *(("via", via) for via in others)]
    headers += [(name, request.get(name)) for name in ("from", "call-id", "cseq")]
    headers += [("to", to), *(("record-route", value) for value in request.all("record-route"))]
    headers += [("contact", f"<{contact}>"), *reply.headers]
    headers += [("content-type", SDP)] if reply.body else []
    return Message(tuple(headers), reply.body, status=reply.status, reason=reply.reason)


def stamped(via: str, source: Address) -> str:
    """A Via with received, and with rport if that was asked for; what a far end wrote there itself is replaced."""
    parts = split(via, ";")
    names = [part.partition("=")[0].strip().lower() for part in parts]
    kept = [part for part, name in zip(parts, names, strict=True) if name not in ("received", "rport")]
    rport = [f"rport={source[1]}"] if "rport" in names[1:] else []
    return ";".join([*kept, f"received={source[0]}", *rport])


def way_back(request: Message, source: Address, kind: TransportKind) -> Address:
    """Where a response goes (18.2.2): over a connection, or where rport is asked for, back; else to sent-by's port."""
    try:
        via = via_from(request.all("via")[0])
    except Malformed:
        return source
    if kind.reliable or "rport" in via.parameters:
        return source
    return source[0], via.sent_by.port or kind.port
