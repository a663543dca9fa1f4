"""Changing a configuration file: what is not changed stays, to the comment."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import parse
from daemon.operations.setup.document import changed, difference
from daemon.resources import config_path

SHIPPED = config_path("pinwheel.toml").read_text()
VOICE = {"driver": "pyvoip", "server": "fritz.box", "keepalive_seconds": 25, "register": False}
MODEM = {"name": "sim1", "port": "/dev/ttyUSB2"}


def test_a_key_of_the_shipped_file_appears_where_its_comment_was_with_its_sentence() -> None:
    lines = changed(SHIPPED, VOICE, MODEM).splitlines()
    before = SHIPPED.splitlines()
    differing = [(old, new) for old, new in zip(before, lines, strict=False) if old != new]
    assert [new.split(" = ")[0] for _, new in differing] == ["driver", "server", "register", "keepalive_seconds"]
    assert all(old.partition("  # ")[2] == new.partition("  # ")[2] for old, new in differing)
    assert all(old.rindex("# ") == new.rindex("# ") for old, new in differing if not old.startswith("# keep"))
    assert lines[len(before) :] == ["", "[[modem]]", 'name = "sim1"', 'port = "/dev/ttyUSB2"']
    assert parse("\n".join(lines), Path("x")).voice.options.keepalive_seconds == 25


def test_the_same_again_changes_nothing() -> None:
    once = changed(SHIPPED, VOICE, MODEM)
    assert changed(once, VOICE, MODEM) == once
    assert difference(once, once) == []


def test_a_second_modem_comes_behind_the_first_which_keeps_all_its_own() -> None:
    row = '[[modem]] # the old one\nname = "sim1"\nport = "/dev/a"  # left socket\ndaily_limit = 50\n'
    first = f"{row}\n[clock]\nspeed = 1.0\n"
    both = changed(first, {}, {"name": "sim2", "port": "/dev/b"})
    assert tomllib.loads(both)["modem"] == [
        {"name": "sim1", "port": "/dev/a", "daily_limit": 50},
        {"name": "sim2", "port": "/dev/b"},
    ]
    moved = changed(both, {}, {"name": "sim1", "port": "/dev/c", "pin_file": "/etc/pin"})
    assert 'port = "/dev/c"  # left socket' in moved
    assert tomllib.loads(moved)["modem"][0] == {
        "name": "sim1",
        "port": "/dev/c",
        "daily_limit": 50,
        "pin_file": "/etc/pin",
    }


def test_a_key_of_another_trunk_becomes_a_comment() -> None:
    twilio = changed(SHIPPED, {**VOICE, "srtp": "sdes"}, {})
    fritz = changed(twilio, {**VOICE, "srtp": None}, {})
    assert "srtp" not in tomllib.loads(fritz)["voice"]
    assert '# srtp = "sdes"' in fritz
    assert '"none".' in next(line for line in fritz.splitlines() if line.startswith("# srtp"))
    assert difference(twilio, fritz) == ["[voice]", '- srtp = "sdes"']


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "# only a comment\n",
        'modem = [{name = "sim1", port = "/dev/a"}]\nvoice = {driver = "none"}\n',
        'voice.driver = "none"\n[prompts]\nbrands = [\n  "a", # c\n]\n',
        '[voice]\r\ndriver = "none" # windows\r\n',
        '[[modem]]\nname = "sim9"\n[voice]\ndriver = "none"\n# server = "x" and more\n[[modem]]\nname = "sim1"\n',
        '["voice"]\n"driver" = \'none\'\n',
        "[future]\nunknown = 2026-11-28T23:00:00Z\n[voice]\n",
    ],
)
def test_a_file_of_any_shape_gets_the_keys_and_keeps_the_rest(odd: str) -> None:
    before, after = tomllib.loads(odd), tomllib.loads(changed(odd, VOICE, MODEM))
    assert after.pop("voice") == {**before.pop("voice", {}), **VOICE}
    rows = {row["name"]: row for row in after.pop("modem")}
    assert rows.pop("sim1") == MODEM
    assert list(rows.values()) == [row for row in before.pop("modem", []) if row["name"] != "sim1"]
    assert after == before


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(st.sampled_from(["server", "username", "caller_id", "dial"]), TEXTS), TEXTS)
def test_any_text_can_be_a_value(voice: dict[str, str], port: str) -> None:
    made = tomllib.loads(changed('[voice]\n# dial = "{e164}"  # How.\n', dict(voice), {"name": "sim1", "port": port}))
    assert {key: made["voice"][key] for key in voice} == voice
    assert made["modem"][0]["port"] == port


def test_the_difference_names_sections_keys_and_both_values() -> None:
    assert difference('[voice]\ndriver = "none"\n', changed("", {"driver": "pyvoip"}, MODEM)) == [
        "[voice]",
        '- driver = "none"',
        '+ driver = "pyvoip"',
        "[[modem]] sim1",
        '+ name = "sim1"',
        '+ port = "/dev/ttyUSB2"',
    ]
