"""Bare Debian trees, made once by debootstrap and kept in a cache; a machine boots on an overlay of one."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("PINWHEEL_TREES", "/var/cache/pinwheel/trees"))
SOURCES = (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))
# What `apt install ./pinwheel_*.deb` would fetch on a bare system is in the tree already: the test needs no network.
PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "python3", "ca-certificates", "adduser", "curl", "libfaketime")
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


def mirror() -> str:
    """Where this machine's own apt gets Debian from. Raises CannotBoot where it does not say."""
    for source in SOURCES:
        if source.is_file():
            found = re.search(r"^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+/debian)/?\s*", source.read_text(), re.MULTILINE)
            if found:
                return found[1]
    raise CannotBoot("no Debian mirror in the sources of apt")


def tree(release: Release) -> Path:
    """The cached tree of a release; made when it is not there yet (about two minutes). Raises CannotBoot."""
    needs()
    place = CACHE / f"{release.name}-{platform.machine()}"
    stamp = place / ".packages"
    if stamp.is_file() and stamp.read_text() == " ".join(PACKAGES):
        return place
    if place.exists():
        shutil.rmtree(place)
    CACHE.mkdir(parents=True, exist_ok=True)
    making = place.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        release.name,
        str(making),
        mirror(),
    ]
    with (CACHE / f"{release.name}.log").open("wb") as log:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=MAKING_S, check=False)
    if done.returncode != 0:
        raise CannotBoot(f"debootstrap {release.name} failed: see {log.name}")
    for directory in ("var/cache/apt/archives", "var/lib/apt/lists"):
        for file in (making / directory).glob("*.*"):
            file.unlink()
    (making / ".packages").write_text(" ".join(PACKAGES))
    making.rename(place)
    return place
