"""The alphabets of an SMS, beside the tables of another codec."""

import subprocess
import sys

import pytest
from gsmmodem import pdu as codec
from hypothesis import given
from hypothesis import strategies as st

from drivers.codecs import gsm7
from drivers.codecs.gsm7 import UNITS_ALONE, UNITS_EACH, Alphabet, alphabet, in_parts, split, units, unpack


def test_the_tables_are_those_of_another_codec_but_for_its_one_mistake() -> None:
    assert codec.GSM7_BASIC.replace("`", "§") == gsm7.BASIC  # 23.038 6.2.1: 0x5F is §
    assert {ord(septet): char for char, septet in codec.GSM7_EXTENDED.items() if char != "\xff"} == gsm7.EXTENSION


@pytest.mark.parametrize(
    ("text", "needed", "sizes"),
    [
        ("a1 @", Alphabet.GSM7, [1, 1, 1, 1]),
        ("€[§", Alphabet.GSM7, [2, 2, 1]),
        ("\x1b", Alphabet.UCS2, [1]),
        ("`a", Alphabet.UCS2, [1, 1]),
        ("Ж🙂", Alphabet.UCS2, [1, 2]),
    ],
)
def test_a_text_has_an_alphabet_and_a_length(text: str, needed: Alphabet, sizes: list[int]) -> None:
    assert (alphabet(text), units(text, needed)) == (needed, sizes)


@given(st.text("a€Ж🙂[ ", max_size=500))
def test_every_part_fits_and_only_the_last_has_room_for_the_next_character(text: str) -> None:
    needed, parts = in_parts(text)
    assert "".join(parts) == text
    sizes = [sum(units(part, needed)) for part in parts]
    if len(parts) == 1:
        assert sizes[0] <= UNITS_ALONE[needed]
        return
    assert max(sizes) <= UNITS_EACH[needed]
    following = [units(part[0], needed)[0] for part in parts[1:]]
    assert all(size + next_ > UNITS_EACH[needed] for size, next_ in zip(sizes, following, strict=False))


def test_half_a_surrogate_pair_is_a_question_mark() -> None:
    assert in_parts("\ud83d ok") == (Alphabet.GSM7, ["? ok"])


@given(st.text(sorted(gsm7.SEPTETS), max_size=200))
def test_packed_septets_are_read_as_they_were_written(text: str) -> None:
    septets = codec.encodeGsm7(text.replace("§", "`"))
    assert unpack(bytes(codec.packSeptets(septets)), 0, len(septets)) == text
    assert sum(units(text, Alphabet.GSM7)) == len(septets)
    assert split(text, Alphabet.GSM7) == in_parts(text)[1]


def test_septets_of_another_table_are_blanks() -> None:
    """3GPP 23.038 6.2.1.1: an escape behind an escape."""
    assert unpack(bytes(codec.packSeptets(bytearray(b"a\x1b\x1bb"))), 0, 4) == "a b"


def test_who_reads_the_configuration_or_measures_a_text_does_not_load_pyserial() -> None:
    """There used to be `pinwheel prompts texts`, which loaded the serial port for the length of a text."""
    looks = "import sys, drivers.serial, drivers.serial.options, drivers.codecs.gsm7; sys.exit('serial' in sys.modules)"
    subprocess.run([sys.executable, "-c", looks], check=True)
