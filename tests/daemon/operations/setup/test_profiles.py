"""The profiles of trunks: each gives a configuration that the daemon accepts, and works on the simulated phone."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.config import parse
from daemon.operations.setup.document import changed
from daemon.operations.setup.model import Profile
from daemon.operations.setup.profiles import load_profiles
from daemon.operations.setup.tasks import mistake
from daemon.operations.setup.trial import register
from daemon.resources import config_path
from drivers.simulated.phone import SimulatedPhone

SHIPPED = config_path("pinwheel.toml").read_text()
PROFILES = load_profiles()
TYPED = {
    "server": "pbx.example",
    "username": "620",
    "auth_username": "Xa7",
    "password": "secret",
    "caller_id": "+442079460123",
}
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def answers(profile: Profile) -> dict[str, str]:
    return {blank.key: blank.default or TYPED[blank.key] for blank in profile.blanks}


def test_there_is_one_for_each_kind_of_trunk_and_the_one_for_all_others_is_last() -> None:
    names = {"fritzbox", "asterisk-account", "asterisk-address", "3cx", "twilio", "telnyx", "vonage", "other"}
    assert {profile.name for profile in PROFILES} == names
    assert PROFILES[-1].name == "other"


@each_profile
def test_it_makes_keys_that_the_daemon_accepts(profile: Profile, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(TYPED["password"])
    keys = {"driver": "pyvoip", **profile.keys(answers(profile)), "password_file": str(secret)}
    options = parse(changed(SHIPPED, keys, {}), Path(profile.name)).voice.options
    assert {key: getattr(options, key) for key in keys if key != "driver"} == {
        key: value for key, value in keys.items() if key != "driver"
    }
    assert not any(mistake(key, answer) for key, answer in answers(profile).items())


@each_profile
def test_it_says_where_its_facts_come_from_and_what_was_tested_and_fits_a_screen(profile: Profile) -> None:
    assert profile.source
    assert profile.tested.startswith(("not tried", "tried"))
    assert len(profile.title) <= 70
    assert profile.blanks[0].key == "server"
    assert all(len(f"  {blank.text} (Enter: as it is) [{blank.default}]: ") <= 110 for blank in profile.blanks)
    assert len({blank.key for blank in profile.blanks}) == len(profile.blanks)


@pytest.fixture(scope="module")
def phone() -> Iterator[SimulatedPhone]:
    with SimulatedPhone(password=TYPED["password"], ring_s=0.1) as phone:
        yield phone


@each_profile
def test_the_simulated_phone_takes_its_keys_by_udp(profile: Profile, phone: SimulatedPhone, tmp_path: Path) -> None:
    """As the profiles say of themselves; TLS has to be tried at the provider."""
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(TYPED["password"])
    here = {"server": phone.address, "bind": "127.0.0.1:0", "transport": "udp", "srtp": "none", "external_address": ""}
    state = {"state_file": str(tmp_path / "voice.json"), "password_file": str(secret)}
    keys = {"driver": "pyvoip", **profile.keys(answers(profile)), **here, **state}
    if not keys["register"]:
        keys["keepalive_seconds"] = 1
    config = parse(changed("", keys, {}), tmp_path / "x")
    outcome = register(config.voice, lambda _: None)
    assert outcome.ok, outcome
    assert ("registered at" if keys["register"] else "answers (OPTIONS)") in outcome.said[0]
    assert os.listdir(tmp_path) != []
