"""One call's audio on its way: frames and reports out; what comes in is its `Receiver`'s."""

import contextlib
import socket
import time
from bisect import bisect_left
from dataclasses import dataclass, field

from drivers import RATE
from drivers.codecs.g711 import SILENCE
from drivers.figures import LATE_S, NO_PACKETS
from drivers.rtp.messages import Finished, Media, Stopped
from drivers.rtp.packet import MARKER, Packetizer
from drivers.rtp.receiver import Receiver
from drivers.rtp.rtcp import goodbye as rtcp_goodbye
from drivers.rtp.rtcp import sender_report
from drivers.rtp.srtp import SrtpContext

OCTETS_A_MS = RATE // 1000
STALL_S = 0.100  # later than this, and the callee hears a gap rather than a burst
RTCP_S, FIRST_RTCP_S = 5.0, 2.5  # the least interval, and half of it for the first (RFC 3550 6.2, 6.3.1)


@dataclass(slots=True)
class Utterance:
    """payload: G.711 octets; position: of the next frame in them; reported: as finished."""

    number: int
    payload: bytes = field(repr=False)
    position: int = 0
    reported: bool = False

    @property
    def finished(self) -> bool:
        return self.position >= len(self.payload)

    @property
    def played_s(self) -> float:
        return round(min(self.position, len(self.payload)) / RATE, 3)

    def frame(self, octets: int, silence: bytes) -> bytes:
        """The next frame; after the end, silence."""
        found = self.payload[self.position : self.position + octets]
        self.position += octets if self.position < len(self.payload) else 0
        return found.ljust(octets, silence)


@dataclass(slots=True)
class Stream:
    """hold: after an utterance, silence until the next one. due: when the next frame is (monotonic).

    late: packets of speech by LATE_S, each against its time of the schedule; late_s: the sum.
    """

    call: int
    sock: socket.socket
    media: Media
    utterance: Utterance
    due: float
    hold: bool = False
    context: SrtpContext | None = None
    far: Receiver = field(init=False)
    rtcp: socket.socket | None = None
    rtcp_due: float = float("inf")
    packets: Packetizer = field(default_factory=Packetizer)
    late: list[int] = field(default_factory=lambda: [*NO_PACKETS])
    late_s: float = 0.0

    def __post_init__(self) -> None:
        self.far = Receiver(self.call, self.sock, self.media, asked_at=self.due)

    def send_frame(self, now: float) -> None:
        """The next frame, and when the one after it is due."""
        late_s = now - self.due
        if late_s > STALL_S:
            self._resume(now)
        octets = self.media.frame_ms * OCTETS_A_MS
        if self.media.held:
            self.packets.marker = MARKER
        else:
            if not self.utterance.finished:
                self.late[bisect_left(LATE_S, late_s)] += 1
                self.late_s += late_s
            self._send(octets)
        self.packets.pass_over(octets)
        self.due += self.media.frame_ms / 1000

    def _send(self, octets: int) -> None:
        payload_type = self.media.payload_type
        packet = self.packets.packet(payload_type, self.utterance.frame(octets, SILENCE[payload_type]))
        if self.context is not None:
            packet = self.context.protect(packet)
        # A refused or full socket loses this frame, as the network may lose any.
        with contextlib.suppress(OSError):
            self.sock.sendto(packet, self.far.target) if self.far.target else self.sock.send(packet)

    def say(self, number: int, payload: bytes, now: float) -> None:
        """The next utterance of the same stream."""
        self.utterance, self.packets.marker = Utterance(number, payload), MARKER
        self.far.asked_at = now
        if self.far.listener is not None:
            self.far.stop_listening()

    def played(self, how: type[Finished | Stopped]) -> Finished | Stopped:
        """What there is to report of the utterance."""
        so_far = (self.packets.count, tuple(self.late), round(self.late_s, 6))
        return how(self.call, self.utterance.number, self.utterance.played_s, *so_far)

    def aim(self, media: Media, now: float) -> None:
        """Send like this from now on. Raises OSError where there is no way, CannotProtect for bad keys."""
        if media.keys is not None and self.context is None:
            self.context = SrtpContext(media.keys)
        elif media.keys is not None and self.context is not None and media.keys != self.media.keys:
            self.context.expect(media.keys.theirs)
        self.media = media
        self.far.aim(media, self.context, now)

    def report(self, now: float, *, goodbye: bool = False) -> None:
        """A sender report (RFC 3550 6.4.1), with the name of the source; at the end, its goodbye."""
        if self.rtcp is None:
            return
        self.rtcp_due = now + RTCP_S
        packet = sender_report(self.packets, time.time()) + (rtcp_goodbye(self.packets.ssrc) if goodbye else b"")
        if self.context is not None:
            packet = self.context.protect_rtcp(packet)
        with contextlib.suppress(OSError):
            self.rtcp.sendto(packet, self._rtcp_target())

    def _rtcp_target(self) -> tuple[str, int]:
        """The far end's address for reports. Raises OSError where it has none."""
        host, port = (self.far.target or self.sock.getpeername())[:2]
        described = self.media.target is not None and self.media.target[1] == port
        rtcp_port = self.media.rtcp_port if described else port + 1
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
        self.packets.pass_over(missed * self.media.frame_ms * OCTETS_A_MS)
        self.packets.marker = MARKER
