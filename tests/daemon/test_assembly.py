"""The daemon puts its parts together, with drivers that it does not know."""

import json
from pathlib import Path

import pytest

import drivers
from daemon.assembly import assemble
from daemon.config import inspect
from daemon.config.keys import Config
from daemon.serving import Daemon
from tests.gateway import Gateway, modem_section, pin_in

OUTSIDE = Path(__file__).parents[1] / "drivers" / "contract" / "outside"
NUMBER = "447700900123"
SOURCE = """
from dataclasses import dataclass

from drivers.settings import Fault, setting

@dataclass(frozen=True, slots=True)
class Options:
    directory: str = setting("", "Where calls are written.", required=True)
    {more}

class Driver:
    def __init__(self, name, options):
        self.name, self.options = name, options

    def call(self, call, progress): ...
"""
STATE = 'state_file: str = setting("", "What is kept over a restart.")'
ROOM = 'def room_for(self, calls): yield from [Fault("it writes one at a time", key="directory")] if calls > 1 else []'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for drivers besides the package's own."""
    monkeypatch.setattr(drivers, "__path__", [*drivers.__path__, str(tmp_path)])
    return tmp_path


def configured(place: Path, driver: str, more: str = "", keys: str = "") -> Path:
    (place / f"{driver}.py").write_text(SOURCE.format(more=more))
    path = place / "pinwheel.toml"
    path.write_text(
        f'[store]\nurl = "sqlite:///{place}/pinwheel.db"\n[voice]\ndriver = "{driver}"\ndirectory = "{place}"\n{keys}\n'
    )
    return path


def assembled(path: Path) -> tuple[Config, Daemon]:
    inspection = inspect(path)
    inspection.refuse_fatal()
    daemon = assemble(inspection.config, path)
    daemon.store.close()
    return inspection.config, daemon


def test_a_voice_driver_needs_no_keys_but_its_own(place: Path) -> None:
    """There used to be a crash unless it declared `ring_seconds` and how else calls are made."""
    config, daemon = assembled(configured(place, "bare", keys="ring_seconds = 7\nmax_calls = 3"))
    assert (config.voice.ring_seconds, config.voice.max_calls) == (7, 3)
    assert daemon.calls is not None
    assert daemon.calls.driver.name == "bare"


def test_an_empty_state_file_lies_beside_the_database(place: Path) -> None:
    _, daemon = assembled(configured(place, "keeping", STATE))
    assert daemon.calls is not None
    assert vars(daemon.calls.driver)["options"].state_file == str(place / "voice.json")


@pytest.mark.parametrize(("calls", "found"), [(1, []), (2, ["[voice] directory"])])
def test_a_driver_may_have_no_room_for_so_many_calls(place: Path, calls: int, found: list[str]) -> None:
    findings = inspect(configured(place, "narrow", ROOM, f"max_calls = {calls}")).findings
    assert [finding.where for finding in findings if "one at a time" in finding.text] == found


def test_a_key_that_is_not_declared_by_setting_is_a_mistake_of_the_driver(place: Path) -> None:
    """There used to be a crash, a KeyError of "quoted", where the configuration was read."""
    findings = inspect(configured(place, "plain", 'colour: str = "red"')).findings
    assert "does not declare its key colour by drivers.settings.setting" in str(findings[0])


def test_drivers_that_somebody_adds_carry_a_whole_verification(tmp_path: Path) -> None:
    """One file each, found by its name; written once by the recipe in CONTRIBUTING.md and nothing else."""
    sms, calls = tmp_path / "sms", tmp_path / "calls"
    sms.mkdir()
    calls.mkdir()
    toml = modem_section("", more=f'driver = "spool"\ndirectory = "{sms}"').replace('port = ""\n', "")
    toml += f'[voice]\ndriver = "callfile"\ndirectory = "{calls}"\n'
    with Gateway(tmp_path, toml, drivers=OUTSIDE) as gateway:
        request = gateway.verify(NUMBER)
        gateway.wait_for(request, "sent", 0)
        gateway.client.verify("control", request_id=request, cmd="trigger_next_event")
        gateway.wait_for(request, "delivered", 1)
        message = json.loads((sms / "1.json").read_text())
        assert gateway.client.verify("check", request_id=request, code=pin_in(message["text"]))["status"] == "0"
        assert message["number"] == NUMBER
        assert (calls / f"{NUMBER}.ulaw").stat().st_size > 8000
