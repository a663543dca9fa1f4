"""PINs are computed, never kept."""

from pathlib import Path

import pytest

from daemon.pins import KeyUnusable, Pins, load_key, same_code

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


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    key = load_key("", tmp_path)
    assert len(key) == 32
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert load_key("", tmp_path) == key


def test_a_credential_of_systemd_comes_before_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pinwheel-key").write_bytes(b"c" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_key("", tmp_path / "state") == b"c" * 32


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(b"short", 0o600, "has 5 octets and needs 32"), (b"k" * 32, 0o644, "others may read it; run: chmod 600")],
)
def test_a_key_that_is_no_good_is_refused_with_the_remedy(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    path = tmp_path / "master"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match=why):
        load_key(str(path), tmp_path)


def test_a_key_file_that_is_missing_is_an_error_not_a_new_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot read the master key"):
        load_key(str(tmp_path / "none"), tmp_path)
    assert not (tmp_path / "none").exists()
