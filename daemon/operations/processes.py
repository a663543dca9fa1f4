"""What the kernel says of our processes: the daemon, and the audio process that it has started.

prometheus-client reads some of it from files of /proc that the service does not see (ProcSubset=pid), and then says
nothing at all; so it is read here from what stays visible.
"""

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
BOOT = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)  # once: a start that moves looks like a restart
AUDIO = b"drivers.rtp"  # in the command line of the audio process


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """cpu_s: user and system; started: Unix time; files: open ones."""

    cpu_s: float
    resident: int
    virtual: int
    started: float
    files: int


def own() -> ProcessFigures:
    return _figures(Path("/proc/self"))


def files_allowed() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def audio() -> ProcessFigures | None:
    """None while there is none."""
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread, or the process, that has ended meanwhile
            for pid in path.read_text().split():
                child = Path("/proc", pid)
                if AUDIO in child.joinpath("cmdline").read_bytes():
                    return _figures(child)
    return None


def _figures(process: Path) -> ProcessFigures:
    """Raises OSError where it is gone."""
    words = (process / "stat").read_bytes().rpartition(b")")[2].split()  # the name may hold spaces: proc(5)
    user, system, began, virtual, resident = (int(words[place]) for place in (11, 12, 19, 20, 21))
    cpu_s, files = (user + system) / TICKS, len(os.listdir(process / "fd"))
    return ProcessFigures(cpu_s, resident * PAGE, virtual, BOOT + began / TICKS, files)
