"""Whatever stands in a configuration, it is judged."""

import json
import math
import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import SECTIONS, inspect
from drivers.pyvoip.options import Options
from tests.daemon.config.checking import check_config, written
from tests.examples import examples

KEYS = [f"{section}.{f.name}" for section, cls in SECTIONS.items() for f in fields(cls)]
CALLS = [f.name for f in (*fields(Options), *fields(SECTIONS["voice"])) if f.name not in ("driver", "options")]
VALUES = st.one_of(
    st.text(max_size=40),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.lists(st.one_of(st.integers(-9, 9), st.text(max_size=9)), max_size=3),
    st.sampled_from(["", "/", "127.0.0.1:1", "[::1]:1", "sqlite:////x", "0660", "auto", "{e164}", "4000-4099"]),
)


def toml_of(value: object) -> str:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    return json.dumps(value)


@examples(100)
@given(
    st.dictionaries(st.sampled_from(CALLS), VALUES, max_size=4),
    st.sampled_from(KEYS),
    VALUES,
)
def test_any_value_of_any_key_is_judged(place: Path, voice: dict[str, object], key: str, value: object) -> None:
    """A configuration or findings, never another exception; and messages of one line."""
    section, _, name = key.partition(".")
    lines = [f"{name} = {toml_of(value)}" for name, value in voice.items()]
    toml = "\n".join(['[voice]\ndriver = "pyvoip"', *lines])
    if section != "voice":
        toml += f"\n[{section}]\n{name} = {toml_of(value)}\n"
    for finding in inspect(written(place, toml.encode(errors="replace").decode(), "any.toml")).findings:
        assert finding.text
        assert "\n" not in str(finding)


@examples(100)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_judged(place: Path, content: bytes) -> None:
    path = place / "any.toml"
    path.write_bytes(content)
    for finding in inspect(path).findings:
        assert finding.text


def test_a_line_of_a_million_characters_is_judged_in_good_time(place: Path) -> None:
    started = time.monotonic()
    for part in ("a", '"', "[", "= ", "a = 'x' ", "\u201c", " ", "a = 1s ", "#\n"):
        inspect(written(place, part * (1_000_000 // len(part)), "long.toml"))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("kind", ["zero", "fifo", "long"])
def test_another_kind_of_file_is_no_configuration(place: Path, kind: str) -> None:
    """A FIFO used to hold up every later reload, for as long as nobody wrote into it."""
    files = {"zero": Path("/dev/zero"), "fifo": place / "fifo", "long": written(place, "#" * 2_000_000, "long.toml")}
    assert "that is another kind of file" in check_config(files[kind]).output
