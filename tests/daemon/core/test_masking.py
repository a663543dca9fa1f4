"""Telephone numbers as logs and pages show them."""

import pytest

from daemon.core.masking import masked, without_numbers


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("447700900123", "4477******23"),
        ("44770090", "4477**90"),
        ("4477009", "4477*09"),
        ("447700", "******"),
        ("110", "***"),
        ("", ""),
        ("h:00112233445566778899aabbccddeeff", "h:00112233445566778899aabbccddeeff"),
    ],
)
def test_four_digits_and_the_last_two_of_a_long_number_are_shown_and_none_of_a_short_one(
    number: str, shown: str
) -> None:
    assert masked(number) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to 447700900123, not 7700123", "to 4477******23, not 7700*23"),
        ("code 770012 in 1234 ms", "code 770012 in 1234 ms"),
        ("٤٤٧٧٠٠٩٠٠١٢٣", "٤٤٧٧******٢٣"),
        ("9" * 33, "9" * 4 + "*" * 26 + "9" * 3),
    ],
)
def test_what_may_be_a_number_is_masked_in_a_text_and_shorter_ones_are_left(text: str, shown: str) -> None:
    assert without_numbers(text) == shown
