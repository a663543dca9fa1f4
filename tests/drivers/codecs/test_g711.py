"""G.711 against the tables of the standard, and beside CPython's audioop."""

import importlib
import math
import struct
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from drivers.codecs import g711

EVERY_SAMPLE = struct.pack("<65536h", *range(-0x8000, 0x8000))
EVERY_OCTET = bytes(range(256))

# One row a segment, from zero up: intervals, their size, the decision value they begin at, the character signal of the
# lowest interval, and its quantized value. Within a segment the next interval's signal is one more (A) or less (mu).
A_TABLE_1A = [  # ITU-T G.711, positive input; on the 13-bit scale; character signals before the even bits are inverted
    (32, 2, 0, 0b10000000, 1),
    (16, 4, 64, 0b10100000, 66),
    (16, 8, 128, 0b10110000, 132),
    (16, 16, 256, 0b11000000, 264),
    (16, 32, 512, 0b11010000, 528),
    (16, 64, 1024, 0b11100000, 1056),
    (16, 128, 2048, 0b11110000, 2112),
]
A_VIRTUAL_X128, A_Y128 = 4096, 4032
MU_TABLE_2A = [  # ITU-T G.711, positive input; on the 14-bit scale; character signals as they are sent
    (1, 1, 0, 0b11111111, 0),
    (15, 2, 1, 0b11111110, 2),
    (16, 4, 31, 0b11101111, 33),
    (16, 8, 95, 0b11011111, 99),
    (16, 16, 223, 0b11001111, 231),
    (16, 32, 479, 0b10111111, 495),
    (16, 64, 991, 0b10101111, 1023),
    (16, 128, 2015, 0b10011111, 2079),
    (16, 256, 4063, 0b10001111, 4191),
]
MU_VIRTUAL_X128, MU_Y127 = 8159, 8031
A_TONE = bytes.fromhex("342121 34b4a1a1b4")  # table 5: one period of 1 kHz at 0 dBm0
MU_TONE = bytes.fromhex("1e0b0b1e9e8b8b9e")  # table 6


class Interval(NamedTuple):
    """What lies between two decision values is sent as one octet and comes back as one value; all on 16 bits."""

    low: int
    high: int
    positive: int
    value: int


def a_law() -> list[Interval]:
    """Table 1a, interval by interval; the sign is bit 1 of the character signal (table 1b)."""
    rows = [
        Interval(low + size * i, low + size * (i + 1), (signal + i) ^ 0x55, value + size * i)
        for count, size, low, signal, value in A_TABLE_1A
        for i in range(count)
    ]
    assert (len(rows), rows[-1].high, rows[-1].value) == (128, A_VIRTUAL_X128, A_Y128)
    return [Interval(row.low * 8, row.high * 8, row.positive, row.value * 8) for row in rows]


def mu_law() -> list[Interval]:
    """Table 2a, interval by interval."""
    rows = [
        Interval(low + size * i, low + size * (i + 1), signal - i, value + size * i)
        for count, size, low, signal, value in MU_TABLE_2A
        for i in range(count)
    ]
    assert (len(rows), rows[-1].high, rows[-1].value) == (128, MU_VIRTUAL_X128, MU_Y127)
    return [Interval(row.low * 4, row.high * 4, row.positive, row.value * 4) for row in rows]


A_LAW, MU_LAW = a_law(), mu_law()
LAWS = [
    pytest.param(MU_LAW, g711.ulaw_encode, g711.ulaw_decode, id="mu"),
    pytest.param(A_LAW, g711.alaw_encode, g711.alaw_decode, id="a"),
]
Codec = Callable[[bytes], bytes]


def samples(pcm: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


@pytest.fixture(scope="module")
def audioop() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module("audioop")
        except ModuleNotFoundError:
            pytest.skip("this Python has no audioop")


@pytest.mark.parametrize(("law", "encode", "decode"), LAWS)
def test_every_sample_is_sent_as_the_interval_that_it_lies_in(
    law: list[Interval], encode: Codec, decode: Codec
) -> None:
    """A sample on a decision value may go either way; the standard does not say which."""
    octets = encode(EVERY_SAMPLE)
    overload = law[-1].high
    for interval in law:
        last = 0x8000 if interval.high == overload else interval.high
        inside = range(interval.low + 1, last) if interval.low else range(1, last)
        positive = octets[0x8000 + inside.start : 0x8000 + inside.stop]
        negative = octets[0x8000 - inside.stop + 1 : 0x8000 - inside.start + 1]
        assert set(positive) == {interval.positive}, interval
        assert set(negative) == {interval.positive & 0x7F if law is MU_LAW else interval.positive ^ 0x80}, interval
    assert len(law) == 128
    assert decode(octets[:1]) == struct.pack("<h", -law[-1].value)


@pytest.mark.parametrize(("law", "encode", "decode"), LAWS)
def test_every_octet_comes_back_as_the_quantized_value(law: list[Interval], encode: Codec, decode: Codec) -> None:
    positive = bytes(interval.positive for interval in law)
    negative = bytes(interval.positive ^ 0x80 for interval in law)
    assert sorted(positive + negative) == list(range(256))
    assert samples(decode(positive)) == tuple(interval.value for interval in law)
    assert samples(decode(negative)) == tuple(-interval.value for interval in law)
    assert encode(decode(positive)) == positive


@pytest.mark.parametrize(
    ("tone", "encode", "peak", "dbm0"),
    [
        pytest.param(MU_TONE, g711.ulaw_encode, MU_VIRTUAL_X128 * 4, 3.17, id="mu"),
        pytest.param(A_TONE, g711.alaw_encode, A_VIRTUAL_X128 * 8, 3.14, id="a"),
    ],
)
def test_1_khz_at_0_dbm0_is_the_sequence_of_tables_5_and_6(tone: bytes, encode: Codec, peak: int, dbm0: float) -> None:
    """The overload point of mu-law is +3.17 dBm0, that of A-law +3.14 dBm0 (G.711 section 4)."""
    height = peak * 10 ** (-dbm0 / 20)
    sine = [-height * math.sin(math.pi / 4 * (n + 0.5)) for n in range(8)]
    assert encode(struct.pack("<8h", *map(round, sine))) == tone


@pytest.mark.parametrize(
    ("pcm", "full_dbm0"), [(g711.ulaw_decode(MU_TONE), 3.17), (g711.alaw_decode(A_TONE), 3.14)], ids=["mu", "a"]
)
def test_the_standard_tone_lies_its_overload_point_under_full_scale(pcm: bytes, full_dbm0: float) -> None:
    full = MU_VIRTUAL_X128 * 4 if full_dbm0 == 3.17 else A_VIRTUAL_X128 * 8
    rms = math.sqrt(sum(value**2 for value in samples(pcm)) / 8)
    assert 20 * math.log10(full / math.sqrt(2) / rms) == pytest.approx(full_dbm0, abs=0.03)


def test_every_octet_survives_a_round_trip_but_the_second_zero_of_mu_law() -> None:
    assert g711.ulaw_encode(g711.ulaw_decode(EVERY_OCTET)) == EVERY_OCTET.replace(b"\x7f", b"\xff")
    assert g711.alaw_encode(g711.alaw_decode(EVERY_OCTET)) == EVERY_OCTET


def test_silence_is_the_octet_of_the_smallest_positive_value() -> None:
    assert g711.ulaw_encode(b"\0\0") == g711.MU_SILENCE
    assert g711.alaw_encode(b"\0\0") == g711.A_SILENCE


def test_audioop_agrees_but_on_the_edges_of_mu_law(audioop: Any) -> None:
    """It rounds negative samples away from zero, and so takes some of them over a decision value."""
    assert g711.ulaw_decode(EVERY_OCTET) == audioop.ulaw2lin(EVERY_OCTET, 2)
    assert g711.alaw_decode(EVERY_OCTET) == audioop.alaw2lin(EVERY_OCTET, 2)
    assert g711.alaw_encode(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
    ours, theirs = g711.ulaw_encode(EVERY_SAMPLE), audioop.lin2ulaw(EVERY_SAMPLE, 2)
    differ = {0x8000 - place for place in range(0x10000) if ours[place] != theirs[place]}
    assert differ == {edge.low - rest for edge in MU_LAW[1:] for rest in range(4)}


@pytest.mark.parametrize("encode", [g711.ulaw_encode, g711.alaw_encode])
def test_half_a_sample_is_an_error(encode: Any) -> None:
    with pytest.raises(ValueError, match="half a sample"):
        encode(b"\0\0\0")


def test_nothing_becomes_nothing() -> None:
    assert g711.ulaw_encode(b"") == g711.alaw_decode(b"") == b""
