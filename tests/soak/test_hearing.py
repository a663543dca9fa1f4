"""The rule by which make soak judges what a recogniser wrote: an unclear reading is never counted as right."""

import pytest

from tests.soak.hearing import Verdict, hearing


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("Hello, your code is 4-7-1-1. I repeat, your code is 4711. Goodbye.", ("4711", "4711")),
        ("Your code is four seven one, one. I repeat. Your code is 4 7 11.", ("4711", "4711")),
        ("Your code is 471. I repeat, your code is 47112.", ()),
        ("Your code is for 7-1-1. I repeat your code is to 4 7 1 1.", ("4711", "4711")),
        ("Your code is forty seven eleven.", ()),
        ("", ()),
    ],
    ids=["digits", "words", "one too few, one too many", "homophones", "other numbers", "silence"],
)
def test_only_runs_of_the_right_length_are_readings(text: str, readings: tuple[str, ...]) -> None:
    assert hearing(text, "en", 4).readings == readings


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("4711. I repeat: 4711.", Verdict.RIGHT),
        ("4711. I repeat: 471.", Verdict.RIGHT),
        ("4711. I repeat: 4712.", Verdict.NOT_HEARD),
        ("4712. I repeat: 4712.", Verdict.WRONG),
        ("I repeat.", Verdict.NOT_HEARD),
    ],
)
def test_two_readings_that_differ_are_no_pin(text: str, verdict: Verdict) -> None:
    assert hearing(text, "en", 4).verdict("4711") is verdict


def test_each_language_has_its_own_words() -> None:
    assert hearing("El número es cuatro, siete, uno, uno.", "es", 4).readings == ("4711",)
    assert hearing("Мой номер четыре семь один один", "ru", 4).readings == ("4711",)
    assert hearing("to for", "it", 2).readings == ()
