"""Bare Debian trees, made once by debootstrap and kept in a cache; a machine boots on an overlay of one."""

import os
import platform
import shutil
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("PINWHEEL_TREES", "/var/cache/pinwheel/trees"))
ROOT = Path(__file__).parents[2]
# What `apt install ./pinwheel_*.deb` would fetch on a bare system is in the tree already: the test needs no network.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "python3",
    "ca-certificates",
    "adduser",
    "curl",
    "libfaketime",
    "bash-completion",
    "usb-modeswitch",
    "sudo",
)
MAKING_S = 1200


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release. python: the interpreter that its package is built for."""

    name: str
    number: int
    python: str


RELEASES = {
    "bookworm": Release("bookworm", 12, "3.11"),
    "trixie": Release("trixie", 13, "3.13"),
}


class CannotBoot(Exception):
    """This machine cannot boot a tree; the text says why and what to do."""


def needs() -> None:
    """Raises CannotBoot with everything that is missing here."""
    missing = [name for name in ("debootstrap", "systemd-nspawn", "nsenter") if shutil.which(name) is None]
    if os.geteuid() != 0:
        raise CannotBoot("booting a tree needs root: run it as root, or with sudo")
    if missing:
        raise CannotBoot(f"{', '.join(missing)} not found: apt-get install debootstrap systemd-container util-linux")
    if "overlay" not in Path("/proc/filesystems").read_text():
        raise CannotBoot("the kernel has no overlayfs")


def tree(release: Release) -> Path:
    """The cached tree of a release; made when it is not there yet (a minute). Raises CannotBoot."""
    needs()
    packages = " ".join(PACKAGES)
    place = CACHE / f"boot-{release.name}-{platform.machine()}-{zlib.crc32(packages.encode()):08x}"
    command = ["sh", str(ROOT / ".ci" / "debian-tree"), release.name, str(place), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MAKING_S, check=False)
    if done.returncode != 0:
        raise CannotBoot(f"cannot make a tree of {release.name}: {done.stderr[-500:]}")
    return place
