"""What systemd says of a unit, by `systemctl show`."""

import grp
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from daemon.operations.host.values import KEEPERS, Unit

ASKED = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NRestarts",
    "NeedDaemonReload",
    "Result",
    "User",
    "Group",
    "ActiveEnterTimestampMonotonic",
)
LIMIT_S = 5.0


def systemd_runs(root: Path = Path("/")) -> bool:
    """As sd_booted(3) finds out."""
    return os.path.isdir(root / "run/systemd/system")


def unit(name: str, root: Path = Path("/"), path: str | None = None) -> Unit | None:
    """None where systemd does not run, or does not answer. path: where systemctl is looked for; None: PATH."""
    program = shutil.which("systemctl", path=path)
    if not systemd_runs(root) or program is None:
        return None
    command = [program, "show", name, f"--property={','.join((*ASKED, 'WatchdogUSec'))}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return read(name, done.stdout, time.monotonic())


def time_keeper(root: Path = Path("/"), path: str | None = None) -> str | None:
    """The installed unit that sets the clock, "" for none; None where systemd does not say. path: as `unit` has it."""
    asked = (unit(name, root, path) for name in KEEPERS)  # one after the other, as far as needed
    first = next(asked)
    if first is None:
        return None
    return next((each.name for each in chain([first], asked) if each is not None and each.loaded), "")


def read(name: str, text: str, now_s: float = 0.0) -> Unit | None:
    """The lines "Name=value" of one unit; None where there are none. now_s: since the machine's start (monotonic)."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if "ActiveState" not in values:
        return None
    since_s = _number(values.get("ActiveEnterTimestampMonotonic", "")) / 1e6
    return Unit(
        name,
        loaded=values.get("LoadState") == "loaded",
        active=values["ActiveState"],
        enabled=values.get("UnitFileState", ""),
        restarts=_number(values.get("NRestarts", "")),
        reload_due=values.get("NeedDaemonReload") == "yes",
        result=values.get("Result", ""),
        watchdog=values.get("WatchdogUSec", "") not in ("0", "infinity"),
        user=values.get("User", ""),
        group=values.get("Group", ""),
        up_s=max(now_s - since_s, 0.0) if values["ActiveState"] == "active" and since_s else 0.0,
    )


def lost(unit: Unit) -> tuple[str, ...]:
    """Of its user and its group those that do not exist, as in "group pinwheel"."""
    looked = (("user", unit.user, pwd.getpwnam), ("group", unit.group, grp.getgrnam))
    return tuple(f"{kind} {name}" for kind, name, look in looked if name and not _there(look, name))


def _there(look: Callable[[str], object], name: str) -> bool:
    try:
        look(name)
    except KeyError:
        return False
    return True


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
