"""What the unit of the service forbids although its user may do it: the sandbox hides a part of the machine.

Only --check-config for the service looks at this, from outside; the service itself finds what it names, or not.
"""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from daemon.config.findings import Finding
from daemon.config.keys import Config
from daemon.config.probing import sections
from drivers.checks import STATE_DIRECTORY
from drivers.settings import FaultKind, Severity

UNITS = [f"{place}/systemd/system/pinwheel.service" for place in ("/run", "/etc")]
DROP_INS = (*UNITS, *(f"{unit}.d" for unit in UNITS))
HIDDEN = {"ProtectHome": ("/home", "/root", "/run/user"), "PrivateTmp": ("/tmp", "/var/tmp")}
TTYS = ("ttyUSB", "ttyACM", "ttyS", "ttyAMA", "pts/")  # as DeviceAllow= has them
EDIT = "in a drop-in (systemctl edit pinwheel)"


def local_changes() -> str:
    """What the administrator has changed of the unit: a directive that stands there is no longer ours to judge."""
    files = [path for place in DROP_INS for path in (place, *glob.glob(f"{place}/**/*.conf", recursive=True))]
    return "\n".join(Path(path).read_text(errors="replace") for path in files if os.path.isfile(path))


def kept_from(config: Config, changes: str) -> Iterator[Finding]:
    """What the file names and the service cannot use. changes: to the unit."""
    for where, section in sections(config):
        for f in fields(section):
            value = getattr(section, f.name)
            if f.name == "port":
                yield from _port(f"{where} port", value, changes)
            elif isinstance(value, str) and value.startswith("/"):
                yield from _hidden(f"{where} {f.name}", Path(value), changes)
            path = {"url": config.store.path, "state_file": Path(str(value))}.get(f.name)
            if path is not None:
                yield from _written(f"{where} {f.name}", path, changes)


def _hidden(key: str, path: Path, changes: str) -> Iterator[Finding]:
    for directive, tops in HIDDEN.items():
        for top in tops:
            if path.is_relative_to(top) and directive not in changes:
                remedy = f"move it, e.g. to /etc/pinwheel, or set {directive}=no {EDIT}"
                text = f"the service does not see {top} ({directive}= of its unit); {remedy}"
                yield Finding(key, text, Severity.ERROR, FaultKind.HIDDEN)


def state_directories(changes: str) -> list[Path]:
    """StateDirectory= of the unit, with its drop-ins: each adds to it, an empty one begins again."""
    found = [STATE_DIRECTORY]
    for names in re.findall(r"^[ \t]*StateDirectory[ \t]*=(.*)$", changes, re.MULTILINE):
        found = [*found, *(STATE_DIRECTORY.parent / name.partition(":")[0] for name in names.split())]
        found = found if names.strip() else []
    return found


def _written(key: str, path: Path, changes: str) -> Iterator[Finding]:
    writable = state_directories(changes)
    if not path.is_absolute() or any(map(path.is_relative_to, writable)):
        return
    if "ReadWritePaths" not in changes and "ProtectSystem" not in changes:
        remedy = f"move it there, or set ReadWritePaths={path.parent} {EDIT}"
        where = " and ".join(map(str, writable)) or "no directory"
        text = f"the service may write in {where} only (ProtectSystem= and StateDirectory= of its unit); {remedy}"
        yield Finding(key, text, Severity.ERROR, FaultKind.HIDDEN)


def _port(key: str, pattern: str, changes: str) -> Iterator[Finding]:
    for name in glob.glob(pattern):
        path = os.path.realpath(name)
        device = path.removeprefix("/dev/")
        if not path.startswith("/dev/"):  # it is no device at all
            continue
        if not device.startswith(TTYS) and "DeviceAllow" not in changes and "DevicePolicy" not in changes:
            remedy = f"set DeviceAllow=/dev/{device} rw {EDIT}"
            text = f"the service may not use {device} (DeviceAllow= of its unit); {remedy}"
            yield Finding(key, text, Severity.ERROR, FaultKind.HIDDEN)
