"""SIP messages (RFC 3261) as the phone reads and writes them: in datagrams, strict where real phones are."""

import re
from dataclasses import dataclass, field

Address = tuple[str, int]
DialogKey = tuple[str, str]  # Call-ID and the caller's tag
TransactionKey = tuple[str, str, str, str]  # branch, Call-ID, CSeq number, method (RFC 3261 17.2.3)

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    503: "Service Unavailable",
    603: "Decline",
}
COMPACT = {
    "c": "content-type",
    "f": "from",
    "i": "call-id",
    "l": "content-length",
    "m": "contact",
    "t": "to",
    "v": "via",
}
MANDATORY = ("via", "from", "to", "call-id", "cseq")


@dataclass(frozen=True, slots=True)
class Message:
    """A request (`method`, `uri`) or a response (`status`)."""

    method: str
    uri: str = field(repr=False)
    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def first(self, name: str) -> str:
        return next(iter(self.every(name)), "")

    def every(self, name: str) -> list[str]:
        """The header's lines as they came."""
        return [value for key, value in self.headers if key == name]

    @property
    def cseq(self) -> str:
        return self.first("cseq").partition(" ")[0]


def read_message(data: bytes) -> Message | None:
    """One datagram; None if it is no SIP message. Never raises."""
    head, end, body = data.partition(b"\r\n\r\n")
    start, *lines = re.sub(r"\r\n[ \t]{1,64}", " ", text_of(head)).split("\r\n")
    headers = tuple((COMPACT.get(name, name), value) for name, value in map(_header, lines))
    message = _started(start, headers, body)
    if not end or message is None or any(not message.first(name) for name in MANDATORY):
        return None
    number, _, method = message.first("cseq").partition(" ")
    if not re.fullmatch(r"[0-9]{1,10}", number) or (message.method and method.strip() != message.method):
        return None
    length = message.first("content-length") or str(len(body))
    if not re.fullmatch(r"[0-9]{1,5}", length) or int(length) > len(body):
        return None
    return Message(message.method, message.uri, message.status, headers, body[: int(length)])


def _started(line: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Message | None:
    first, _, rest = line.partition(" ")
    uri, _, version = rest.partition(" ")
    if first == "SIP/2.0" and re.fullmatch(r"[1-6][0-9]{2}", uri):
        return Message("", "", int(uri), headers, body)
    if version == "SIP/2.0" and re.fullmatch(r"[A-Z]{1,32}", first):
        return Message(first, uri, 0, headers, body)
    return None


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def text_of(octets: bytes) -> str:
    """So that what is echoed has the octets that came."""
    return octets.decode("utf-8", "surrogateescape")


def octets_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def tag_of(value: str) -> str:
    match = re.search(r";\s{0,8}tag\s{0,8}=\s{0,8}([^;,\s]{1,256})", value.rpartition(">")[2])
    return match[1] if match else ""


def uri_of(value: str) -> str:
    _, opened, rest = value.partition("<")
    inside, closed, _ = rest.partition(">")
    return inside if opened and closed and inside else value.partition(";")[0].strip()


def digits_of(uri: str) -> str:
    """The telephone number in a sip: URI, without its "+"."""
    user = uri.partition(":")[2].partition("@")[0].partition(";")[0]
    return re.sub(r"[^0-9]", "", user.replace("%2B", ""))


def address_of(uri: str, default: Address) -> Address:
    """Where a URI with a numeric IPv4 host leads to."""
    match = re.search(r"(?:@|:|^)([0-9.]{7,15})(?::([0-9]{1,5}))?(?:[;?>]|$)", uri)
    return (match[1], int(match[2] or 5060)) if match else default


def via_back(request: Message, source: Address) -> tuple[list[str], Address]:
    """The Vias of a response, and where it goes: to the source if rport asks for it, else to the sent-by port."""
    first, comma, others = request.first("via").partition(",")
    asked = re.search(r";\s{0,8}rport\s{0,8}(?=;|$)", first)
    if asked:
        first = f"{first[: asked.start()]};rport={source[1]}{first[asked.end() :]}"
    sent_by = re.match(r"\S{1,64}\s{1,8}[^\s:;]{1,256}(?::([0-9]{1,5}))?", first)
    port = source[1] if asked else int(sent_by[1] or 5060) if sent_by else 5060
    vias = [f"{first};received={source[0]}{comma}{others}", *request.every("via")[1:]]
    return vias, (source[0], port)


def compose(start: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", ""]
    return octets_of("\r\n".join(lines)) + body


def dialog_of(request: Message) -> DialogKey:
    return request.first("call-id"), tag_of(request.first("from"))


def transaction_of(request: Message, method: str) -> TransactionKey:
    branch = re.search(r";\s{0,8}branch\s{0,8}=\s{0,8}([^;,\s]{1,256})", request.first("via"))
    return branch[1] if branch else "", request.first("call-id"), request.cseq, method
