"""The configuration that the answers make, and the files beside it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.config import Config
from daemon.operations.setup import udev
from daemon.operations.setup.document import changed
from daemon.operations.setup.model import Known, Present, Profile, Stick
from daemon.operations.setup.modems import DRIVER, fits
from daemon.operations.setup.writing import CONFIGURATION, RULE, SECRET, NewFile

VOICE_DRIVER = "pyvoip"
PASSWORD, PIN_FILE = "trunk.password", "{}.pin"
BY_ID = "/serial/by-id/"


@dataclass(frozen=True, slots=True)
class Draft:
    """secrets: where their files are; final: in place, not for a trial."""

    secrets: Path
    final: bool


def present(text: str, config: Config) -> Present:
    """What a configuration has."""
    voice = {key: str(value) for key, value in tomllib.loads(text).get("voice", {}).items()}
    trunk = f"at {getattr(config.voice.options, 'server', '')}" if config.voice.configured else ""
    pins = frozenset(modem.name for modem in config.modem if getattr(modem.options, "pin_file", ""))
    return Present(tuple(modem.name for modem in config.modem), pins, trunk, voice)


def configuration(known: Known, before: str, draft: Draft) -> str:
    """The text of the file."""
    voice = _voice(known, draft) if known.profile is not None else {}
    modem = _modem(known, before, known.stick, draft) if known.stick is not None else {}
    return changed(before, voice, modem)


def files(known: Known, before: str, path: Path, root: Path) -> list[NewFile]:
    """All that is to be written, the configuration last: what it names must be there. root: stands for "/" of devices.

    A rehearsal, on devices that are not this machine's, changes no rule of this machine.
    """
    draft = Draft(path.parent, final=True)
    found = secrets(known, draft)
    if known.stick is not None and (rules := udev.rules(name_of(known), known.stick)):
        found.append(NewFile(root / udev.path_of(name_of(known)).lstrip("/"), rules, RULE))
    return [*found, NewFile(path, configuration(known, before, draft), CONFIGURATION)]


def secrets(known: Known, draft: Draft) -> list[NewFile]:
    given = ((PIN_FILE.format(name_of(known)), known.answers.get("sim_pin")), (PASSWORD, _password(known)))
    return [NewFile(draft.secrets / name, f"{secret}\n", SECRET) for name, secret in given if secret]


def name_of(known: Known) -> str:
    """Of the modem: its row's, else the first that is free."""
    if known.stick is not None and known.stick.row:
        return known.stick.row
    number = next(n for n in range(1, len(known.present.modems) + 2) if f"sim{n}" not in known.present.modems)
    return f"sim{number}"


def _password(known: Known) -> str:
    return known.answers.get("password", "") if known.profile is not None else ""


def _voice(known: Known, draft: Draft) -> dict[str, object]:
    """Keys of [voice]; None for what another profile may have left there."""
    profile = known.profile
    assert profile is not None
    keys: dict[str, object] = {"driver": VOICE_DRIVER, **profile.keys(known.answers)}
    if _password(known):
        keys["password_file"] = str(draft.secrets / PASSWORD)
    elif "password_file" in known.present.voice and any(blank.key == "password" for blank in profile.blanks):
        keys["password_file"] = known.present.voice["password_file"]
    others = {key: None for key in _keys_of(known.profiles) if key in known.present.voice and key not in keys}
    if not draft.final and not keys.get("register", True):
        keys["keepalive_seconds"] = 1
    return {**others, **keys}


def _keys_of(profiles: Iterable[Profile]) -> set[str]:
    """Every key of [voice] that some profile may set."""
    found = {"password_file"}
    for profile in profiles:
        found |= {*profile.voice, *(blank.key for blank in profile.blanks if blank.key != "password")}
        found |= {key for table in profile.when.values() for more in table.values() for key in more}
    return found


def _modem(known: Known, before: str, stick: Stick, draft: Draft) -> Mapping[str, object]:
    name = name_of(known)
    row = next((row for row in _rows(before) if row.get("name") == name), {})
    keys: dict[str, object] = {"name": name}
    if row.get("driver", DRIVER) == DRIVER and not (row and fits(str(row.get("port", "")), stick.port)):
        lasting = BY_ID in stick.port or not (draft.final and stick.vendor and stick.interface)
        keys["port"] = stick.port if lasting else udev.link_of(name)
    if known.answers.get("sim_pin"):
        keys["pin_file"] = str(draft.secrets / PIN_FILE.format(name))
    return keys


def _rows(text: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = tomllib.loads(text).get("modem", [])
    return rows
