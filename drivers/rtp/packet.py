"""RTP packets, taken apart and made (RFC 3550 5.1). Pure."""

import random
import struct
from dataclasses import dataclass, field

HEADER = struct.Struct("!BBHII")  # RFC 3550 5.1
VERSION_2 = 0x80
MARKER = 0x80  # RFC 3551 4.1: the first frame of a talkspurt
PADDING, EXTENSION, SOURCES = 0x20, 0x10, 0x0F
RTCP_TYPES = range(64, 96)  # where RTCP would show, if it came to this port (RFC 5761 4)


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet of RTP, not of RTCP. payload: without the list of sources, the header extension and padding."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = field(repr=False)


def parsed(data: bytes) -> Packet | None:
    """The packet in a datagram; None if it is none. Of SRTP the header can be read before it is decrypted."""
    if len(data) < HEADER.size or data[0] & 0xC0 != VERSION_2 or data[1] & 0x7F in RTCP_TYPES:
        return None
    _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    return Packet(second & 0x7F, sequence, timestamp, ssrc, _payload(data))


def _payload(data: bytes) -> bytes:
    """Empty where the header promises more than there is."""
    start = HEADER.size + 4 * (data[0] & SOURCES)
    if data[0] & EXTENSION:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    padding = data[-1] if data[0] & PADDING else 0
    return data[start : max(len(data) - padding, start)]


@dataclass(slots=True)
class Packetizer:
    """Makes the packets of one source. count, octets: that were sent so far; marker: of the next packet.

    RFC 3550 5.1: all three numbers start at random; the sequence in its lower half, so that no receiver misses when it
    starts again at 0 (RFC 3711 3.3.1).
    """

    sequence: int = field(default_factory=lambda: random.SystemRandom().getrandbits(15))
    timestamp: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))
    ssrc: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))
    marker: int = MARKER
    count: int = 0
    octets: int = 0

    def packet(self, payload_type: int, payload: bytes) -> bytes:
        header = HEADER.pack(VERSION_2, self.marker | payload_type, self.sequence, self.timestamp, self.ssrc)
        self.marker = 0
        self.count += 1
        self.octets += len(payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        return header + payload

    def pass_over(self, samples: int) -> None:
        """So much time passes, whether or not something was sent in it."""
        self.timestamp = (self.timestamp + samples) & 0xFFFFFFFF
