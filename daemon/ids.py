"""Request ids: 32 hex digits, unguessable and rising with time (UUIDv7, RFC 9562 5.7), which keeps index pages warm."""

import secrets

from daemon.core.milliseconds import Ms


def request_id(now: Ms) -> str:
    """48 bits of time, version 7, variant 2 and 74 random bits."""
    value = (int(now) & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"
