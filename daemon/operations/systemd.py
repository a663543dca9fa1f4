"""What systemd gives the daemon and hears of it: sd_listen_fds(3), sd_notify(3), directories (systemd.exec(5))."""

import os
import socket
from pathlib import Path


def notify(*assignments: str) -> None:
    """Send e.g. "READY=1"; does nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto("\n".join(assignments).encode(), address)
    except OSError:
        return  # systemd is going away, and so are we


def watchdog_interval_s() -> float | None:
    """How often to send WATCHDOG=1: half of WatchdogSec, or None where no watchdog is set for this process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000


def runtime_directory() -> Path | None:
    """In memory, and kept over a restart, but not over a stop; None without systemd."""
    directory = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(directory) if directory else None


def inherited_sockets() -> list[socket.socket]:
    """The sockets that systemd passed (sd_listen_fds(3)); the variables are removed so that no child takes them."""
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = [socket.socket(fileno=fd) for fd in range(3, 3 + int(count))]
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets
