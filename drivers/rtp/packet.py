"""An RTP packet, taken apart (RFC 3550 5.1). Pure."""

import struct

HEADER = struct.Struct("!BBHII")  # RFC 3550 5.1
VERSION_2 = 0x80
MARKER = 0x80  # RFC 3551 4.1: the first frame of a talkspurt
PADDING, EXTENSION, SOURCES = 0x20, 0x10, 0x0F
RTCP_TYPES = range(64, 96)  # where RTCP would show, if it came to this port (RFC 5761 4)


def payload_of(packet: bytes) -> bytes:
    """What follows the header, its list of sources and its extension (RFC 3550 5.1), without padding."""
    start = HEADER.size + 4 * (packet[0] & SOURCES)
    if packet[0] & EXTENSION:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    return packet[start : len(packet) - (packet[-1] if packet[0] & PADDING else 0)]
