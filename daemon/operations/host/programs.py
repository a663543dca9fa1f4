"""The processes of this machine: what they are called, the unit that started them, and who holds a device open."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from daemon.operations.host.kernel_files import text_of
from daemon.operations.host.values import Holders, Process

MASTER, FIRST_PTS = os.makedev(5, 2), 136  # /dev/ptmx, and the first major number of /dev/pts
PTS = range(FIRST_PTS, FIRST_PTS + 8)
UNITS = (".service", ".scope", ".socket")
WAITING = {"tcp": "0A", "udp": "07"}
"""The state of a socket that takes what comes, by table of /proc/net (proc(5); include/net/tcp_states.h)."""


def processes(root: Path = Path("/")) -> tuple[Process, ...]:
    """All that run, by pid."""
    return tuple(sorted((_process(each) for each in _folders(root)), key=lambda each: each.pid))


def holders(device: int, root: Path = Path("/")) -> Holders:
    """Of a character device by its number (st_rdev): the same whatever name it was opened by.

    Whoever serves a pseudo-terminal is no holder of it.
    """
    ours = _pts()

    def holds(folder: Path, descriptors: list[Path]) -> bool:
        opened = [_number(each, ours) for each in descriptors]
        return device in opened and not (MASTER in opened and _serves(folder, device))

    return _who(holds, root)


def at_port(kind: str, port: int, root: Path = Path("/")) -> Holders:
    """Those that have a port of "tcp" or "udp", at whatever address."""
    wanted = {f"socket:[{inode}]" for table in (kind, f"{kind}6") for inode in _sockets(table, port, root)}
    return _who(lambda _, descriptors: any(_link(each) in wanted for each in descriptors), root)


def _sockets(table: str, port: int, root: Path) -> Iterator[str]:
    """The inodes of the sockets at a port."""
    state = WAITING[table.removesuffix("6")]
    for line in text_of(root / "proc/net" / table).splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[1].endswith(f":{port:04X}") and fields[3] == state:
            yield fields[9]


def _link(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        return ""


def _who(holds: Callable[[Path, list[Path]], bool], root: Path) -> Holders:
    """The processes of which that is true. holds: takes a process's folder, and its descriptors."""
    found, complete = [], True
    for folder in _folders(root):
        try:
            descriptors = [folder / "fd" / each for each in os.listdir(folder / "fd")]
        except PermissionError:
            complete = False
            continue
        except OSError:  # it has ended
            continue
        if holds(folder, descriptors):
            found.append(_process(folder))
    return Holders(tuple(sorted(found, key=lambda each: each.pid)), complete)


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (each for each in (root / "proc").iterdir() if each.name.isdecimal())


def _pts() -> int:
    """The file system of our pseudo-terminals: a container has its own, with the same numbers."""
    try:
        return os.stat("/dev/pts").st_dev
    except OSError:
        return 0


def _number(descriptor: Path, ours: int) -> int:
    """Of the device that it is; 0 for none, and for a pseudo-terminal of a container."""
    try:
        about = os.stat(descriptor)
    except OSError:
        return 0
    return 0 if os.major(about.st_rdev) in PTS and about.st_dev != ours else about.st_rdev


def _serves(folder: Path, device: int) -> bool:
    """Whether it has the other end of a pseudo-terminal, as a simulated or networked modem does (proc(5), fdinfo)."""
    index = os.minor(device) + 256 * (os.major(device) - FIRST_PTS)
    return any(f"tty-index:\t{index}\n" in text_of(each) for each in (folder / "fdinfo").glob("*"))


def _process(folder: Path) -> Process:
    return Process(int(folder.name), text_of(folder / "comm").strip() or "?", unit_of(text_of(folder / "cgroup")))


def is_daemon(pid: int, root: Path = Path("/")) -> bool:
    """Whether it is a pinwheeld, by its command line."""
    words = text_of(root / f"proc/{pid}/cmdline").split("\0")
    return any(word.rpartition("/")[2] == "pinwheeld" or word == "daemon.main" for word in words[:3])


def unit_of(cgroup: str) -> str:
    """The innermost unit in the text of /proc/PID/cgroup ("0::/system.slice/ModemManager.service"), "" for none."""
    parts = [part for line in cgroup.splitlines() for part in line.rpartition(":")[2].split("/")]
    return next((part for part in reversed(parts) if part.endswith(UNITS)), "")
