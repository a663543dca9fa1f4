"""A telephone network on loopback: a SIP registrar and user agent server that rings, answers and records.

The demo and the tests call it. The last two digits of a called number choose what the handset does (`HANDSETS`). It
shares no SIP code with the client that it judges, and is strict where real phones are: requests that lack a mandatory
header are dropped, an ACK counts only in its dialog, audio counts only in the payload type that was agreed.

One thread owns everything: the SIP socket, one RTP socket a call, and a heap of what is due. `heard` is called on it.
"""

import contextlib
import hashlib
import heapq
import ipaddress
import itertools
import logging
import os
import re
import secrets
import selectors
import socket
import struct
import threading
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from drivers.codecs import g711

log = logging.getLogger("pinwheel.simulated.phone")

Address = tuple[str, int]

T1_S, T2_S = 0.5, 4.0  # RFC 3261 table 4
GIVE_UP_S = 64 * T1_S
TRYING_S = 0.1  # between 100 and 180: the network looks for the handset
NETWORK_RINGS_S = 180.0  # no network lets a phone ring longer
KEPT_CALLS = 200
KEPT_NONCES = 1000
MAX_DATAGRAM = 65_535
REALM = "simulated"


# --- what the handsets do ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handset:
    """How a called number behaves. final: its last word to an INVITE, None for never; talks_s: hangs up after that."""

    does: str
    final: int | None = 200
    rings_after_s: float | None = TRYING_S  # None: never rings, the final response comes at once
    talks_s: float | None = None
    early_media: bool = False
    mute: bool = False


HANDSETS = {
    "89": Handset("answers, but no audio comes from it, as through a firewall.", mute=True),
    "90": Handset("is busy (486).", 486, None),
    "91": Handset("rings for ever; nobody answers, until the caller cancels.", None),
    "92": Handset("rings, then declines the call (603).", 603),
    "93": Handset("does not exist (404).", 404, None),
    "94": Handset("answers and hangs up two seconds later.", talks_s=2.0),
    "95": Handset("answers and hangs up at once.", talks_s=0.0),
    "96": Handset("cannot be reached: the trunk is out of service (503).", 503, None),
    "97": Handset("is slow: it rings only after three seconds, then answers.", rings_after_s=3.0),
    "98": Handset("sends early media (183 and a tone) instead of ringing, then answers.", early_media=True),
    "99": Handset("may not be called: the trunk forbids it (403).", 403, None),
}
"""By the last two digits of the called number."""
ORDINARY = Handset("rings, answers, and listens until the caller hangs up.")

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
CHALLENGES = {
    "REGISTER": (401, "WWW-Authenticate", "authorization"),
    "INVITE": (407, "Proxy-Authenticate", "proxy-authorization"),
}
"""What is asked of whom when the phone has a password: status, header of the challenge, header of the answer."""


Kind = Literal["registered", "ringing", "answered", "ended", "recorded"]


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """What the phone did. seconds: talked ("ended") or recorded; status: the final response to the INVITE."""

    kind: Kind
    number: str = field(default="", repr=False)
    call: int = 0
    wav: Path | None = None
    seconds: float = 0.0
    packets: int = 0
    lost: int = 0
    status: int = 0


# --- SIP messages ------------------------------------------------------------------------------------------

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
    start, *lines = re.sub(r"\r\n[ \t]+", " ", _text(head)).split("\r\n")
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
    if version == "SIP/2.0" and re.fullmatch(r"[A-Z]+", first):
        return Message(first, uri, 0, headers, body)
    return None


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _text(octets: bytes) -> str:
    """So that what is echoed has the octets that came."""
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _tag(value: str) -> str:
    match = re.search(r";\s*tag\s*=\s*([^;,\s]+)", value.rpartition(">")[2])
    return match[1] if match else ""


def _uri(value: str) -> str:
    match = re.search(r"<([^>]+)>", value)
    return match[1] if match else value.partition(";")[0].strip()


def _digits(uri: str) -> str:
    """The telephone number in a sip: URI, without its "+"."""
    user = uri.partition(":")[2].partition("@")[0].partition(";")[0]
    return re.sub(r"[^0-9]", "", user.replace("%2B", ""))


def _address(uri: str, default: Address) -> Address:
    """Where a URI with a numeric IPv4 host leads to."""
    match = re.search(r"(?:@|:|^)([0-9.]{7,15})(?::([0-9]{1,5}))?(?:[;?>]|$)", uri)
    return (match[1], int(match[2] or 5060)) if match else default


def _via(request: Message, source: Address) -> tuple[list[str], Address]:
    """The Vias of a response, and where it goes: to the source if rport asks for it, else to the sent-by port."""
    first, comma, others = request.first("via").partition(",")
    asked = re.search(r";\s*rport\s*(?=;|$)", first)
    if asked:
        first = f"{first[: asked.start()]};rport={source[1]}{first[asked.end() :]}"
    sent_by = re.match(r"\S+\s+[^\s:;]+(?::([0-9]{1,5}))?", first)
    port = source[1] if asked else int(sent_by[1] or 5060) if sent_by else 5060
    vias = [f"{first};received={source[0]}{comma}{others}", *request.every("via")[1:]]
    return vias, (source[0], port)


def _compose(start: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", ""]
    return _octets("\r\n".join(lines)) + body


# --- digest (RFC 2617) -------------------------------------------------------------------------------------


class Guard:
    """Asks for a password by digest MD5 with qop=auth; a nonce serves many requests, each count once."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._used: dict[str, int] = {}  # by nonce: the highest nc

    def challenge(self, *, stale: bool) -> str:
        nonce = secrets.token_hex(16)
        self._used[nonce] = 0
        while len(self._used) > KEPT_NONCES:
            del self._used[next(iter(self._used))]
        return f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth"' + ", stale=true" * stale

    def check(self, request: Message, header: str) -> tuple[bool, bool]:
        """(may pass, nonce is stale)."""
        found = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', request.first(header))
        fields = {name.lower(): quoted or bare for name, quoted, bare in found}
        right = secrets.compare_digest(_octets(fields.get("response", "")), self._response(request, fields).encode())
        if not right or fields.get("uri") != request.uri or fields.get("qop") != "auth":
            return False, False
        count = fields.get("nc", "")
        if not re.fullmatch(r"[0-9a-fA-F]{8}", count):
            return False, False
        nonce = fields.get("nonce", "")
        if int(count, 16) <= self._used.get(nonce, 0xFFFFFFFF):
            return False, True
        self._used[nonce] = int(count, 16)
        return True, False

    def _response(self, request: Message, fields: dict[str, str]) -> str:
        def md5(*parts: str) -> str:
            return hashlib.md5(_octets(":".join(parts)), usedforsecurity=False).hexdigest()

        def said(name: str) -> str:
            return fields.get(name, "")

        secret = md5(said("username"), REALM, self._password)
        return md5(secret, said("nonce"), said("nc"), said("cnonce"), "auth", md5(request.method, request.uri))


# --- session descriptions (RFC 3264) -----------------------------------------------------------------------


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
    session, *sections = re.split(r"(?:^|\r?\n)(?=m=)", _text(body or WITHOUT_OFFER))
    for chosen, section in enumerate(sections):
        media = re.match(r"m=audio ([1-9][0-9]{0,4}) RTP/AVP((?: [0-9]{1,3})+)", section)
        types = media[2].split() if media else []
        laws = [CODECS[number] for number in types if number in CODECS]
        laws = [law for law in laws if law.name.lower() == (force or law.name).lower()]
        if media is not None and laws:
            host = _found(r"c=IN IP4 ([0-9.]+)", section) or _found(r"c=IN IP4 ([0-9.]+)", session)
            events = _found(r"a=rtpmap:([0-9]+) telephone-event/8000", section)
            return Offer(tuple(sections), chosen, laws[0], events, (host, int(media[1])))
    return None


def write_answer(offer: Offer, host: str, port: int) -> bytes:
    """One section for each that was offered, in order; those that we do not take have port 0 (RFC 3264 6)."""
    serial = secrets.randbelow(10**9)
    lines = ["v=0", f"o=phone {serial} 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    for number, section in enumerate(offer.sections):
        refused = re.sub(r"^(m=\S+) \S+", r"\1 0", section.splitlines()[0])
        lines += _audio(offer, section, port) if number == offer.chosen else [refused]
    return _octets("\r\n".join([*lines, ""]))


def _audio(offer: Offer, section: str, port: int) -> list[str]:
    law, events = offer.codec, offer.events
    direction = DIRECTIONS.get(_found(r"a=(sendonly|recvonly|inactive)\b", section), "sendrecv")
    lines = [f"m=audio {port} RTP/AVP {law.payload_type}{' ' * bool(events)}{events}"]
    lines += [f"a=rtpmap:{law.payload_type} {law.name}/8000"]
    lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"] if events else []
    return [*lines, "a=ptime:20", f"a={direction}"]


def _found(pattern: str, text: str) -> str:
    match = re.search(f"^{pattern}", text, re.MULTILINE)
    return match[1] if match else ""


# --- audio (RFC 3550) --------------------------------------------------------------------------------------

RATE = 8000
FRAME_S, FRAME_SAMPLES = 0.020, 160
QUIET_S, QUIET_SAMPLES = 0.2, 1600  # between packets of a phone into which nobody speaks
MAX_FRAMES = 30_000  # ten minutes
MAX_JUMP = {16: 3000, 32: 60 * RATE}  # RFC 3550 A.1: a sequence number or timestamp that leaps further is nonsense
SO_TIMESTAMPNS = 35  # Linux's asm-generic/socket.h; the socket module has no name for it
TIMESPEC = struct.Struct("@qq")
TONE = struct.pack("<8h", 0, 5657, 8000, 5657, 0, -5657, -8000, -5657) * (FRAME_SAMPLES // 8)  # 1 kHz


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet of audio. sequence and timestamp do not wrap; arrived: on the monotonic clock, by the kernel."""

    sequence: int
    timestamp: int
    marker: bool
    arrived: float
    payload: bytes = field(repr=False)


@dataclass(slots=True)
class CallRecord:
    """One call, as the callee has it. frames: as they arrived; strange: datagrams that were none of its audio."""

    call: int
    number: str = field(repr=False)
    codec: Codec | None = None
    status: int = 0
    rang_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    frames: list[Frame] = field(default_factory=list, repr=False)
    strange: int = 0
    wav: Path | None = None
    _source: int | None = None

    @property
    def packets(self) -> int:
        return len(self.frames)

    @property
    def arrivals(self) -> list[float]:
        return [frame.arrived for frame in self.frames]

    @property
    def lost(self) -> int:
        """How many sequence numbers between the first and the last never came."""
        numbers = {frame.sequence for frame in self.frames}
        return max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Where the recording has silence for want of audio: (start, length) in seconds."""
        return self._assembled()[1]

    @property
    def pcm(self) -> bytes:
        """What was heard: 16-bit samples, in their order, each at its time, zeros where nothing came."""
        return self._assembled()[0]

    @property
    def talk_s(self) -> float:
        return self.ended_at - self.answered_at if self.ended_at and self.answered_at else 0.0

    def take(self, data: bytes, arrived: float) -> None:
        """Keep one datagram of the audio socket, if it is audio of this call."""
        packet = _packet(data)
        if packet is None or self.codec is None or len(self.frames) >= MAX_FRAMES:
            self.strange += 1
            return
        payload_type, sequence, timestamp, source, marker, payload = packet
        last = self.frames[-1] if self.frames else Frame(sequence, timestamp, marker, arrived, payload)
        ahead, later = _leap(sequence, last.sequence, 16), _leap(timestamp, last.timestamp, 32)
        ours = payload_type == self.codec.payload_type and source == (self._source or source)
        if not ours or abs(ahead) > MAX_JUMP[16] or abs(later) > MAX_JUMP[32]:
            self.strange += 1
            return
        self._source = source
        self.frames.append(Frame(last.sequence + ahead, last.timestamp + later, marker, arrived, payload))

    def _assembled(self) -> tuple[bytes, list[tuple[float, float]]]:
        pcm, gaps = bytearray(), list[tuple[float, float]]()
        frames = sorted(self.frames, key=lambda frame: frame.timestamp)
        for frame in frames:
            assert self.codec is not None
            start = 2 * (frame.timestamp - frames[0].timestamp)
            if start > len(pcm):
                gaps.append((len(pcm) / 2 / RATE, (start - len(pcm)) / 2 / RATE))
                pcm += bytes(start - len(pcm))
            pcm[start : start + 2 * len(frame.payload)] = self.codec.decode(frame.payload)
        return bytes(pcm), gaps


def _packet(data: bytes) -> tuple[int, int, int, int, bool, bytes] | None:
    """Payload type, sequence number, timestamp, source, marker and payload of an RTP packet; None if it is none."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    flags, kind, sequence, timestamp, source = struct.unpack_from("!BBHII", data)
    start = 12 + 4 * (flags & 0x0F)
    if flags & 0x10 and len(data) >= start + 4:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    padding = data[-1] if flags & 0x20 else 0
    payload = data[start : len(data) - padding]
    return (kind & 0x7F, sequence, timestamp, source, kind > 0x7F, payload) if payload else None


def _leap(value: int, last: int, bits: int) -> int:
    """How far a number of so many bits has moved, the shorter way round."""
    half = 1 << (bits - 1)
    return (value - last + half) % (2 * half) - half


def write_wav(path: Path, pcm: bytes) -> None:
    """A WAV that only its owner may read: somebody's PIN is spoken in it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(pcm)


# --- the phone ---------------------------------------------------------------------------------------------

DialogKey = tuple[str, str]  # Call-ID and the caller's tag
TransactionKey = tuple[str, str, str, str]  # branch, Call-ID, CSeq number, method (RFC 3261 17.2.3)


@dataclass(slots=True, eq=False)
class Leg:
    """One call under way."""

    invite: Message
    source: Address
    handset: Handset
    record: CallRecord
    offer: Offer
    rtp: socket.socket
    sdp: bytes = field(repr=False)
    tag: str = field(default_factory=lambda: secrets.token_hex(8))
    acknowledged: bool = False
    bye_answered: bool = False

    @property
    def over(self) -> bool:
        return self.record.ended_at is not None

    @property
    def waits(self) -> bool:
        """Neither answered nor refused nor cancelled."""
        return self.record.status == 0


class SimulatedPhone:
    """All the phones of a country behind one trunk. `codec`: take only "pcmu" or "pcma"; `password`: ask for it."""

    def __init__(
        self,
        bind: str = "127.0.0.2:0",
        *,
        recordings: Path | None = None,
        heard: Callable[[PhoneEvent], None] | None = None,
        ring_s: float = 1.0,
        password: str = "",
        codec: str = "",
    ) -> None:
        self.calls: list[CallRecord] = []
        self._bind, self._recordings, self._ring_s, self._codec = bind, recordings, ring_s, codec
        self._heard = heard or (lambda _: None)
        self._guard = Guard(password) if password else None
        self._contacts: dict[str, str] = {}  # by address of record
        self._legs: dict[DialogKey, Leg] = {}
        self._answers: dict[TransactionKey, tuple[bytes, Address]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count(1)
        self._call_serial = itertools.count(1)
        self._closing = False
        self._thread: threading.Thread | None = None

    # --- for others ---

    @property
    def address(self) -> str:
        """host:port of the SIP socket; known once it is open."""
        return f"{self._host}:{self._port}"

    def open(self) -> None:
        """Bind and start. Raises OSError for a taken port, ValueError for an address that is not loopback."""
        host, _, port = self._bind.rpartition(":")
        if not ipaddress.IPv4Address(host).is_loopback:
            raise ValueError("cannot bind a simulated phone beyond 127.0.0.0/8")
        if self._recordings is not None:
            self._recordings.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sip = _udp(host, int(port))
        self._host, self._port = self._sip.getsockname()
        self._wake_in, self._wake_out = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="simulated-phone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every call (their recordings are written), and release the ports."""
        if self._thread is None:
            return
        self._closing = True
        self._wake_out.send(b"!")
        self._thread.join(10)
        self._thread = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the thread ---

    def _run(self) -> None:
        with selectors.DefaultSelector() as self._selector, self._sip, self._wake_in, self._wake_out:
            self._selector.register(self._wake_in, selectors.EVENT_READ, lambda: None)
            self._selector.register(self._sip, selectors.EVENT_READ, self._read_sip)
            while not self._closing:
                for key, _ in self._selector.select(self._fire()):
                    key.data()
            for leg in list(self._legs.values()):
                self._give_up(leg)

    def _fire(self) -> float | None:
        """Do what is due. Seconds until something is."""
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()
        return max(self._due[0][0] - time.monotonic(), 0) if self._due else None

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._serial), action))

    def _repeat(self, data: bytes, to: Address, done: Callable[[], bool], give_up: Callable[[], None]) -> None:
        """Send until it is done: after T1, then twice as late each time up to T2 (RFC 3261 13.3.1.4, 17.1.2.2)."""
        started = time.monotonic()

        def again(interval: float) -> None:
            if done():
                return
            if time.monotonic() - started >= GIVE_UP_S:
                give_up()
                return
            self._send(data, to)
            self._after(interval, lambda: again(min(2 * interval, T2_S)))

        again(T1_S)

    def _send(self, data: bytes, to: Address) -> None:
        with contextlib.suppress(OSError, OverflowError):  # a port or host that nobody can have: lost on the way
            self._sip.sendto(data, to)

    def _read_sip(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, source = self._sip.recvfrom(MAX_DATAGRAM)
                message = read_message(data)
                if message is None:
                    log.debug("phone=ignored octets=%s", len(data))
                elif message.method:
                    self._on_request(message, source)
                else:
                    self._on_response(message)

    # --- requests ---

    def _on_request(self, request: Message, source: Address) -> None:
        if request.method == "ACK":
            self._on_ack(request)
            return
        answered = self._answers.get(_transaction(request, request.method))
        if answered is not None:
            self._send(*answered)
            return
        handlers = {
            "REGISTER": self._on_register,
            "INVITE": self._on_invite,
            "CANCEL": self._on_cancel,
            "BYE": self._on_bye,
            "OPTIONS": self._on_options,
        }
        handlers.get(request.method, self._on_other)(request, source)

    def _reply(
        self, request: Message, source: Address, status: int, *more: tuple[str, str], tag: str = "", body: bytes = b""
    ) -> tuple[bytes, Address]:
        """Answer, and remember the answer for when the request comes again."""
        vias, to = _via(request, source)
        own_tag = "" if _tag(request.first("to")) or status == 100 else f";tag={tag or secrets.token_hex(8)}"
        headers = [("Via", via) for via in vias]
        headers += [("From", request.first("from")), ("To", request.first("to") + own_tag)]
        headers += [("Call-ID", request.first("call-id")), ("CSeq", request.first("cseq")), *more]
        headers += [("Content-Type", "application/sdp")] if body else []
        data = _compose(f"SIP/2.0 {status} {REASONS[status]}", headers, body)
        key = _transaction(request, request.method)
        self._answers[key] = data, to
        if status >= 200:
            self._after(GIVE_UP_S, lambda: self._answers.pop(key, None) and None)
        self._send(data, to)
        return data, to

    def _passes(self, request: Message, source: Address) -> bool:
        """Whether the request shows the password; if not, it has been asked for."""
        if self._guard is None:
            return True
        status, header, answer = CHALLENGES[request.method]
        passes, stale = self._guard.check(request, answer)
        if not passes:
            self._reply(request, source, status, (header, self._guard.challenge(stale=stale)))
        return passes

    def _on_register(self, request: Message, source: Address) -> None:
        if not self._passes(request, source):
            return
        whose, contact = _uri(request.first("to")), request.first("contact")
        asked = re.search(r";\s*expires\s*=\s*([0-9]{1,9})", contact.rpartition(">")[2])
        seconds = int(asked[1]) if asked else int(re.sub(r"[^0-9]", "", request.first("expires"))[:9] or 3600)
        if contact and seconds:
            self._contacts[whose] = _uri(contact)
        elif contact:
            self._contacts.pop(whose, None)
        bound = self._contacts.get(whose)
        more = [("Contact", f"<{bound}>;expires={seconds}")] if bound else []
        self._reply(request, source, 200, *more, ("Expires", str(seconds)))
        if contact and seconds:
            self._heard(PhoneEvent("registered"))

    def _on_options(self, request: Message, source: Address) -> None:
        self._reply(request, source, 200, ALLOW, ("Accept", "application/sdp"))

    def _on_other(self, request: Message, source: Address) -> None:
        self._reply(request, source, 405, ALLOW)

    def _on_ack(self, request: Message) -> None:
        leg = self._legs.get(_dialog(request))
        ours = leg is not None and _tag(request.first("to")) == leg.tag and request.cseq == leg.invite.cseq
        if leg is None or not ours or leg.acknowledged:
            return
        leg.acknowledged = True
        if not leg.handset.mute:
            self._keep_quiet(leg, 0)
        if leg.handset.talks_s is not None:
            self._after(leg.handset.talks_s, lambda: self._hang_up(leg))

    def _on_cancel(self, request: Message, source: Address) -> None:
        leg = self._legs.get(_dialog(request))
        if leg is None or _transaction(leg.invite, "") != _transaction(request, ""):
            self._reply(request, source, 481)
            return
        self._reply(request, source, 200, tag=leg.tag)
        if leg.waits:
            self._refuse(leg, 487)

    def _on_bye(self, request: Message, source: Address) -> None:
        leg = self._legs.get(_dialog(request))
        if leg is None or leg.over or _tag(request.first("to")) != leg.tag:
            self._reply(request, source, 481)
            return
        self._reply(request, source, 200)
        if leg.waits:  # an early dialog may be ended so (RFC 3261 15.1.2)
            self._refuse(leg, 487)
        else:
            self._end(leg)

    def _on_response(self, response: Message) -> None:
        """Only our BYE can be answered."""
        leg = self._legs.get((response.first("call-id"), _tag(response.first("to"))))
        if leg is not None and response.status >= 200:
            leg.bye_answered = True

    # --- calls ---

    def _on_invite(self, request: Message, source: Address) -> None:
        leg = self._legs.get(_dialog(request))
        if _tag(request.first("to")):
            self._on_invite_again(leg, request, source)
        elif leg is not None and not leg.over:
            self._reply(request, source, 482)
        elif self._passes(request, source):
            self._ring(request, source)

    def _on_invite_again(self, leg: Leg | None, request: Message, source: Address) -> None:
        if leg is None or leg.over or _tag(request.first("to")) != leg.tag:
            self._reply(request, source, 481)
        else:
            self._reply(request, source, 200, self._contact, body=leg.sdp)

    def _ring(self, request: Message, source: Address) -> None:
        offer = read_offer(request.body, self._codec)
        self._reply(request, source, 100)
        if offer is None:
            self._reply(request, source, 488)
            return
        leg = self._leg(request, source, offer)
        self._legs[_dialog(request)] = leg
        self.calls.append(leg.record)
        del self.calls[:-KEPT_CALLS]
        if leg.handset.rings_after_s is not None:
            self._after(leg.handset.rings_after_s, lambda: self._alert(leg))
        elif leg.handset.final is not None:
            self._refuse(leg, leg.handset.final)

    def _leg(self, request: Message, source: Address, offer: Offer) -> Leg:
        number = _digits(request.uri)
        record = CallRecord(next(self._call_serial), number, offer.codec)
        rtp = _rtp(self._host)
        sdp = write_answer(offer, self._host, rtp.getsockname()[1])
        leg = Leg(request, source, HANDSETS.get(number[-2:], ORDINARY), record, offer, rtp, sdp)
        self._selector.register(rtp, selectors.EVENT_READ, lambda: _read_audio(leg))
        return leg

    @property
    def _contact(self) -> tuple[str, str]:
        return "Contact", f"<sip:phone@{self.address}>"

    def _respond(self, leg: Leg, status: int, body: bytes = b"") -> tuple[bytes, Address]:
        routes = [("Record-Route", value) for value in leg.invite.every("record-route")]
        return self._reply(leg.invite, leg.source, status, *routes, self._contact, ALLOW, tag=leg.tag, body=body)

    def _alert(self, leg: Leg) -> None:
        if not leg.waits:
            return
        leg.record.rang_at = time.monotonic()
        self._respond(leg, *((183, leg.sdp) if leg.handset.early_media else (180,)))
        self._tell("ringing", leg)
        if leg.handset.early_media:
            self._play_tone(leg, 0, time.monotonic())
        if leg.handset.final is None:
            self._after(NETWORK_RINGS_S, lambda: self._refuse(leg, 480))
        elif leg.handset.final == 200:
            self._after(self._ring_s, lambda: self._answer(leg))
        else:
            final = leg.handset.final
            self._after(self._ring_s, lambda: self._refuse(leg, final))

    def _answer(self, leg: Leg) -> None:
        if not leg.waits:
            return
        leg.record.status, leg.record.answered_at = 200, time.monotonic()
        data, to = self._respond(leg, 200, leg.sdp)
        self._tell("answered", leg)
        # Without an ACK there is no call (RFC 3261 13.3.1.4). The response has gone out once already.
        self._after(
            T1_S, lambda: self._repeat(data, to, lambda: leg.acknowledged or leg.over, lambda: self._hang_up(leg))
        )

    def _refuse(self, leg: Leg, status: int) -> None:
        """Any final response but 200; it is repeated like that one (RFC 3261 17.2.1)."""
        if not leg.waits:
            return
        leg.record.status = status
        data, to = self._respond(leg, status)
        self._after(T1_S, lambda: self._repeat(data, to, lambda: leg.acknowledged, lambda: None))
        self._end(leg)

    def _play_tone(self, leg: Leg, count: int, due: float) -> None:
        """Early media, until the answer; a frame that nobody takes is lost, like any."""
        if not leg.waits:
            return
        marker = 0x80 if count == 0 else 0
        header = struct.pack("!BBHII", 0x80, marker | leg.offer.codec.payload_type, count, count * FRAME_SAMPLES, 1)
        with contextlib.suppress(OSError, OverflowError):
            leg.rtp.sendto(header + leg.offer.codec.encode(TONE), leg.offer.audio)
        due += FRAME_S
        self._after(due - time.monotonic(), lambda: self._play_tone(leg, count + 1, due))

    def _keep_quiet(self, leg: Leg, count: int) -> None:
        """Silence, as a phone sends it when nobody speaks into it; few packets, as they only show where it is."""
        if leg.over:
            return
        header = struct.pack("!BBHII", 0x80, leg.offer.codec.payload_type, count, count * QUIET_SAMPLES, 2)
        with contextlib.suppress(OSError, OverflowError):
            leg.rtp.sendto(header + leg.offer.codec.encode(bytes(2 * FRAME_SAMPLES)), leg.offer.audio)
        self._after(QUIET_S, lambda: self._keep_quiet(leg, count + 1))

    def _hang_up(self, leg: Leg) -> None:
        """BYE to the caller's contact, along the route that the INVITE recorded (RFC 3261 12.1.1)."""
        if leg.over:
            return
        target = _uri(leg.invite.first("contact")) or _uri(leg.invite.first("from"))
        routes = leg.invite.every("record-route")
        headers = [("Via", f"SIP/2.0/UDP {self.address};branch=z9hG4bK{secrets.token_hex(8)};rport")]
        headers += [("Max-Forwards", "70"), *(("Route", route) for route in routes)]
        headers += [("From", f"{leg.invite.first('to')};tag={leg.tag}"), ("To", leg.invite.first("from"))]
        headers += [("Call-ID", leg.invite.first("call-id")), ("CSeq", "1 BYE")]
        to = _address(_uri(routes[0]) if routes else target, leg.source)
        self._repeat(_compose(f"BYE {target} SIP/2.0", headers), to, lambda: leg.bye_answered, lambda: None)
        self._end(leg)

    def _give_up(self, leg: Leg) -> None:
        """The phone closes."""
        if leg.waits:
            self._refuse(leg, 480)
        else:
            self._hang_up(leg)

    def _end(self, leg: Leg) -> None:
        """The call is over: write down what was heard, and forget the call when nothing can come for it any more."""
        _read_audio(leg)
        leg.record.ended_at = time.monotonic()
        self._selector.unregister(leg.rtp)
        leg.rtp.close()
        self._tell("ended", leg, leg.record.talk_s)
        if leg.record.answered_at is not None and self._recordings is not None:
            self._write(leg, self._recordings)
        self._after(GIVE_UP_S, lambda: self._forget(leg))

    def _write(self, leg: Leg, folder: Path) -> None:
        name = hashlib.sha256(_octets(leg.invite.first("call-id"))).hexdigest()[:12]
        path, pcm = folder / f"{name}-{leg.record.number[-4:] or 'none'}.wav", leg.record.pcm
        try:
            write_wav(path, pcm)
        except OSError as exc:
            log.warning("phone=not-recorded call=%s error=%s", leg.record.call, exc.strerror)
            return
        leg.record.wav = path
        self._tell("recorded", leg, len(pcm) / 2 / RATE)

    def _forget(self, leg: Leg) -> None:
        if self._legs.get(_dialog(leg.invite)) is leg:
            del self._legs[_dialog(leg.invite)]

    def _tell(self, kind: Kind, leg: Leg, seconds: float = 0.0) -> None:
        record = leg.record
        log.info("phone=%s call=%s status=%s packets=%s", kind, record.call, record.status, record.packets)
        seconds = round(seconds, 3)
        event = PhoneEvent(
            kind, record.number, record.call, record.wav, seconds, record.packets, record.lost, record.status
        )
        self._heard(event)


ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER")


def _dialog(request: Message) -> DialogKey:
    return request.first("call-id"), _tag(request.first("from"))


def _transaction(request: Message, method: str) -> TransactionKey:
    branch = re.search(r";\s*branch\s*=\s*([^;,\s]+)", request.first("via"))
    return branch[1] if branch else "", request.first("call-id"), request.cseq, method


def _udp(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _rtp(host: str) -> socket.socket:
    """A socket on any even port (RFC 3550 11) that stamps what arrives."""
    while True:
        sock = _udp(host, 0)
        if sock.getsockname()[1] % 2 == 0:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            return sock
        sock.close()


def _read_audio(leg: Leg) -> None:
    """Take all that has arrived; the kernel says when, so that a busy thread does not look like jitter."""
    with contextlib.suppress(OSError):
        while True:
            data, extra, _, _ = leg.rtp.recvmsg(MAX_DATAGRAM, socket.CMSG_SPACE(TIMESPEC.size))
            seconds, nanoseconds = TIMESPEC.unpack(extra[0][2])
            leg.record.take(data, time.monotonic() - (time.time() - seconds - nanoseconds / 1e9))
