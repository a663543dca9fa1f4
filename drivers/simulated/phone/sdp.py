"""Session descriptions (RFC 4566) as the phone answers them (RFC 3264)."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from drivers.codecs import g711
from drivers.simulated.phone.message import Address, octets_of, text_of

RATE = 8000  # samples a second of G.711


@dataclass(frozen=True, slots=True)
class Codec:
    """A G.711 law: its name, static payload type and functions."""

    name: str
    payload_type: int
    decode: Callable[[bytes], bytes]
    encode: Callable[[bytes], bytes]


CODECS = {
    "0": Codec("PCMU", 0, g711.ulaw_decode, g711.ulaw_encode),
    "8": Codec("PCMA", 8, g711.alaw_decode, g711.alaw_encode),
}
DIRECTIONS = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
ADDRESS = re.compile(r"^c=IN IP4 ([0-9.]{7,15})", re.MULTILINE)
EVENTS = re.compile(r"^a=rtpmap:([0-9]{1,3}) telephone-event/8000", re.MULTILINE)
DIRECTION = re.compile(r"^a=(sendonly|recvonly|inactive)\b", re.MULTILINE)
WITHOUT_OFFER = b"m=audio 9 RTP/AVP 0 8\r\n"  # an INVITE without one: our answer is the offer (RFC 3261 13.2.1)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the caller offers. sections: the m= parts; chosen: which of them we take."""

    sections: tuple[str, ...]
    chosen: int
    codec: Codec
    events: str  # payload type of telephone-event, or ""
    audio: Address


def read_offer(body: bytes, force: str) -> Offer | None:
    """The first audio stream in a law of ours, or None. `force`: take only this one ("pcma")."""
    session, *sections = re.split(r"(?:^|\r?\n)(?=m=)", text_of(body or WITHOUT_OFFER))
    for chosen, section in enumerate(sections):
        media = re.match(r"m=audio ([1-9][0-9]{0,4}) RTP/AVP((?: [0-9]{1,3}){1,64})", section)
        types = media[2].split() if media else []
        laws = [CODECS[number] for number in types if number in CODECS]
        laws = [law for law in laws if law.name.lower() == (force or law.name).lower()]
        if media is not None and laws:
            host = _found(ADDRESS, section) or _found(ADDRESS, session)
            events = _found(EVENTS, section)
            return Offer(tuple(sections), chosen, laws[0], events, (host, int(media[1])))
    return None


def write_answer(offer: Offer, host: str, port: int) -> bytes:
    """One section for each that was offered, in order; those that we do not take have port 0 (RFC 3264 6)."""
    serial = secrets.randbelow(10**9)
    lines = ["v=0", f"o=phone {serial} 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    for number, section in enumerate(offer.sections):
        kind, _, rest = section.splitlines()[0].partition(" ")
        lines += _audio(offer, section, port) if number == offer.chosen else [f"{kind} 0 {rest.partition(' ')[2]}"]
    return octets_of("\r\n".join([*lines, ""]))


def _audio(offer: Offer, section: str, port: int) -> list[str]:
    law, events = offer.codec, offer.events
    direction = DIRECTIONS.get(_found(DIRECTION, section), "sendrecv")
    lines = [f"m=audio {port} RTP/AVP {law.payload_type}{' ' * bool(events)}{events}"]
    lines += [f"a=rtpmap:{law.payload_type} {law.name}/8000"]
    lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"] if events else []
    return [*lines, "a=ptime:20", f"a={direction}"]


def _found(line: re.Pattern[str], text: str) -> str:
    match = line.search(text)
    return match[1] if match else ""
