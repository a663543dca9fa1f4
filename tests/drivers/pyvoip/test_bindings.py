"""The file that keeps a trunk's port and contacts over a restart."""

from pathlib import Path

import pytest

from drivers.pyvoip import bindings
from drivers.pyvoip.bindings import Bindings
from tests.drivers.sip.registrars import OLD

KEPT = Bindings("sip:gw@trunk", 40001, (OLD,))


def test_what_was_written_is_read_again_by_the_same_account_only(tmp_path: Path) -> None:
    path = str(tmp_path / "voice.json")
    bindings.write(path, KEPT)
    assert bindings.read(path, "sip:gw@trunk") == KEPT
    assert bindings.read(path, "sip:other@trunk") == Bindings("sip:other@trunk")
    assert (tmp_path / "voice.json").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["voice.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "[" * 60_000,
        '{"account": "sip:gw@trunk"}',
        '{"account": "sip:gw@trunk", "port": "x", "contacts": []}',
        '{"account": "sip:gw@trunk", "port": 70000, "contacts": []}',
        '{"account": "sip:gw@trunk", "port": 1, "contacts": [7]}',
        '{"account": "sip:gw@trunk", "port": 1, "contacts": 7}',
        '{"account": "sip:gw@trunk", "port": 1, "contacts": ["sip:a\\r\\nVia: b"]}',
    ],
)
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "voice.json"
    path.write_text(text)
    assert bindings.read(str(path), "sip:gw@trunk") == Bindings("sip:gw@trunk")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bindings.write(str(tmp_path / "nowhere" / "voice.json"), KEPT)
    assert "No such file" in caplog.text
    bindings.write("", KEPT)
