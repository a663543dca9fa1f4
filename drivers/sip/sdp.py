"""Session descriptions (RFC 4566, RFC 3264): our offer of G.711, the answer to it, our answers to others.

What a far end describes is taken apart once, in one pass over its lines. With keys (RFC 4568) the stream is RTP/SAVP,
and nothing without the far end's key is usable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pyVoIP.RTP import PayloadType

from drivers.sip.address import HostPort, bare_host_of
from drivers.sip.message import Malformed
from drivers.sip.sdes import Crypto, SrtpKeys, cryptos_in

PCMU, PCMA = int(PayloadType.PCMU), int(PayloadType.PCMA)
NAMES = {PCMU: "PCMU", PCMA: "PCMA"}
TELEPHONE_EVENT = 101
MOST_STREAMS = 16  # of one description
UNSPECIFIED = ("0.0.0.0", "::")
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
class FarEnd:
    """The far end's audio: where it listens, and to what. payload_type: 0 (PCMU) or 8 (PCMA).

    host: an IP address, or a name (RFC 4566 9), which is to be looked up first.

    events: the payload type of its keys (RFC 4733), if any; rtcp_port: 0 for none; srtp: None for plain RTP;
    laws: the payload types of G.711 that it may send.
    """

    host: str
    port: int
    payload_type: int
    events: int | None = None
    frame_ms: int = FRAME_MS
    rtcp_port: int = 0
    direction: Direction = Direction.SENDRECV
    srtp: SrtpKeys | None = None
    laws: tuple[int, ...] = field(default=(), compare=False)

    @property
    def named(self) -> bool:
        """The host is a name."""
        return HostPort(self.host).ip is None

    @property
    def held(self) -> bool:
        """It does not want to hear us now (RFC 3264 8.4; the address 0.0.0.0 is how RFC 2543 said it)."""
        return self.direction in (Direction.SENDONLY, Direction.INACTIVE) or self.host in UNSPECIFIED


# --- what we say -------------------------------------------------------------------------------------------


def offer(host: str, port: int, session: int, cryptos: tuple[Crypto, ...] = ()) -> bytes:
    """Our audio at host:port; we only speak, but phones expect sendrecv."""
    stream = _stream(port, (PCMA, PCMU), TELEPHONE_EVENT, cryptos, Direction.SENDRECV)
    return _written([*_session(host, session, 1), *stream])


def offer_again(offered: bytes, agreed: FarEnd, version: int) -> bytes:
    """Our offer once more, reduced to what was agreed."""
    ours = (agreed.srtp.ours,) if agreed.srtp is not None else ()
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
    ours = (agreed.srtp.ours,) if agreed.srtp is not None else ()
    sections = _sections(body)
    chosen, far = _usable(sections, (agreed.payload_type,), ours, same_tag=False)
    host, port, session = _places(offered)
    direction = Direction.INACTIVE if far.host in UNSPECIFIED else MIRRORED[far.direction]
    cryptos = (Crypto(far.srtp.theirs.tag, far.srtp.ours.suite, far.srtp.ours.key),) if far.srtp else ()
    lines = _session(host, session, version)
    for section in sections[1:]:
        if section is chosen:
            feedback = "F" if section.media.upper().split()[2].endswith("F") else ""
            lines += _stream(port, (far.payload_type,), far.events, cryptos, direction, feedback)
        else:
            lines.append(_declined(section.media))
    return far, _written(lines)


def _declined(media: str) -> str:
    """The m= line that turns a stream down in its place (RFC 3264 6)."""
    words = media.split() if media.isascii() and media.isprintable() else []
    return f"m={words[0]} 0 {' '.join(words[2:])}" if len(words) > 3 else "m=audio 0 RTP/AVP 0"


def _session(host: str, session: int, version: int) -> list[str]:
    address = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
    return ["v=0", f"o=pinwheel {session} {version} {address}", "s=-", f"c={address}", "t=0 0"]


def _stream(
    port: int,
    types: tuple[int, ...],
    events: int | None,
    cryptos: tuple[Crypto, ...],
    direction: Direction,
    feedback: str = "",
) -> list[str]:
    """feedback: "F" behind the profile (RFC 4585), where the far end offered that."""
    numbers = " ".join(map(str, types if events is None else (*types, events)))
    lines = [f"m=audio {port} {_profile(cryptos) + feedback} {numbers}"]
    lines += [f"a=rtpmap:{number} {NAMES[number]}/8000" for number in types]
    if events is not None:
        lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"]
    return [*lines, *map(str, cryptos), f"a=ptime:{FRAME_MS}", f"a={direction}"]


def _profile(cryptos: tuple[Crypto, ...]) -> str:
    return "RTP/SAVP" if cryptos else "RTP/AVP"


def _fits(profile: str, ours: tuple[Crypto, ...]) -> bool:
    """The profile that we offer, or that with feedback (RTP/AVPF, RTP/SAVPF), which nobody has to send (RFC 4585)."""
    return profile.upper() in (_profile(ours), _profile(ours) + "F")


def _written(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


def _places(offered: bytes) -> tuple[str, int, int]:
    """Address, port and session number of an offer of ours."""
    session, stream = _sections(offered)
    return session.host, int(stream.media.split()[1]), int(session.origin.split()[1])


# --- what the far end says ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """What the session, or one stream, says. origin, media: the values of o= and m=; host: of c=, "" for none.

    attributes: the values by name, in order.
    """

    origin: str
    media: str
    host: str
    attributes: Mapping[str, tuple[str, ...]] = field(repr=False)

    def attribute(self, name: str) -> str:
        """The first value, or "" """
        return self.attributes.get(name, ("",))[0]

    @property
    def direction(self) -> Direction | None:
        return next((direction for direction in Direction if direction in self.attributes), None)


def answer(body: bytes, offered: bytes) -> FarEnd:
    """What the far end made of our offer. Raises NoAudio."""
    ours = tuple(cryptos_in(_sections(offered)[1].attributes.get("crypto", ())))
    return _usable(_sections(body), (PCMU, PCMA), ours, same_tag=True)[1]


def _usable(
    sections: list[Section], types: tuple[int, ...], ours: tuple[Crypto, ...], *, same_tag: bool
) -> tuple[Section, FarEnd]:
    """The first stream that we can send to, as it is written and as we read it. Raises NoAudio."""
    session, *streams = sections
    why = "no G.711 audio in the answer"
    for stream in streams:
        try:
            return stream, _far_end(stream, session, types, ours, same_tag=same_tag)
        except NoAudio as exc:
            why = str(exc)
    raise NoAudio(why)


def _far_end(
    stream: Section, session: Section, types: tuple[int, ...], ours: tuple[Crypto, ...], *, same_tag: bool
) -> FarEnd:
    """c= and direction of the stream win over those of the session. Raises NoAudio."""
    kind, port, profile, *formats = [*stream.media.split(), "", "", ""]
    host = stream.host or session.host
    number = _number(port.partition("/")[0], 65535)
    usable = [int(each) for each in formats if _number(each, 127) in types]
    if kind.lower() != "audio" or not host or not number or not usable:
        raise NoAudio("no G.711 audio in the answer")
    srtp = _agreed(stream, ours, same_tag=same_tag)
    if not _fits(profile, ours):
        raise NoAudio(f"the answer is {profile[:20]}, where {_profile(ours)} was offered")
    if ours and srtp is None:
        raise NoAudio("the answer has no key for SRTP")
    return FarEnd(
        host,
        number,
        payload_type=usable[0],
        events=_events(stream),
        frame_ms=_frame_ms(stream),
        rtcp_port=_rtcp_port(stream, number),
        direction=stream.direction or session.direction or Direction.SENDRECV,
        srtp=srtp,
        laws=tuple(usable),
    )


def _sections(body: bytes) -> list[Section]:
    """The session, then each stream. Raises NoAudio for more of these than anybody has."""
    sections: list[list[str]] = [[]]
    for line in body.decode("utf-8", "replace").split("\n"):
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line.rstrip())
    if len(sections) > MOST_STREAMS + 1:
        raise NoAudio(f"more than {MOST_STREAMS} streams in the answer")
    return [_section(lines) for lines in sections]


def _section(lines: list[str]) -> Section:
    """The first line of each kind counts."""
    first: dict[str, str] = {}
    attributes: dict[str, list[str]] = {}
    for line in lines:
        kind, _, value = line.partition("=")
        first.setdefault(kind, value)
        if kind == "a":
            name, _, content = value.partition(":")
            attributes.setdefault(name.lower(), []).append(content)
    frozen = {name: tuple(values) for name, values in attributes.items()}
    return Section(first.get("o", ""), first.get("m", ""), _host(first.get("c", "")), frozen)


def _host(connection: str) -> str:
    """The address or name of a c= line, or "": a multicast group would have many listeners."""
    network, kind, host, *_ = [*connection.split(), "", "", ""]
    try:
        place = HostPort(bare_host_of(host.partition("/")[0]))
    except Malformed:
        return ""
    many = place.ip is not None and place.ip.is_multicast
    return (
        str(place.ip or place.host) if network.upper() == "IN" and kind.upper() in ("IP4", "IP6") and not many else ""
    )


def _number(text: str, most: int) -> int | None:
    """ASCII digits up to `most`; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return int(text) if int(text) <= most else None


def _events(stream: Section) -> int | None:
    """The payload type of keys (RFC 4733 7.1.1)."""
    for value in stream.attributes.get("rtpmap", ()):
        number, _, encoding = value.partition(" ")
        if encoding.strip().lower().startswith("telephone-event/8000"):
            return _number(number, 127)
    return None


def _frame_ms(stream: Section) -> int:
    """The packet time that the far end wants (RFC 4566 6), as near to it as we can."""
    wanted, most = (_number(stream.attribute(name), 9999) for name in ("ptime", "maxptime"))
    frame_ms = min(FRAME_MS if wanted is None else wanted, MOST_FRAME_MS if most is None else most)
    return min(max(frame_ms // 10 * 10, LEAST_FRAME_MS), MOST_FRAME_MS)


def _rtcp_port(stream: Section, port: int) -> int:
    """Where its RTCP is: as it says (RFC 3605), else at the next port (RFC 3550 11)."""
    said = stream.attribute("rtcp").partition(" ")[0]
    rtcp_port = _number(said, 99_999) if said else port + 1
    return rtcp_port if rtcp_port is not None and rtcp_port < 65536 else 0


def _agreed(stream: Section, ours: tuple[Crypto, ...], *, same_tag: bool) -> SrtpKeys | None:
    """The first of its keys that goes with one of ours (RFC 4568 5.1.2, 5.1.3), and ours."""
    for theirs in cryptos_in(stream.attributes.get("crypto", ())):
        for mine in ours:
            if mine.suite is theirs.suite and (mine.tag == theirs.tag or not same_tag):
                return SrtpKeys(mine, theirs)
    return None
