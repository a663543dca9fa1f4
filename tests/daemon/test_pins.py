"""PINs are computed, never kept."""

import base64
import hashlib
import hmac
import itertools
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daemon.pins import Pins, SealBroken, same_code
from tests.daemon.core.story import request

PINS = Pins(b"k" * 32)
REQUEST = "0190" * 8


@pytest.mark.parametrize("length", [4, 6, 10])
def test_a_pin_is_the_same_every_time_and_has_its_length(length: int) -> None:
    pin = PINS.pin(REQUEST, 1, length)
    assert pin == PINS.pin(REQUEST, 1, length)
    assert len(pin) == length
    assert pin.isdecimal()


KNOWN = [
    ("0190" * 8, 1, 4, "8238"),
    ("0190" * 8, 1, 6, "268238"),
    ("0190" * 8, 2, 4, "1283"),
    ("0" * 32, 26, 4, "7833"),
    ("f" * 32, 1, 6, "429710"),
]


@pytest.mark.parametrize(("request_id", "generation", "length", "pin"), KNOWN)
def test_a_pin_is_the_one_that_was_computed_by_hand(request_id: str, generation: int, length: int, pin: str) -> None:
    """There used to be no known answer: key and message could have been exchanged, and old PINs lost."""
    assert PINS.pin(request_id, generation, length) == pin
    assert by_hand(b"k" * 32, request_id, generation, length) == pin


def by_hand(key: bytes, request_id: str, generation: int, length: int) -> str:
    """HOTP as RFC 4226 5.3 writes it down, without a library; PINs that were there before are passed over."""
    secret = hmac.new(key, b"pin:" + request_id.encode(), hashlib.sha256).digest()
    seen: list[str] = []
    for counter in itertools.count():
        mac = hmac.new(secret, counter.to_bytes(8, "big"), hashlib.sha1).digest()
        offset = mac[19] & 0xF
        value = (
            f"{(int.from_bytes(mac[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10 ** max(length, 6):0{max(length, 6)}}"
        )
        if value[-length:] not in seen:
            seen.append(value[-length:])
        if len(seen) == generation:
            return seen[-1]
    raise AssertionError


def test_a_code_is_sealed_under_a_key_of_its_own() -> None:
    """There used to be no test of it: the key of the PINs could have been the key of the seals."""
    sealed = base64.b64decode(PINS.seal(REQUEST, "Abc123"))
    keys = {
        use: hmac.new(b"k" * 32, use + b":" + REQUEST.encode(), hashlib.sha256).digest() for use in (b"seal", b"pin")
    }
    nonce, box, bound_to = sealed[:12], sealed[12:], REQUEST.encode()
    assert AESGCM(keys[b"seal"]).decrypt(nonce, box, bound_to) == b"Abc123"
    with pytest.raises(InvalidTag):
        AESGCM(keys[b"pin"]).decrypt(nonce, box, bound_to)


def test_the_pins_of_a_request_are_all_different() -> None:
    for i in range(60):
        pins = [PINS.pin(f"{i:032x}", generation, 4) for generation in range(1, 27)]
        assert len(set(pins)) == 26


def test_another_key_or_request_gives_another_pin() -> None:
    assert PINS.pin(REQUEST, 1, 6) != Pins(b"j" * 32).pin(REQUEST, 1, 6)
    assert PINS.pin(REQUEST, 1, 6) != PINS.pin("0" * 32, 1, 6)


def test_a_callers_code_is_sealed_to_its_request() -> None:
    sealed = PINS.seal(REQUEST, "Abc123")
    assert "Abc123" not in sealed
    assert PINS.unseal(REQUEST, sealed) == "Abc123"
    with pytest.raises(SealBroken):
        PINS.unseal("0" * 32, sealed)


def test_the_pin_of_a_request_is_computed_or_is_its_callers_own() -> None:
    mine = replace(request(1), code_length=6, generation=2)
    assert PINS.of(mine, 2) == PINS.pin(mine.id, 2, 6)
    theirs = replace(mine, sealed_pin=PINS.seal(mine.id, "Abc123"))
    assert PINS.of(theirs, 1) == "Abc123"


@pytest.mark.parametrize(("key_number", "key"), [(4, b"j"), (5, b"k"), (6, b"k"), (3, b"k")])
def test_after_a_rotation_a_request_that_began_under_the_key_before_keeps_its_pins(key_number: int, key: bytes) -> None:
    """There used to be no test of it here: that the key before is asked was seen by a whole daemon only."""
    before = Pins(b"j" * 32, 4)
    now = Pins(b"k" * 32, before.number + 1, before)
    mine = replace(request(1), code_length=6, key_number=key_number)
    assert now.of(mine, 1) == Pins(key * 32).pin(mine.id, 1, 6)


def test_without_a_key_before_there_is_one_key_for_every_request() -> None:
    pins = Pins(b"k" * 32)
    assert (pins.number, pins.old) == (1, None)
    mine = replace(request(1), key_number=0)
    assert pins.of(mine, 1) == pins.pin(mine.id, 1, mine.code_length)


def test_codes_are_compared_whole() -> None:
    assert same_code("0042", "0042")
    assert not same_code("0042", "042")
    assert not same_code("0042", "００４２")
