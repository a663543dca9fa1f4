"""G.711 against the values of the standard and against CPython's audioop."""

import importlib
import math
import struct
import warnings
from typing import Any

import pytest

from drivers import g711

EVERY_SAMPLE = struct.pack("<65536h", *range(-0x8000, 0x8000))
EVERY_OCTET = bytes(range(256))

MU_VALUES = {  # ITU-T G.711 table 2a: character signal as sent, quantized value y (14 bits)
    0x80: 8031,
    0x8F: 4191,
    0x9F: 2079,
    0xAF: 1023,
    0xBF: 495,
    0xCF: 231,
    0xDF: 99,
    0xEF: 33,
    0xFE: 2,
    0xFF: 0,
}
A_VALUES = {  # ITU-T G.711 table 1a: character signal before the inversion of even bits, quantized value y (13 bits)
    0b11111111: 4032,
    0b11110000: 2112,
    0b11100000: 1056,
    0b11010000: 528,
    0b11000000: 264,
    0b10110000: 132,
    0b10100000: 66,
    0b10000000: 1,
}
MU_TONE = bytes.fromhex("1e0b0b1e9e8b8b9e")  # tables 6 and 5: one period of 1 kHz at 0 dBm0
A_TONE = bytes.fromhex("342121 34b4a1a1b4")


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


@pytest.mark.parametrize(("octet", "value"), MU_VALUES.items())
def test_mu_law_has_the_values_of_table_2a(octet: int, value: int) -> None:
    positive, negative = bytes([octet]), bytes([octet & 0x7F])
    assert samples(g711.ulaw_decode(positive)) == (value * 4,)
    assert samples(g711.ulaw_decode(negative)) == (-value * 4,)
    assert g711.ulaw_encode(struct.pack("<h", value * 4)) == positive


@pytest.mark.parametrize(("character", "value"), A_VALUES.items())
def test_a_law_has_the_values_of_table_1a(character: int, value: int) -> None:
    positive, negative = bytes([character ^ 0x55]), bytes([(character & 0x7F) ^ 0x55])
    assert samples(g711.alaw_decode(positive)) == (value * 8,)
    assert samples(g711.alaw_decode(negative)) == (-value * 8,)
    assert g711.alaw_encode(struct.pack("<h", value * 8)) == positive


@pytest.mark.parametrize(
    ("pcm", "full_dbm0"), [(g711.ulaw_decode(MU_TONE), 3.17), (g711.alaw_decode(A_TONE), 3.14)], ids=["mu", "a"]
)
def test_the_standard_tone_lies_its_overload_point_under_full_scale(pcm: bytes, full_dbm0: float) -> None:
    full = 8159 * 4 if full_dbm0 == 3.17 else 4096 * 8
    rms = math.sqrt(sum(value**2 for value in samples(pcm)) / 8)
    assert 20 * math.log10(full / math.sqrt(2) / rms) == pytest.approx(full_dbm0, abs=0.03)


def test_every_octet_survives_a_round_trip_but_the_second_zero_of_mu_law() -> None:
    assert g711.ulaw_encode(g711.ulaw_decode(EVERY_OCTET)) == EVERY_OCTET.replace(b"\x7f", b"\xff")
    assert g711.alaw_encode(g711.alaw_decode(EVERY_OCTET)) == EVERY_OCTET


def test_silence_is_the_octet_of_the_smallest_positive_value() -> None:
    assert g711.ulaw_encode(b"\0\0") == g711.MU_SILENCE
    assert g711.alaw_encode(b"\0\0") == g711.A_SILENCE


def test_all_samples_and_octets_are_those_of_audioop(audioop: Any) -> None:
    assert g711.ulaw_encode(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert g711.alaw_encode(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
    assert g711.ulaw_decode(EVERY_OCTET) == audioop.ulaw2lin(EVERY_OCTET, 2)
    assert g711.alaw_decode(EVERY_OCTET) == audioop.alaw2lin(EVERY_OCTET, 2)


@pytest.mark.parametrize("encode", [g711.ulaw_encode, g711.alaw_encode])
def test_half_a_sample_is_an_error(encode: Any) -> None:
    with pytest.raises(ValueError, match="half a sample"):
        encode(b"\0\0\0")


def test_nothing_becomes_nothing() -> None:
    assert g711.ulaw_encode(b"") == g711.alaw_decode(b"") == b""
