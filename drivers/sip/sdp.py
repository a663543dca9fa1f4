"""Session descriptions (RFC 4566, RFC 3264): our offer of G.711, and what the other side made of it."""

import re
from dataclasses import dataclass

from pyVoIP.RTP import PayloadType

PCMU, PCMA = int(PayloadType.PCMU), int(PayloadType.PCMA)
TELEPHONE_EVENT = 101


class NoAudio(Exception):
    """The answer has no G.711 stream that we could send to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the audio goes, and as what: payload type 0 (PCMU) or 8 (PCMA); events: that of keys (RFC 4733), if any."""

    host: str
    port: int
    payload_type: int
    events: int | None = None


def offer(host: str, port: int, session: int) -> bytes:
    """Our audio at host:port; we only speak, but phones expect sendrecv."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=pinwheel {session} 1 IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {PCMA} {PCMU} {TELEPHONE_EVENT}",
        f"a=rtpmap:{PCMA} PCMA/8000",
        f"a=rtpmap:{PCMU} PCMU/8000",
        f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/8000",
        f"a=fmtp:{TELEPHONE_EVENT} 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]
    return "\r\n".join(lines).encode()


def answer(body: bytes) -> Answer:
    """The first usable audio stream of an answer; c= of the stream wins over c= of the session. Raises NoAudio."""
    sections = re.split(r"\r?\n(?=m=)", "\n" + body.decode("utf-8", "replace"))
    session_host = _connection(sections[0])
    for section in sections[1:]:
        media = re.match(r"m=audio (\d{1,5})(?:/\d+)? \S+((?: \d{1,3})+)", section)
        host = _connection(section) or session_host
        if not media or not host or not 0 < int(media[1]) < 65536:
            continue
        types = [int(number) for number in media[2].split() if int(number) in (PCMU, PCMA)]
        if types:
            keys = re.search(r"^a=rtpmap:(\d{1,3}) telephone-event/8000", section, re.MULTILINE | re.IGNORECASE)
            return Answer(host, int(media[1]), types[0], int(keys[1]) if keys else None)
    raise NoAudio("no G.711 audio in the answer")


def _connection(section: str) -> str:
    match = re.search(r"^c=IN IP[46] ([^\s/]+)", section, re.MULTILINE)
    return match[1] if match else ""
