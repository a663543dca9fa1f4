"""Our port and contacts before a restart, in a small file, so that a registrar sees the same contact again.

A registrar that allows one contact would refuse the next one until the old one expires (minutes).
"""

import contextlib
import json
import logging
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger("pinwheel.voice")

MOST_OCTETS = 65_536


@dataclass(frozen=True, slots=True)
class Bindings:
    """account: our address of record; port: our SIP port, or 0; contacts: URIs that the registrar may hold."""

    account: str
    port: int = 0
    contacts: tuple[str, ...] = ()


def read(path: str, account: str) -> Bindings:
    """What was kept for this account; nothing for path "", and where the file is missing, damaged or another's."""
    none = Bindings(account)
    try:
        with Path(path).open("rb") as file:
            found = json.loads(file.read(MOST_OCTETS))
        kept = Bindings(found["account"], found["port"], tuple(found["contacts"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return none
    return kept if kept.account == account and _is_sound(kept) else none


def _is_sound(kept: Bindings) -> bool:
    port = isinstance(kept.port, int) and 0 <= kept.port < 65536
    return port and all(isinstance(uri, str) and re.fullmatch(r"sips?:[^\s<>\"]+", uri) for uri in kept.contacts)


def write(path: str, bindings: Bindings) -> None:
    """All or nothing; a file that cannot be written is logged, as calls go on without it."""
    if not path:
        return
    beside = Path(f"{path}.new")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(bindings), file)
        beside.replace(path)
    except OSError as exc:
        log.warning("cannot write %s: %s; see [voice] state_file", path, exc.strerror)
        with contextlib.suppress(OSError):
            beside.unlink()
