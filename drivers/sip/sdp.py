"""Session descriptions (RFC 4566, RFC 3264): our offer of G.711, the answer to it, our answers to others.

With keys (RFC 4568) the stream is RTP/SAVP, and nothing without the far end's key is usable.
"""

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address

from pyVoIP.RTP import PayloadType

from drivers.srtp import KEY_OCTETS, Suite

PCMU, PCMA = int(PayloadType.PCMU), int(PayloadType.PCMA)
NAMES = {PCMU: "PCMU", PCMA: "PCMA"}
TELEPHONE_EVENT = 101
FRAME_MS, LEAST_FRAME_MS, MOST_FRAME_MS = 20, 10, 60  # RFC 3551 4.2: 20; G.711 in steps of 10


class NoAudio(Exception):
    """The far end describes no stream that we could send to; the text says why."""


class Direction(StrEnum):
    """What whoever says so does (RFC 3264 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


MIRRORED = {
    Direction.SENDRECV: Direction.SENDRECV,
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
    Direction.INACTIVE: Direction.INACTIVE,
}
"""The answer to each (RFC 3264 6.1)."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """One a=crypto line (RFC 4568 4). key: master key and salt of who wrote it."""

    tag: int
    suite: Suite
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"a=crypto:{self.tag} {self.suite} inline:{b64encode(self.key).decode()}"


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The far end's audio: where it listens, and to what. payload_type: 0 (PCMU) or 8 (PCMA); host: an IP address.

    events: the payload type of its keys (RFC 4733), if any; rtcp_port: 0 for none; ours, theirs: the keys, if any.
    """

    host: str
    port: int
    payload_type: int
    events: int | None = None
    frame_ms: int = FRAME_MS
    rtcp_port: int = 0
    direction: Direction = Direction.SENDRECV
    ours: Crypto | None = None
    theirs: Crypto | None = None

    @property
    def held(self) -> bool:
        """It does not want to hear us now (RFC 3264 8.4; the address 0.0.0.0 is how RFC 2543 said it)."""
        return self.direction in (Direction.SENDONLY, Direction.INACTIVE) or ip_address(self.host).is_unspecified


# --- what we say -------------------------------------------------------------------------------------------


def new_cryptos() -> tuple[Crypto, ...]:
    """A key for each suite that we can do, for one call."""
    return tuple(Crypto(tag, suite, secrets.token_bytes(KEY_OCTETS)) for tag, suite in enumerate(Suite, 1))


def offer(host: str, port: int, session: int, cryptos: tuple[Crypto, ...] = ()) -> bytes:
    """Our audio at host:port; we only speak, but phones expect sendrecv."""
    stream = _stream(port, (PCMA, PCMU), TELEPHONE_EVENT, cryptos, Direction.SENDRECV)
    return _written([*_session(host, session, 1), *stream])


def offer_again(offered: bytes, agreed: FarEnd, version: int) -> bytes:
    """Our offer once more, reduced to what was agreed."""
    ours = (agreed.ours,) if agreed.ours is not None else ()
    host, port, session = _places(offered)
    events = TELEPHONE_EVENT if agreed.events is None else agreed.events
    return _written(
        [
            *_session(host, session, version),
            *_stream(port, (agreed.payload_type,), events, ours, Direction.SENDRECV),
        ]
    )


def respond(body: bytes, offered: bytes, agreed: FarEnd, version: int) -> tuple[FarEnd, bytes]:
    """What the far end wants from now on, and our answer (RFC 3264 8). offered: our first offer; agreed: what holds.

    Law and crypto suite stay as they are. Raises NoAudio where they cannot.
    """
    ours = (agreed.ours,) if agreed.ours is not None else ()
    chosen, far = _usable(body, (agreed.payload_type,), ours, same_tag=False)
    host, port, session = _places(offered)
    direction = Direction.INACTIVE if ip_address(far.host).is_unspecified else MIRRORED[far.direction]
    cryptos = (Crypto(far.theirs.tag, far.ours.suite, far.ours.key),) if far.theirs and far.ours else ()
    lines = _session(host, session, version)
    for section in _sections(body)[1:]:
        if section == chosen:
            lines += _stream(port, (far.payload_type,), far.events, cryptos, direction)
        else:
            lines.append(re.sub(r"^(m=\S+) \S+", r"\1 0", section.splitlines()[0]))
    return far, _written(lines)


def _session(host: str, session: int, version: int) -> list[str]:
    address = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
    return ["v=0", f"o=pinwheel {session} {version} {address}", "s=-", f"c={address}", "t=0 0"]


def _stream(
    port: int, types: tuple[int, ...], events: int | None, cryptos: tuple[Crypto, ...], direction: Direction
) -> list[str]:
    numbers = " ".join(map(str, types if events is None else (*types, events)))
    lines = [f"m=audio {port} {_profile(cryptos)} {numbers}"]
    lines += [f"a=rtpmap:{number} {NAMES[number]}/8000" for number in types]
    if events is not None:
        lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"]
    return [*lines, *map(str, cryptos), f"a=ptime:{FRAME_MS}", f"a={direction}"]


def _profile(cryptos: tuple[Crypto, ...]) -> str:
    return "RTP/SAVP" if cryptos else "RTP/AVP"


def _written(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


def _places(offered: bytes) -> tuple[str, int, int]:
    """Address, port and session number of an offer of ours."""
    text = offered.decode()
    origin, stream = re.search(r"^o=pinwheel (\d+)", text, re.M), re.search(r"^m=audio (\d+)", text, re.M)
    assert origin is not None
    assert stream is not None
    return _host(text), int(stream[1]), int(origin[1])


# --- what the far end says ---------------------------------------------------------------------------------


def answer(body: bytes, offered: bytes) -> FarEnd:
    """What the far end made of our offer. Raises NoAudio."""
    ours = tuple(_cryptos(offered.decode()))
    return _usable(body, (PCMU, PCMA), ours, same_tag=True)[1]


def _usable(body: bytes, types: tuple[int, ...], ours: tuple[Crypto, ...], *, same_tag: bool) -> tuple[str, FarEnd]:
    """The first stream that we can send to, as it is written and as we read it. Raises NoAudio."""
    session, *streams = _sections(body)
    why = "no G.711 audio in the answer"
    for stream in streams:
        try:
            return stream, _far_end(stream, session, types, ours, same_tag=same_tag)
        except NoAudio as exc:
            why = str(exc)
    raise NoAudio(why)


def _far_end(stream: str, session: str, types: tuple[int, ...], ours: tuple[Crypto, ...], *, same_tag: bool) -> FarEnd:
    """c= and direction of the stream win over those of the session. Raises NoAudio."""
    media = re.match(r"m=audio (\d{1,5})(?:/\d+)? (\S{1,20})((?: \d{1,3})+)", stream)
    host = _host(stream) or _host(session)
    if not media or not host or not 0 < int(media[1]) < 65536:
        raise NoAudio("no G.711 audio in the answer")
    usable = [int(number) for number in media[3].split() if int(number) in types]
    if not usable:
        raise NoAudio("no G.711 audio in the answer")
    mine, theirs = _agreed(stream, ours, same_tag=same_tag)
    if media[2] != _profile(ours):
        raise NoAudio(f"the answer is {media[2]}, where {_profile(ours)} was offered")
    if ours and theirs is None:
        raise NoAudio("the answer has no key for SRTP")
    events = re.search(r"^a=rtpmap:(\d{1,3}) telephone-event/8000", stream, re.MULTILINE | re.IGNORECASE)
    direction = _attribute(stream, "|".join(Direction)) or _attribute(session, "|".join(Direction))
    return FarEnd(
        host,
        int(media[1]),
        usable[0],
        int(events[1]) if events else None,
        _frame_ms(stream),
        _rtcp_port(stream, int(media[1])),
        Direction(direction or "sendrecv"),
        mine,
        theirs,
    )


def _sections(body: bytes) -> list[str]:
    """The session's lines, then those of each stream."""
    return re.split(r"\r?\n(?=m=)", "\n" + body.decode("utf-8", "replace"))


def _host(section: str) -> str:
    """The address of c=, or "": a name would mean a look-up that blocks, and a group would tell many."""
    match = re.search(r"^c=IN IP[46] ([0-9A-Fa-f.:]+)", section, re.MULTILINE)
    try:
        return match[1] if match and not ip_address(match[1]).is_multicast else ""
    except ValueError:
        return ""


def _attribute(section: str, pattern: str) -> str:
    """The first attribute that matches, without its a=, or ""."""
    match = re.search(rf"^a=({pattern})\s*$", section, re.MULTILINE)
    return match[1] if match else ""


def _frame_ms(stream: str) -> int:
    """The packet time that the far end wants (RFC 4566 6), as near to it as we can."""
    wanted, most = (_attribute(stream, rf"{name}:\d{{1,4}}").partition(":")[2] for name in ("ptime", "maxptime"))
    frame_ms = min(int(wanted or FRAME_MS), int(most or MOST_FRAME_MS))
    return min(max(frame_ms // 10 * 10, LEAST_FRAME_MS), MOST_FRAME_MS)


def _rtcp_port(stream: str, port: int) -> int:
    """Where its RTCP is: as it says (RFC 3605), else at the next port (RFC 3550 11)."""
    match = re.search(r"^a=rtcp:(\d{1,5})\b", stream, re.MULTILINE)
    rtcp_port = int(match[1]) if match else port + 1
    return rtcp_port if rtcp_port < 65536 else 0


def _cryptos(stream: str) -> Iterator[Crypto]:
    """The crypto lines that we can do: no key identifier, no parameters that would change how packets look."""
    line = rf"^a=crypto:(\d{{1,9}}) ({'|'.join(Suite)}) inline:([A-Za-z0-9+/]{{40}})(?:\|(?:2\^)?\d+)?\s*$"
    for tag, suite, key in re.findall(line, stream, re.MULTILINE):
        yield Crypto(int(tag), Suite(suite), b64decode(key))


def _agreed(stream: str, ours: tuple[Crypto, ...], *, same_tag: bool) -> tuple[Crypto | None, Crypto | None]:
    """The first of its keys that goes with one of ours (RFC 4568 5.1.2, 5.1.3), and ours."""
    for theirs in _cryptos(stream):
        for mine in ours:
            if mine.suite is theirs.suite and (mine.tag == theirs.tag or not same_tag):
                return mine, theirs
    return None, None
