"""Where the package comes from, and a machine on which it is installed, configured and running."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from tests.installed.machine import Machine
from tests.installed.site import Site
from tests.installed.tree import ROOT, CannotBoot, Release

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def package(release: Release) -> Path:
    """The package that `make deb` made for this release, or the one that PINWHEEL_DEB names. Raises CannotBoot."""
    named = os.environ.get("PINWHEEL_DEB")
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    found = [Path(named)] if named else sorted(ROOT.glob(f"dist/pinwheel_*+deb{release.number}_{architecture}.deb"))
    if not found:
        raise CannotBoot(f"no package for {release.name}: run make deb RELEASE={release.name}")
    return found[-1]


@contextlib.contextmanager
def installed_site(release: Release, directory: Path) -> Iterator[Site]:
    """A machine with the package installed by apt, configured, enabled, and every device ready."""
    with Machine(release, directory) as machine:
        site = Site(machine, package(release))
        site.prepare()
        site.install()
        machine.run("usermod", "--append", "--groups", "pinwheel", "member")
        site.configure()
        site.start_devices()
        machine.run("systemctl", "enable", "--now", "pinwheel.socket", "pinwheel.service")
        site.ready()
        yield site
