"""A file for who helps: the verdicts, the configuration without what is private, and the last lines of the log.

Only what is listed here goes in. Texts pass `bundle_masking`; a key of the configuration shows its value if it is a
number, a choice, or in SHOWN, else only whether it is set.
"""

import io
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from daemon.config import Config
from daemon.config.probing import sections
from daemon.operations.doctor.bundle_masking import masked
from daemon.operations.doctor.judging import Result
from daemon.operations.doctor.self_check import listed
from daemon.version import VERSION

SHOWN = frozenset({"driver", "transport", "bind", "rtp_ports", "dial", "socket", "socket_mode", "tcp", "port", "level"})
LINES, LIMIT_S = 2000, 10.0
KEY_OCTETS = 32
MOST_SECRET = 4096


def write(target: Path, results: Iterable[Result], config: Config | None, path: str | None = None) -> None:
    """A tar archive that only its owner may read. path: where journalctl is looked for. Raises OSError."""
    key, hidden = secrets.token_bytes(KEY_OCTETS), list(_secrets(config))
    texts = {
        "doctor.json": json.dumps(listed(results), indent=1, ensure_ascii=False),
        "configuration.json": json.dumps(_shown(config), indent=1) if config is not None else "{}",
        "machine.json": json.dumps({"pinwheel": VERSION, "python": sys.version, "system": platform.platform()}),
        "log.txt": _log(path),
    }
    with (
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file,
        tarfile.open(fileobj=file, mode="w:gz") as archive,
    ):
        os.fchmod(file.fileno(), 0o600)
        for name, text in texts.items():
            octets = masked(text, key, hidden).encode(errors="replace")
            entry = tarfile.TarInfo(f"pinwheel-doctor/{name}")
            entry.size, entry.mode = len(octets), 0o600
            archive.addfile(entry, io.BytesIO(octets))


def _shown(config: Config) -> dict[str, dict[str, Any]]:
    """By section, each key."""
    found: dict[str, dict[str, Any]] = {}
    for where, section in sections(config):
        keys = found.setdefault(where, {})
        for f in fields(section):
            if f.name != "options":
                keys[f.name] = _value(f.name, getattr(section, f.name), f.metadata.get("choices", ()))
    return found


def _value(name: str, value: Any, choices: Sequence[str]) -> Any:
    if isinstance(value, bool | int | float) or value in choices or (name in SHOWN and isinstance(value, str)):
        return value
    return "set" if value else "unset"


def _secrets(config: Config | None) -> Iterator[str]:
    """What stands in the files that the configuration names and that no message quotes; in hexadecimal, too."""
    for _, section in sections(config) if config is not None else ():
        for f in fields(section):
            value = getattr(section, f.name)
            if f.metadata.get("quoted", True) or not isinstance(value, str) or not value:
                continue
            yield value
            try:
                octets = Path(value).read_bytes()[:MOST_SECRET]
            except (OSError, ValueError):
                continue
            yield octets.hex()
            yield from octets.decode(errors="replace").split()


def _log(path: str | None) -> str:
    program = shutil.which("journalctl", path=path)
    if program is None:
        return "there is no journalctl here"
    command = [program, "--no-pager", "--output=short-iso", f"--lines={LINES}", "--unit=pinwheel.service"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"journalctl failed: {type(exc).__name__}"
    return done.stdout.decode(errors="replace")
