"""SIP messages (RFC 3261 section 7): octets in, a `Message` or `Malformed` out; never another exception.

Tolerant in what it reads: compact header names, folded lines, any case, bare LF, a bad or too long line of a header
that nobody needs. What is kept is bounded. The time that it takes grows as the octets do: a regular expression here has
no repeat without a small bound, and everything else looks at each character once.
"""

import re
from dataclasses import dataclass, field, replace

MAX_DATAGRAM = 65_535
MAX_HEADERS = 200  # that are read; others are passed over
MAX_HEADER = 8192  # characters; a longer one is passed over

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
NEEDED = {"via", "from", "to", "call-id", "cseq"}
"""No message can be used without these; a bad line of any other header is ignored (RFC 3261 8.1.1, 8.2.2)."""

HEAD_END = re.compile(rb"\r?\n\r?\n")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


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
    version: str = "SIP/2.0"  # of a request; another one is answered 505
    complete: bool = True  # of a request; one with less body than its Content-Length says is answered 400

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a header, lists taken apart."""
        values = [value for key, value in self.headers if key == name]
        return [part for value in values for part in split(value, ",")] if name in LISTS else values

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq; (0, "") if it is no good."""
        number, _, method = self.get("cseq").partition(" ")
        usable = number.isascii() and number.isdigit() and len(number) <= 10
        return (int(number), method.strip().upper()) if usable and TOKEN.fullmatch(method.strip()) else (0, "")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via: the name of the transaction."""
        vias = self.all("via")
        return parameters(vias[0]).get("branch", "") if vias else ""

    def encode(self) -> bytes:
        start = f"{self.method} {self.uri} SIP/2.0" if self.method else f"SIP/2.0 {self.status} {self.reason}"
        lines = [start, *(f"{_shown(name)}: {value}" for name, value in self.headers if name != "content-length")]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


def parse(data: bytes) -> Message:
    """Read one datagram. Raises Malformed."""
    data = data.lstrip(b"\r\n")
    end = HEAD_END.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    start, *lines = _unfolded(head.decode("utf-8", "replace"))
    headers = tuple(header for line in lines if line.strip() and (header := _header(line)) is not None)
    message = replace(_start(start), headers=headers)
    if not message.get("call-id") or not message.cseq[1] or not message.all("via"):
        raise Malformed("Call-ID, CSeq or Via is missing")
    length = message.get("content-length")
    if not (length.isascii() and length.isdigit() and len(length) <= 9):
        return replace(message, body=body)
    complete = int(length) <= len(body)
    if not complete and not message.method:
        raise Malformed("a response that was cut off")  # RFC 3261 18.3
    return replace(message, body=body[: int(length)], complete=complete)


def _unfolded(head: str) -> list[str]:
    """The start line and the headers of a head, each with its continuations (RFC 3261 7.3.1)."""
    lines = head.replace("\r\n", "\n").split("\n")
    if "\n " in head or "\n\t" in head:
        lines = _joined(lines)
    return lines[: MAX_HEADERS + 1]


def _joined(lines: list[str]) -> list[str]:
    whole: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and whole:
            whole[-1].append(line.strip())
        else:
            whole.append([line])
    return [" ".join(parts) for parts in whole]


BLANKS = rb"(?:(?:\r?\n)?[ \t]){0,64}"
"""Also across folded lines (RFC 3261 7.3.1)."""
LENGTH = re.compile(
    rb"^(?:content-length|l)%b:%b([0-9]{1,9})%b\r?$(?!\n[ \t])" % ((BLANKS,) * 3), re.MULTILINE | re.IGNORECASE
)


class Framer:
    """Cuts a stream into messages (RFC 3261 18.3), in whatever pieces it comes; each octet is looked at once.

    Of a longer body than a datagram holds the rest is passed over: the stream goes on, as it carries other calls, too.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # octets in which no head ends
        self._end = 0  # of the first message, once its head is there
        self._rest = 0  # of a body, behind that
        self._unwanted = 0  # octets that are still to come and are not kept

    def feed(self, data: bytes) -> None:
        passed_over = min(len(data), self._unwanted)
        self._unwanted -= passed_over
        self._buffer += data[passed_over:]

    def take(self) -> bytes:
        """The first whole message; b"" until there is one. Raises Malformed for no SIP stream."""
        if not self._end:
            self._find_end()
        if not self._end or len(self._buffer) < self._end:
            return b""
        data = bytes(self._buffer[: self._end])
        self._unwanted = max(self._end + self._rest - len(self._buffer), 0)
        del self._buffer[: self._end + self._rest]
        self._searched = self._end = self._rest = 0
        return data

    def _find_end(self) -> None:
        if not self._searched:  # keep-alives before the message (RFC 5626 4.4.1)
            del self._buffer[: next((at for at, octet in enumerate(self._buffer) if octet not in b"\r\n"), None)]
        head_end = self._buffer.find(b"\r\n\r\n", max(self._searched - 3, 0)) + 4
        self._searched = len(self._buffer)
        if max(head_end, self._searched if head_end < 4 else 0) > MAX_DATAGRAM:
            raise Malformed("a message without an end")
        if head_end < 4:
            return
        length = LENGTH.search(self._buffer, 0, head_end)
        if length is None:
            raise Malformed("a message without Content-Length, which a stream needs")
        kept = min(int(length[1]), MAX_DATAGRAM)
        self._end, self._rest = head_end + kept, int(length[1]) - kept


def _start(line: str) -> Message:
    """Without its headers."""
    first, _, rest = line.strip().partition(" ")
    if CONTROL.search(line) or len(line) > MAX_HEADER:
        raise Malformed("not a SIP start line")
    if first.upper() == "SIP/2.0":
        status, _, reason = rest.partition(" ")
        if not re.fullmatch(r"[1-6][0-9][0-9]", status):
            raise Malformed("not a status")
        return Message((), status=int(status), reason=reason)
    uri, _, version = rest.partition(" ")
    if not TOKEN.fullmatch(first) or not uri or not VERSION.fullmatch(version):
        raise Malformed("not a SIP start line")
    return Message((), method=first.upper(), uri=uri, version=version.upper())


TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
"""Such as a method (RFC 3261 25.1)."""
VERSION = re.compile(r"SIP/[0-9]{1,3}\.[0-9]{1,3}", re.IGNORECASE)


def _header(line: str) -> tuple[str, str] | None:
    """Name and value; None for a line that is none and is not needed. Raises Malformed."""
    name, colon, value = line.partition(":")
    key = name.strip().lower()
    key = COMPACT.get(key, key)
    if colon and TOKEN.fullmatch(key) and len(value) <= MAX_HEADER and not CONTROL.search(value):
        return key, value.replace("\t", " ").strip()
    if key in NEEDED:
        raise Malformed(f"the header {key} cannot be read")
    return None


def _shown(name: str) -> str:
    special = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate", "rack": "RAck"}
    special |= {"min-se": "Min-SE", "p-asserted-identity": "P-Asserted-Identity"}
    return special.get(name) or "-".join(part.capitalize() for part in name.split("-"))


# --- values ------------------------------------------------------------------------------------------------

SPECIAL = {separator: re.compile(rf'["\\\\<>{separator}]') for separator in ",; "}
ESCAPED = re.compile(r"\\(.)")


def split(value: str, separator: str) -> list[str]:
    """The parts of a value between separators outside quotes and angle brackets, without empty ones."""
    if '"' not in value and "<" not in value:
        return [part for part in map(str.strip, value.split(separator)) if part]
    parts, start, quoted, angled, escaped = [], 0, False, False, -1
    for found in SPECIAL[separator].finditer(value):
        at, char = found.start(), found[0]
        if at == escaped:
            continue
        if quoted:
            quoted = char != '"'
            escaped = at + 1 if char == "\\" else -1
        elif char == '"':
            quoted = not angled
        elif char in "<>":
            angled = char == "<"
        elif char == separator and not angled:
            parts.append(value[start:at])
            start = at + 1
    return [part for part in map(str.strip, (*parts, value[start:])) if part]


def unquoted(text: str) -> str:
    """The text of a quoted string (RFC 3261 25.1); any other text as it is."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text.strip('"')
    return ESCAPED.sub(r"\1", text[1:-1])


def uri_of(value: str) -> str:
    """The URI of a From, To, Contact or Route value, as it is written; "" where its brackets are not closed."""
    address = next(iter(split(value, ";")), "")
    if "<" not in address:
        return address
    inside, closed, _ = address.rpartition("<")[2].partition(">")
    return inside if closed else ""


def parameters(value: str) -> dict[str, str]:
    """The parameters behind a header's value, names in lower case (those inside <> belong to the URI)."""
    behind = split(value, ";") if value.lstrip().startswith(";") else split(value, ";")[1:]
    pairs = (part.partition("=") for part in behind)
    return {name.strip().lower(): unquoted(content.strip()) for name, _, content in pairs if name.strip()}


def tag_of(value: str) -> str:
    """The tag of a From or To, "" if it has none."""
    return parameters(value).get("tag", "")
