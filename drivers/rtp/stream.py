"""One call's audio on its way: frames and reports out; what comes in is its `Receiver`'s."""

import contextlib
import random
import socket
import struct
import time
from dataclasses import dataclass, field

from drivers import RATE
from drivers.rtp.messages import Media
from drivers.rtp.packet import HEADER, MARKER, VERSION_2
from drivers.rtp.receiver import Receiver
from drivers.rtp.srtp import SrtpContext

OCTETS_A_MS = 8  # G.711
STALL_S = 0.100  # later than this, and the callee hears a gap rather than a burst
SILENCE = {0: b"\xff", 8: b"\xd5"}  # of PCMU and PCMA, by payload type (G.711)

RTCP_S, FIRST_RTCP_S = 5.0, 2.5  # the least interval, and half of it for the first (RFC 3550 6.2, 6.3.1)
SENDER_REPORT = struct.Struct("!BBHIIIIII")  # RFC 3550 6.4.1, without report blocks: we do not listen to speech
SR, SDES, BYE = 200, 202, 203
CNAME = 1
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970


@dataclass(slots=True)
class Stream:
    """One call's audio on its way."""

    call: int
    sock: socket.socket
    media: Media
    payload: bytes = field(repr=False)
    due: float
    utterance: int = 0
    hold: bool = False
    guard: SrtpContext | None = None
    far: Receiver = field(init=False)
    told: bool = False  # that it is finished
    rtcp: socket.socket | None = None
    rtcp_due: float = float("inf")
    packets: int = 0
    octets: int = 0
    position: int = 0  # in the payload
    marker: int = MARKER
    # RFC 3550 5.1: all three start at random; the sequence in its lower half, so that no receiver misses that it
    # began anew (RFC 3711 3.3.1).
    sequence: int = field(default_factory=lambda: random.SystemRandom().getrandbits(15))
    timestamp: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))
    source: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))

    def __post_init__(self) -> None:
        self.far = Receiver(self.call, self.sock, self.media)

    @property
    def played_s(self) -> float:
        return round(min(self.position, len(self.payload)) / RATE, 3)

    @property
    def finished(self) -> bool:
        return self.position >= len(self.payload)

    def send_frame(self, now: float) -> None:
        """The next frame, and when the one after it is due."""
        if now - self.due > STALL_S:
            self._resume(now)
        frame_ms = self.media.frame_ms
        octets = frame_ms * OCTETS_A_MS
        if self.media.held:
            self.marker = MARKER
        else:
            self._send(octets)
        self.timestamp = (self.timestamp + octets) & 0xFFFFFFFF
        self.due += frame_ms / 1000

    def _send(self, octets: int) -> None:
        payload_type = self.media.payload_type
        frame = self.payload[self.position : self.position + octets]
        if len(frame) < octets:
            frame = frame.ljust(octets, SILENCE[payload_type])
        packet = HEADER.pack(VERSION_2, self.marker | payload_type, self.sequence, self.timestamp, self.source) + frame
        if self.guard is not None:
            packet = self.guard.protect(packet)
        # A refused or full socket loses this frame, as the network may lose any.
        with contextlib.suppress(OSError):
            self.sock.sendto(packet, self.far.target) if self.far.target else self.sock.send(packet)
        self.marker = 0
        self.packets += 1
        self.octets += octets
        self.sequence = (self.sequence + 1) & 0xFFFF
        if self.position < len(self.payload):
            self.position += octets

    def say(self, utterance: int, payload: bytes) -> None:
        """The next utterance of the same stream."""
        self.utterance, self.payload, self.position, self.told, self.marker = utterance, payload, 0, False, MARKER
        if self.far.ear is not None:
            self.far.stop_listening()

    def aim(self, media: Media, now: float) -> None:
        """Send like this from now on. Raises OSError where there is no way, CannotProtect for bad keys."""
        if media.keys is not None and self.guard is None:
            self.guard = SrtpContext(media.keys)
        elif media.keys is not None and self.guard is not None and media.keys != self.media.keys:
            self.guard.expect(media.keys.theirs)
        self.media = media
        self.far.aim(media, self.guard, now)

    def report(self, now: float, *, goodbye: bool = False) -> None:
        """A sender report (RFC 3550 6.4.1), with the name of the source; at the end, its goodbye."""
        if self.rtcp is None:
            return
        self.rtcp_due = now + RTCP_S
        wall = time.time() + NTP_EPOCH_S
        clock = (int(wall) & 0xFFFFFFFF, int(wall % 1 * 2**32), self.timestamp)
        counts = (self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF)
        packet = SENDER_REPORT.pack(VERSION_2, SR, 6, self.source, *clock, *counts)
        name = b"%08x" % self.source
        packet += struct.pack("!BBHIBB8sH", VERSION_2 | 1, SDES, 4, self.source, CNAME, len(name), name, 0)
        packet += struct.pack("!BBHI", VERSION_2 | 1, BYE, 1, self.source) if goodbye else b""
        if self.guard is not None:
            packet = self.guard.protect_rtcp(packet)
        with contextlib.suppress(OSError):
            self.rtcp.sendto(packet, self._rtcp_target())

    def _rtcp_target(self) -> tuple[str, int]:
        """The far end's address for reports. Raises OSError where it has none."""
        host, port = (self.far.target or self.sock.getpeername())[:2]
        said = self.media.target is not None and self.media.target[1] == port
        rtcp_port = self.media.rtcp_port if said else port + 1
        if not 0 < rtcp_port < 65536:
            raise OSError("no port for RTCP")
        return host, rtcp_port

    def close(self) -> None:
        for sock in (self.sock, self.rtcp):
            if sock is not None:
                sock.close()

    def _resume(self, now: float) -> None:
        """After a stall: a gap of its true length, then the next frame; no word is dropped and nothing bursts out."""
        frame_s = self.media.frame_ms / 1000
        missed = int((now - self.due) / frame_s)
        self.due += missed * frame_s
        self.timestamp = (self.timestamp + missed * self.media.frame_ms * OCTETS_A_MS) & 0xFFFFFFFF
        self.marker = MARKER
