"""Reports of what we sent (RFC 3550 6.4.1). Pure: the time of day is an argument, in seconds since 1970."""

import struct

from drivers.rtp.packet import VERSION_2, Packetizer

SENDER_REPORT = struct.Struct("!BBHIIIIII")  # without report blocks: we do not listen to speech
SR, SDES, BYE = 200, 202, 203
CNAME = 1
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970


def sender_report(sent: Packetizer, now: float) -> bytes:
    """A sender report, and the name of the source (6.5.1)."""
    wall = now + NTP_EPOCH_S
    clock = (int(wall) & 0xFFFFFFFF, int(wall % 1 * 2**32), sent.timestamp)
    counts = (sent.count & 0xFFFFFFFF, sent.octets & 0xFFFFFFFF)
    name = b"%08x" % sent.ssrc
    report = SENDER_REPORT.pack(VERSION_2, SR, 6, sent.ssrc, *clock, *counts)
    return report + struct.pack("!BBHIBB8sH", VERSION_2 | 1, SDES, 4, sent.ssrc, CNAME, len(name), name, 0)


def goodbye(ssrc: int) -> bytes:
    """The source sends no more (6.6)."""
    return struct.pack("!BBHI", VERSION_2 | 1, BYE, 1, ssrc)
