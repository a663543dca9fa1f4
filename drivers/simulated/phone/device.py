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
import re
import secrets
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from drivers.simulated.phone.digest import CHALLENGES, Guard
from drivers.simulated.phone.handsets import HANDSETS, ORDINARY, Handset
from drivers.simulated.phone.message import (
    REASONS,
    Address,
    DialogKey,
    Message,
    TransactionKey,
    address_of,
    compose,
    dialog_of,
    digits_of,
    octets_of,
    read_message,
    tag_of,
    transaction_of,
    uri_of,
    via_back,
)
from drivers.simulated.phone.recording import RATE, CallRecord, write_wav
from drivers.simulated.phone.sdp import Offer, read_offer, write_answer

log = logging.getLogger("pinwheel.simulated.phone")

T1_S, T2_S = 0.5, 4.0  # RFC 3261 table 4
GIVE_UP_S = 64 * T1_S
NETWORK_RINGS_S = 180.0  # no network lets a phone ring longer
KEPT_CALLS = 200
MAX_DATAGRAM = 65_535


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


FRAME_S, FRAME_SAMPLES = 0.020, 160
QUIET_S, QUIET_SAMPLES = 0.2, 1600  # between packets of a phone into which nobody speaks
SO_TIMESTAMPNS = 35  # Linux's asm-generic/socket.h; the socket module has no name for it
TIMESPEC = struct.Struct("@qq")
TONE = struct.pack("<8h", 0, 5657, 8000, 5657, 0, -5657, -8000, -5657) * (FRAME_SAMPLES // 8)  # 1 kHz


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
        self._sip = udp_socket(host, int(port))
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
        answered = self._answers.get(transaction_of(request, request.method))
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
        vias, to = via_back(request, source)
        own_tag = "" if tag_of(request.first("to")) or status == 100 else f";tag={tag or secrets.token_hex(8)}"
        headers = [("Via", via) for via in vias]
        headers += [("From", request.first("from")), ("To", request.first("to") + own_tag)]
        headers += [("Call-ID", request.first("call-id")), ("CSeq", request.first("cseq")), *more]
        headers += [("Content-Type", "application/sdp")] if body else []
        data = compose(f"SIP/2.0 {status} {REASONS[status]}", headers, body)
        key = transaction_of(request, request.method)
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
        whose, contact = uri_of(request.first("to")), request.first("contact")
        asked = re.search(r";\s*expires\s*=\s*([0-9]{1,9})", contact.rpartition(">")[2])
        seconds = int(asked[1]) if asked else int(re.sub(r"[^0-9]", "", request.first("expires"))[:9] or 3600)
        if contact and seconds:
            self._contacts[whose] = uri_of(contact)
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
        leg = self._legs.get(dialog_of(request))
        ours = leg is not None and tag_of(request.first("to")) == leg.tag and request.cseq == leg.invite.cseq
        if leg is None or not ours or leg.acknowledged:
            return
        leg.acknowledged = True
        if not leg.handset.mute:
            self._keep_quiet(leg, 0)
        if leg.handset.talks_s is not None:
            self._after(leg.handset.talks_s, lambda: self._hang_up(leg))

    def _on_cancel(self, request: Message, source: Address) -> None:
        leg = self._legs.get(dialog_of(request))
        if leg is None or transaction_of(leg.invite, "") != transaction_of(request, ""):
            self._reply(request, source, 481)
            return
        self._reply(request, source, 200, tag=leg.tag)
        if leg.waits:
            self._refuse(leg, 487)

    def _on_bye(self, request: Message, source: Address) -> None:
        leg = self._legs.get(dialog_of(request))
        if leg is None or leg.over or tag_of(request.first("to")) != leg.tag:
            self._reply(request, source, 481)
            return
        self._reply(request, source, 200)
        if leg.waits:  # an early dialog may be ended so (RFC 3261 15.1.2)
            self._refuse(leg, 487)
        else:
            self._end(leg)

    def _on_response(self, response: Message) -> None:
        """Only our BYE can be answered."""
        leg = self._legs.get((response.first("call-id"), tag_of(response.first("to"))))
        if leg is not None and response.status >= 200:
            leg.bye_answered = True

    # --- calls ---

    def _on_invite(self, request: Message, source: Address) -> None:
        leg = self._legs.get(dialog_of(request))
        if tag_of(request.first("to")):
            self._on_invite_again(leg, request, source)
        elif leg is not None and not leg.over:
            self._reply(request, source, 482)
        elif self._passes(request, source):
            self._ring(request, source)

    def _on_invite_again(self, leg: Leg | None, request: Message, source: Address) -> None:
        if leg is None or leg.over or tag_of(request.first("to")) != leg.tag:
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
        self._legs[dialog_of(request)] = leg
        self.calls.append(leg.record)
        del self.calls[:-KEPT_CALLS]
        if leg.handset.rings_after_s is not None:
            self._after(leg.handset.rings_after_s, lambda: self._alert(leg))
        elif leg.handset.final is not None:
            self._refuse(leg, leg.handset.final)

    def _leg(self, request: Message, source: Address, offer: Offer) -> Leg:
        number = digits_of(request.uri)
        record = CallRecord(next(self._call_serial), number, offer.codec)
        rtp = rtp_socket(self._host)
        sdp = write_answer(offer, self._host, rtp.getsockname()[1])
        leg = Leg(request, source, HANDSETS.get(number[-2:], ORDINARY), record, offer, rtp, sdp)
        self._selector.register(rtp, selectors.EVENT_READ, lambda: read_audio(leg))
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
        target = uri_of(leg.invite.first("contact")) or uri_of(leg.invite.first("from"))
        routes = leg.invite.every("record-route")
        headers = [("Via", f"SIP/2.0/UDP {self.address};branch=z9hG4bK{secrets.token_hex(8)};rport")]
        headers += [("Max-Forwards", "70"), *(("Route", route) for route in routes)]
        headers += [("From", f"{leg.invite.first('to')};tag={leg.tag}"), ("To", leg.invite.first("from"))]
        headers += [("Call-ID", leg.invite.first("call-id")), ("CSeq", "1 BYE")]
        to = address_of(uri_of(routes[0]) if routes else target, leg.source)
        self._repeat(compose(f"BYE {target} SIP/2.0", headers), to, lambda: leg.bye_answered, lambda: None)
        self._end(leg)

    def _give_up(self, leg: Leg) -> None:
        """The phone closes."""
        if leg.waits:
            self._refuse(leg, 480)
        else:
            self._hang_up(leg)

    def _end(self, leg: Leg) -> None:
        """The call is over: write down what was heard, and forget the call when nothing can come for it any more."""
        read_audio(leg)
        leg.record.ended_at = time.monotonic()
        self._selector.unregister(leg.rtp)
        leg.rtp.close()
        self._tell("ended", leg, leg.record.talk_s)
        if leg.record.answered_at is not None and self._recordings is not None:
            self._write(leg, self._recordings)
        self._after(GIVE_UP_S, lambda: self._forget(leg))

    def _write(self, leg: Leg, folder: Path) -> None:
        name = hashlib.sha256(octets_of(leg.invite.first("call-id"))).hexdigest()[:12]
        path, pcm = folder / f"{name}-{leg.record.number[-4:] or 'none'}.wav", leg.record.pcm
        try:
            write_wav(path, pcm)
        except OSError as exc:
            log.warning("phone=not-recorded call=%s error=%s", leg.record.call, exc.strerror)
            return
        leg.record.wav = path
        self._tell("recorded", leg, len(pcm) / 2 / RATE)

    def _forget(self, leg: Leg) -> None:
        if self._legs.get(dialog_of(leg.invite)) is leg:
            del self._legs[dialog_of(leg.invite)]

    def _tell(self, kind: Kind, leg: Leg, seconds: float = 0.0) -> None:
        record = leg.record
        log.info("phone=%s call=%s status=%s packets=%s", kind, record.call, record.status, record.packets)
        seconds = round(seconds, 3)
        event = PhoneEvent(
            kind, record.number, record.call, record.wav, seconds, record.packets, record.lost, record.status
        )
        self._heard(event)


ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER")


def udp_socket(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def rtp_socket(host: str) -> socket.socket:
    """A socket on any even port (RFC 3550 11) that stamps what arrives."""
    while True:
        sock = udp_socket(host, 0)
        if sock.getsockname()[1] % 2 == 0:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            return sock
        sock.close()


def read_audio(leg: Leg) -> None:
    """Take all that has arrived; the kernel says when, so that a busy thread does not look like jitter."""
    with contextlib.suppress(OSError):
        while True:
            data, extra, _, _ = leg.rtp.recvmsg(MAX_DATAGRAM, socket.CMSG_SPACE(TIMESPEC.size))
            seconds, nanoseconds = TIMESPEC.unpack(extra[0][2])
            leg.record.take(data, time.monotonic() - (time.time() - seconds - nanoseconds / 1e9))
