"""An RTP packet, taken apart (RFC 3550 5.1). Pure."""

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
