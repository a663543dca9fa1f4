"""PINs are computed, never kept."""

import pytest

from daemon.pins import Pins, same_code

PINS = Pins(b"k" * 32)
REQUEST = "0190" * 8


def test_a_pin_is_the_same_every_time_and_has_its_length() -> None:
    assert PINS.pin(REQUEST, 1, 4) == PINS.pin(REQUEST, 1, 4)
    assert len(PINS.pin(REQUEST, 1, 6)) == 6
    assert PINS.pin(REQUEST, 1, 6).isdecimal()


def test_the_pins_of_a_request_are_all_different() -> None:
    for i in range(300):
        pins = [PINS.pin(f"{i:032x}", generation, 4) for generation in range(1, 27)]
        assert len(set(pins)) == 26


def test_another_key_or_request_gives_another_pin() -> None:
    assert PINS.pin(REQUEST, 1, 6) != Pins(b"j" * 32).pin(REQUEST, 1, 6)
    assert PINS.pin(REQUEST, 1, 6) != PINS.pin("0" * 32, 1, 6)


def test_a_callers_code_is_sealed_to_its_request() -> None:
    sealed = PINS.seal(REQUEST, "Abc123")
    assert "Abc123" not in sealed
    assert PINS.unseal(REQUEST, sealed) == "Abc123"
    with pytest.raises(Exception):  # noqa: B017 - InvalidTag, of a library that is imported late
        PINS.unseal("0" * 32, sealed)


def test_codes_are_compared_whole() -> None:
    assert same_code("0042", "0042")
    assert not same_code("0042", "042")
    assert not same_code("0042", "００４２")
