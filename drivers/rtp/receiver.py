"""What the callee sends: where from, its keys, and its voice where somebody listens to that.

Most of it is speech that nobody needs, so the kernel drops that: once the source is known, a filter lets only keys of
it through, and a sample that shows that it still sends. Where no sample comes any more, everything is taken again, from
whoever sends now.
"""

import socket
from dataclasses import dataclass, field

from drivers.codecs.g711 import PCMA, PCMU
from drivers.rtp.answering import Listener
from drivers.rtp.messages import FirstPacket, Judged, Key, Latched, Media, PacerEvent
from drivers.rtp.packet import Packet, parsed
from drivers.rtp.sockets import accept_all, accept_only, disconnect
from drivers.rtp.source import Address, Decision, Facts, Signalled, Source
from drivers.rtp.srtp import SrtpContext

KEYS = "0123456789*#ABCD"  # events 0 to 15 (RFC 4733 3.2)
SAMPLE = 16  # one packet in so many comes through the filter: at 60 ms each, nearly one a second


@dataclass(slots=True)
class Receiver:
    """The receiving half of one call. target: where to send to; None while the socket is connected to that.

    asked_at: when the utterance began that a key would answer.
    """

    call: int
    sock: socket.socket
    media: Media
    context: SrtpContext | None = None
    listener: Listener | None = None
    target: Address | None = None
    asked_at: float = 0.0
    _source: Source | None = None
    _looking: bool = False  # for a source: all packets are taken
    _received: bool = False  # a packet of the callee has come
    _latched: bool = False  # it was reported that the audio goes to a foreign host
    _last_event: tuple[int, int] = field(default=(-1, 0))  # SSRC and time stamp of the last key

    def aim(self, media: Media, context: SrtpContext | None, now: float) -> None:
        """The signalling says where the callee is. Raises OSError where there is no way to it.

        A callee that holds the call gets nothing, so its address (0.0.0.0, or that of its music) does not count.
        """
        if media.held and self._source is not None:
            self.media, self.context = media, context
            return
        if media.target is not None:
            self.sock.connect(media.target)  # also finds out whether there is a way
        host, port = self.sock.getpeername()[:2]
        self.media, self.context = media, context
        signalled = Signalled((host, port), media.fitting, media.symmetric, media.near, media.strangers)
        if self._source is None:
            self._source = Source(signalled)
        else:
            self._source.expect(signalled, now)
        if media.symmetric and self._source.current is None:
            self._look_around()
        else:
            self._keep_to(self._source.target)

    def _keep_to(self, address: Address) -> None:
        """The source is known. Where the signalling named it, only that can send; else that one may still show up."""
        assert self._source is not None
        self._looking = False
        if address == self._source.signalled.address:
            self.sock.connect(address)
            self.target = None
        else:
            disconnect(self.sock)
            self.target = address
        self._filter()

    def _look_around(self) -> None:
        """Take packets from anywhere; go on sending to where we sent."""
        assert self._source is not None
        self._looking, self.target = True, self._source.target
        disconnect(self.sock)
        self._filter()

    def _filter(self) -> None:
        """Let only packets that are needed wake us."""
        if self._looking or self.listener is not None or not self._received:
            accept_all(self.sock)
        else:
            port = self.target[1] if self.target is not None else 0
            accept_only(self.sock, self.media.events, every=SAMPLE, port=port)

    def turn(self, now: float) -> None:
        """Time passed: a source that has fallen silent may have moved."""
        if not self._looking and self.media.symmetric and self._source is not None and self._source.silent(now):
            self._look_around()

    def stop_listening(self) -> None:
        """It is known who answered, or does not matter any more."""
        self.listener = None
        self._filter()

    def judged(self, verdict: str | None) -> Judged | None:
        """What there is to report of a verdict."""
        if verdict is None:
            return None
        self.stop_listening()
        return Judged(self.call, verdict)

    def take(self, data: bytes, address: Address, now: float) -> list[PacerEvent]:
        """Take a datagram."""
        packet = parsed(data)
        if packet is not None and self.context is not None:
            packet = parsed(self.context.unprotect(data))
        if packet is None or self._source is None:
            return []
        authentic = self.context is not None
        facts = Facts(address, packet.ssrc, packet.sequence, packet.payload_type, authentic)
        decision = self._source.take(facts, now)
        if decision is Decision.IGNORED:
            return []
        first, self._received = not self._received, True
        is_back = self._looking and address == self._source.current
        if decision is Decision.MOVED or is_back:
            self._keep_to(address)
        elif first:
            self._filter()
        events = [FirstPacket(self.call) if first else None, self._latch(), self._content(packet, decision, now)]
        return [event for event in events if event is not None]

    def _latch(self) -> Latched | None:
        """Once. With SRTP it is the far end for sure."""
        if self._latched or self.context is not None or self._source is None or not self._source.foreign:
            return None
        self._latched = True
        return Latched(self.call)

    def _content(self, packet: Packet, decision: Decision, now: float) -> Key | Judged | None:
        if packet.payload_type in self.media.events:
            assert self._source is not None
            return self._key(packet) if self._source.presses(decision, self.asked_at) else None
        if self.listener is not None and packet.payload_type in (PCMU, PCMA):
            return self.judged(self.listener.take(packet.payload, packet.payload_type, now))
        return None

    def _key(self, packet: Packet) -> Key | None:
        """The key, if this packet is its first: an event is several packets of one time stamp (RFC 4733 2.5.1)."""
        last_ssrc, last = self._last_event
        newer = packet.ssrc != last_ssrc or 0 < (packet.timestamp - last) & 0xFFFFFFFF < 1 << 31
        if len(packet.payload) < 4 or packet.payload[0] >= len(KEYS) or not newer:
            return None
        self._last_event = packet.ssrc, packet.timestamp
        return Key(self.call, KEYS[packet.payload[0]])
