"""SIP messages (RFC 3261 section 7): octets in, a `Message` or `Malformed` out; never another exception.

Tolerant in what it reads: compact header names, folded lines, any case, bare LF. Strict in size.
"""

import re
from dataclasses import dataclass, field, replace

MAX_DATAGRAM = 65_535
MAX_HEADERS = 200
MAX_HEADER = 4096  # characters: taking a value apart must not cost a stranger's victim seconds

COMPACT = {
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
    "f": "from",
    "s": "subject",
    "k": "supported",
    "t": "to",
    "v": "via",
    "e": "content-encoding",
    "r": "refer-to",
    "x": "session-expires",
}
"""RFC 3261 7.3.3 and the IANA registry."""

LISTS = {"via", "record-route", "route", "contact", "allow", "supported", "require", "reason"}
"""Headers whose lines may hold several values, set apart by commas (RFC 3261 7.3.1)."""


class Malformed(Exception):
    """These octets are no SIP message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request (`method`, `uri`) or a response (`status`, `reason`). Header names are lower case, in order."""

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    method: str = ""
    uri: str = field(default="", repr=False)
    status: int = 0
    reason: str = ""

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a header, lists taken apart."""
        values = [value for key, value in self.headers if key == name]
        return [part for value in values for part in _split(value)] if name in LISTS else values

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq; (0, "") if it is no good."""
        match = re.fullmatch(r"(\d{1,10})\s+([A-Za-z]+)", self.get("cseq"))
        return (int(match[1]), match[2].upper()) if match else (0, "")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via: the name of the transaction."""
        vias = self.all("via")
        return parameters(vias[0]).get("branch", "") if vias else ""

    def with_headers(self, *headers: tuple[str, str]) -> "Message":
        """The same with these headers in place of others of their names."""
        names = {name for name, _ in headers}
        return replace(self, headers=(*(h for h in self.headers if h[0] not in names), *headers))

    def encode(self) -> bytes:
        start = f"{self.method} {self.uri} SIP/2.0" if self.method else f"SIP/2.0 {self.status} {self.reason}"
        lines = [start, *(f"{_shown(name)}: {value}" for name, value in self.headers if name != "content-length")]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


def parse(data: bytes) -> Message:
    """Read one datagram. Raises Malformed."""
    data = data.lstrip(b"\r\n")
    head, _, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    raw_body = data.partition(b"\r\n\r\n")[2] or body
    lines = re.sub(r"\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\n")
    if len(lines) > MAX_HEADERS or max(map(len, lines)) > MAX_HEADER:
        raise Malformed("too many headers, or too long a one")
    headers = tuple(_header(line) for line in lines[1:] if line.strip())
    message = replace(_start(lines[0]), headers=headers)
    if not message.get("call-id") or not message.cseq[1] or not message.all("via"):
        raise Malformed("Call-ID, CSeq or Via is missing")
    length = message.get("content-length")
    return replace(message, body=raw_body[: int(length)] if re.fullmatch(r"\d{1,6}", length, re.ASCII) else raw_body)


LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,5})[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)


def take(buffer: bytearray) -> bytes:
    """Cut the first whole message off a stream (18.3); b"" until there is one. Raises Malformed for no SIP stream."""
    del buffer[: len(buffer) - len(buffer.lstrip(b"\r\n"))]  # keep-alives (RFC 5626 4.4.1)
    head_end = buffer.find(b"\r\n\r\n") + 4
    if head_end < 4:
        if len(buffer) > MAX_DATAGRAM:
            raise Malformed("a message without an end")
        return b""
    length = LENGTH.search(buffer, 0, head_end)
    if length is None:
        raise Malformed("a message without Content-Length, which a stream needs")
    end = head_end + int(length[1])
    data = bytes(buffer[:end])
    if len(data) < end:
        return b""
    del buffer[:end]
    return data


def _start(line: str) -> Message:
    response = re.fullmatch(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?", line.strip(), re.ASCII | re.IGNORECASE)
    if response:
        return Message((), status=int(response[1]), reason=response[2] or "")
    request = re.fullmatch(r"([A-Za-z]{1,20}) (\S+) SIP/2\.0", line.strip(), re.ASCII | re.IGNORECASE)
    if request:
        return Message((), method=request[1].upper(), uri=request[2])
    raise Malformed("not a SIP start line")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    key = name.strip().lower()
    if not colon or not key or " " in key:
        raise Malformed("a header without a name")
    return COMPACT.get(key, key), value.strip()


def _shown(name: str) -> str:
    special = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate", "rack": "RAck"}
    special |= {"min-se": "Min-SE", "p-asserted-identity": "P-Asserted-Identity"}
    return special.get(name) or "-".join(part.capitalize() for part in name.split("-"))


def _split(value: str) -> list[str]:
    """A header's value taken apart at commas outside quotes and angle brackets."""
    parts = re.findall(r'(?:"(?:[^"\\]|\\.)*"|<[^<>]*>|[^,"<]|["<])+', value)
    return [part.strip() for part in parts if part.strip()]


def uri_of(value: str) -> str:
    """The URI of a From, To, Contact or Route value."""
    match = re.search(r"<([^<>]*)>", value)
    return match[1] if match else value.partition(";")[0].strip()


def parameters(value: str) -> dict[str, str]:
    """The parameters behind a header's value, names in lower case (those inside <> belong to the URI)."""
    behind = value.rpartition(">")[2] if ">" in value else value.partition(";")[2]
    found: dict[str, str] = {}
    for part in behind.split(";"):
        name, _, content = part.partition("=")
        if name.strip():
            found[name.strip().lower()] = content.strip().strip('"')
    return found


def host_port(uri: str, default_port: int = 5060) -> tuple[str, int]:
    """Host and port of a sip: URI; raises Malformed."""
    match = re.fullmatch(r"(?:sips?:)?(?:[^@;?]*@)?(\[[^\]]+\]|[^:;?>]+)(?::(\d{1,5}))?(?:[;?].*)?", uri, re.IGNORECASE)
    if not match or (match[2] and not 0 < int(match[2]) < 65536):
        raise Malformed("not a sip: URI")
    return match[1].strip("[]"), int(match[2] or default_port)
