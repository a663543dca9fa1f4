"""G.711: 16-bit linear speech to 8-bit octets and back, bit-exact with the standard, in both laws.

Pure Python, so that the daemon needs no numpy and no audioop (gone in Python 3.13): an octet is decoded by a table
of 256 values, a sample is encoded by a table of 64 Ki octets, made at its first use (some 2 ms, once a law).
PCM is 16-bit signed little-endian mono. The laws work on 14 (mu) and 13 (A) bits; the low bits are dropped.
"""

import sys
from array import array
from collections.abc import Callable
from functools import cache

MU_BIAS = 33  # ITU-T G.711 table 2: on the 14-bit scale the first segment of mu-law begins at 33
MU_CLIP = 8158  # the largest 14-bit magnitude that mu-law can say, as its decision value x128 is 8159
MU_INVERT = 0xFF  # all bits of a mu-law octet are sent inverted (G.711 table 2a, note 2)
A_INVERT = 0x55  # the even bits of an A-law octet are sent inverted (G.711 table 1a, note 2)
SIGN = 0x80
OTHER_SIGN = bytes(octet ^ SIGN for octet in range(256))
DROPPED = 4  # samples that differ only in the low two bits, which neither law has, get the same octet

MU_SILENCE = b"\xff"
A_SILENCE = b"\xd5"
PCMU, PCMA = 0, 8  # the payload types of mu-law and A-law in RTP (RFC 3551 6)
SILENCE = {PCMU: MU_SILENCE, PCMA: A_SILENCE}


def ulaw_encode(pcm: bytes) -> bytes:
    """One mu-law octet for each 16-bit sample. Raises ValueError for half a sample."""
    return _encode(pcm, _table(_ulaw_octet))


def ulaw_decode(octets: bytes) -> bytes:
    """One 16-bit sample for each mu-law octet."""
    return _decode(octets, _values(_ulaw_value))


def alaw_encode(pcm: bytes) -> bytes:
    """One A-law octet for each 16-bit sample. Raises ValueError for half a sample."""
    return _encode(pcm, _table(_alaw_octet))


def alaw_decode(octets: bytes) -> bytes:
    """One 16-bit sample for each A-law octet."""
    return _decode(octets, _values(_alaw_value))


def _ulaw_octet(sample: int) -> int:
    # The one's complement, as ITU-T G.191 takes it: -1, a quarter of a 14-bit step, stays in the first interval.
    sign, magnitude = (0, ~sample >> 2) if sample < 0 else (SIGN, sample >> 2)
    biased = min(magnitude, MU_CLIP) + MU_BIAS
    segment = biased.bit_length() - 6
    octet = segment << 4 | (biased >> (segment + 1) & 0x0F)
    return octet ^ 0x7F | sign


def _ulaw_value(octet: int) -> int:
    plain = octet ^ MU_INVERT
    magnitude = (((plain & 0x0F) << 1 | MU_BIAS) << (plain >> 4 & 7)) - MU_BIAS
    return (-magnitude if plain & SIGN else magnitude) << 2


def _alaw_octet(sample: int) -> int:
    scaled = sample >> 3
    sign, magnitude = (0, ~scaled) if scaled < 0 else (SIGN, scaled)
    segment = max(magnitude.bit_length() - 5, 0)
    octet = segment << 4 | (magnitude >> max(segment, 1) & 0x0F)
    return (octet | sign) ^ A_INVERT


def _alaw_value(octet: int) -> int:
    plain = octet ^ A_INVERT
    segment, mantissa = plain >> 4 & 7, plain & 0x0F
    half_steps = mantissa << 1 | 1  # the middle of the interval
    magnitude = (half_steps | 0x20) << (segment - 1) if segment else half_steps
    return (magnitude if plain & SIGN else -magnitude) << 3


@cache
def _table(octet_of: Callable[[int], int]) -> bytes:
    """The octet of every sample; indexed by the sample, as unsigned 16 bits."""
    positive = b"".join(bytes((octet_of(sample),)) * DROPPED for sample in range(0, 0x8000, DROPPED))
    return positive + positive[::-1].translate(OTHER_SIGN)  # -1 - sample has the same magnitude, in both laws


@cache
def _values(value_of: Callable[[int], int]) -> tuple[int, ...]:
    return tuple(map(value_of, range(256)))


def _encode(pcm: bytes, table: bytes) -> bytes:
    if len(pcm) % 2:
        raise ValueError("cannot encode half a sample: 16-bit PCM has an even number of bytes")
    samples = array("H", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(table.__getitem__, samples))


def _decode(octets: bytes, values: tuple[int, ...]) -> bytes:
    samples = array("h", map(values.__getitem__, octets))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
