"""What the kernel says: its clock, memory, modules, log and firewall."""

import ctypes
import errno
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from daemon.operations.host.kernel_files import text_of
from daemon.operations.host.values import Clock, Machine, Missing

STA_UNSYNC = 0x0040  # adjtimex(2)
TIMEX_OCTETS = 512  # more than struct timex has on any machine
STATUS_AT = 40  # its status: behind modes (int) and four longs
GONE = re.compile(r"usb ([0-9][0-9.-]{0,30}): (?:USB disconnect|reset )")
MOST_RECORDS, RECORD = 20_000, 8192  # of the kernel's log; octets of one
LIMIT_S = 3.0


def clock() -> Clock | Missing:
    """Whether the kernel knows its clock to be right; asks nobody else."""
    buffer = ctypes.create_string_buffer(TIMEX_OCTETS)
    try:
        failed = ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0
    except (OSError, AttributeError):
        failed = True
    if failed:
        return Missing("this machine does not say how its clock is")
    status = int.from_bytes(buffer.raw[STATUS_AT : STATUS_AT + 4], "little")
    return Clock(not status & STA_UNSYNC, time.time())


def machine(root: Path = Path("/")) -> Machine:
    """0 where something is not said."""
    memory = dict(
        re.findall(r"^(Mem[A-Z][a-z]{2,12}): {1,20}([0-9]{1,20}) kB$", text_of(root / "proc/meminfo"), re.MULTILINE)
    )
    used, _, most = [*text_of(root / "proc/sys/fs/file-nr").split(), "0", "0", "0"][:3]
    modules = (line.split()[0] for line in text_of(root / "proc/modules").splitlines() if line.strip())
    return Machine(
        memory_free=int(memory.get("MemAvailable", 0)) * 1024,
        memory=int(memory.get("MemTotal", 0)) * 1024,
        entropy=entropy(),
        journal=(root / "var/log/journal").is_dir(),
        modules=frozenset(modules),
        files=(int(used), int(most)),
    )


def entropy() -> bool:
    """Whether random numbers come at once."""
    try:
        return bool(os.getrandom(1, os.GRND_NONBLOCK))
    except BlockingIOError:
        return False


def resets(root: Path = Path("/")) -> Mapping[str, int] | None:
    """How often each USB device went away since the start of the machine, by its place ("1-1.4").

    None where the kernel's log may not be read.
    """
    try:
        descriptor = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    found: Counter[str] = Counter()
    try:
        for _ in range(MOST_RECORDS):
            record = _record(descriptor)
            if not record:
                break
            found.update(GONE.findall(record))
    finally:
        os.close(descriptor)
    return found


def _record(descriptor: int) -> str:
    """One of /dev/kmsg, "" behind the last."""
    try:
        return os.read(descriptor, RECORD).decode(errors="replace") or ""
    except OSError as exc:
        return " " if exc.errno == errno.EPIPE else ""  # EPIPE: it was overwritten meanwhile


def drops(low: int, path: str | None = None) -> bool | None:
    """Whether the firewall drops what comes in, and has no rule that names a port; None where that is not seen."""
    program = shutil.which("nft", path=path)
    if program is None or os.geteuid():
        return None
    try:
        done = subprocess.run([program, "list", "ruleset"], capture_output=True, text=True, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else dropped(done.stdout, low)


def dropped(rules: str, low: int) -> bool:
    """By the text of all rules: a chain of input with the policy drop, and the port in no rule."""
    chains = re.findall(r"hook input [^;]{0,80};\s{0,20}policy drop", rules)
    return bool(chains) and str(low) not in rules
