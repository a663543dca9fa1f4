"""Bodies of SIP messages: their type is looked at first, then their size, and only then what they hold.

Each octet is looked at once.
"""

import re
from collections.abc import Iterator

from drivers.sip.message import Message, parameters

SDP = "application/sdp"
MULTIPART = "multipart/"
MOST_OCTETS = {SDP: 16_384, "application/dtmf-relay": 256, "application/dtmf": 256, MULTIPART: 32_768}
"""Of each type that is read; bodies of other types are not read at all."""
MOST_PARTS = 16
PART_END = re.compile(rb"\r?\n\r?\n")
KEY = re.compile(rb"[0-9A-D*#]")


def kind_of(message: Message) -> str:
    """The type of a body, in lower case and without parameters; "multipart/" for each kind of several parts."""
    kind = message.get("content-type").partition(";")[0].strip().lower()
    return MULTIPART if kind.startswith(MULTIPART) else kind


def too_large(message: Message) -> bool:
    """A body longer than what is read of its type."""
    return len(message.body) > MOST_OCTETS.get(kind_of(message), len(message.body))


def description(message: Message) -> bytes:
    """The session description in a body, alone or as a part (RFC 2046 5.1); b"" without one, or with too long a one.

    A body whose type is not named is taken for one.
    """
    kind = kind_of(message)
    if too_large(message) or len(message.body) > MOST_OCTETS[MULTIPART]:
        return b""
    if kind in (SDP, ""):
        return message.body
    if kind == MULTIPART:
        return next((body for kind, body in _parts(message) if kind == SDP), b"")
    return b""


def _parts(message: Message) -> Iterator[tuple[str, bytes]]:
    """Type and body of each part of a multipart body; none where no boundary is named."""
    boundary = parameters(message.get("content-type")).get("boundary", "").encode()
    if not boundary:
        return
    for part in (b"\n" + message.body).split(b"\n--" + boundary, MOST_PARTS)[1:MOST_PARTS]:
        end = PART_END.search(part)
        if part.startswith(b"--") or end is None:  # the closing delimiter, or a part without a body
            continue
        yield _type_in(part[: end.start()]), part[end.end() :].removesuffix(b"\r")


def _type_in(head: bytes) -> str:
    for line in head.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


def key_pressed(message: Message) -> str:
    """The key in an application/dtmf-relay ("Signal=1") or application/dtmf ("1") body; "" for none."""
    if not kind_of(message).startswith("application/dtmf") or too_large(message):
        return ""
    for line in message.body.split(b"\n"):
        name, equals, value = line.partition(b"=")
        key = (value if equals and name.strip().lower() == b"signal" else line).strip()
        if KEY.fullmatch(key):
            return key.decode()
    return ""
