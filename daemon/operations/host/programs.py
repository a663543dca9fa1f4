"""The processes of this machine: what they are called, the unit that started them, and who holds a device open."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from daemon.operations.host.values import Holders, Process

__all__ = ["Holders", "Process", "holders", "is_daemon", "processes", "unit_of"]

UNITS = (".service", ".scope", ".socket")


def processes(root: Path = Path("/")) -> tuple[Process, ...]:
    """All that run, by pid."""
    return tuple(sorted((_process(each) for each in _folders(root)), key=lambda each: each.pid))


def holders(device: int, root: Path = Path("/")) -> Holders:
    """Of a character device by its number (st_rdev): the same whatever name it was opened by."""
    found, complete = [], True
    for folder in _folders(root):
        try:
            descriptors = os.listdir(folder / "fd")
        except PermissionError:
            complete = False
            continue
        except OSError:  # it has ended
            continue
        if any(_is(folder / "fd" / each, device) for each in descriptors):
            found.append(_process(folder))
    return Holders(tuple(sorted(found, key=lambda each: each.pid)), complete)


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (each for each in (root / "proc").iterdir() if each.name.isdecimal())


def _is(descriptor: Path, device: int) -> bool:
    try:
        return os.stat(descriptor).st_rdev == device
    except OSError:
        return False


def _process(folder: Path) -> Process:
    return Process(int(folder.name), _text(folder / "comm").strip() or "?", unit_of(_text(folder / "cgroup")))


def is_daemon(pid: int, root: Path = Path("/")) -> bool:
    """Whether it is a pinwheeld, by its command line."""
    words = _text(root / f"proc/{pid}/cmdline").split("\0")
    return any(word.rpartition("/")[2] == "pinwheeld" or word == "daemon.main" for word in words[:3])


def unit_of(cgroup: str) -> str:
    """The innermost unit in the text of /proc/PID/cgroup ("0::/system.slice/ModemManager.service"), "" for none."""
    parts = [part for line in cgroup.splitlines() for part in line.rpartition(":")[2].split("/")]
    return next((part for part in reversed(parts) if part.endswith(UNITS)), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
