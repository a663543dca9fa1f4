"""What a bundle of the doctor shows of numbers and secrets when it leaves the machine."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.operations.doctor.bundle_masking import masked


@pytest.mark.parametrize(
    ("text", "masks"),
    [
        ("2026-11-28T23:01:02 sent to +44 7700 900123", r"2026-11-28T23:01:02 sent to number-[a-p]{10}"),
        ("imsi=234150999999999, port 5060", r"imsi=number-[a-p]{10}, port 5060"),
        ("(020) 7946-0123", r"\(number-[a-p]{10}"),
        ("password s3cret s3cret-long pin 4711", r"password \[secret\] \[secret\] pin \[secret\]"),
        ("abc", "abc"),
    ],
)
def test_numbers_become_hashes_and_secrets_a_word(text: str, masks: str) -> None:
    assert re.fullmatch(masks, masked(text, b"key", ["s3cret", "s3cret-long", "4711", "abc"]))


def test_a_number_is_the_same_word_in_every_form_and_another_in_the_next_bundle() -> None:
    first, second = masked("447700900123 +44 7700-900123", b"key").split()
    assert first == second != masked("447700900123", b"other")


@given(st.text(st.sampled_from("0123456789 +-.()T:ab"), max_size=80))
def test_no_seven_digits_are_left_in_a_row(text: str) -> None:
    left = re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "", masked(text, b"key"))
    assert not re.search(r"[0-9]{7}", left)
