"""Where the package comes from, and a machine on which it is installed, configured and running."""

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from tests.gateway import pin_in
from tests.installed.machine import Machine
from tests.installed.site import MEMBER, Site
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
    """A machine on which an administrator followed README.md from a bare Debian to a verified number."""
    with Machine(release, directory) as machine:
        site = Site(machine, package(release))
        site.prepare()
        follow(readme(), site)
        machine.run("adduser", MEMBER, "pinwheel")
        site.configure()  # with the limits that the trials need
        machine.run("systemctl", "restart", "pinwheel")
        site.ready()
        yield site


def readme() -> list[str]:
    """The commands of README.md's "Install", in order."""
    section = (ROOT / "README.md").read_text().partition("## Install\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    (\S.*)$", section, re.MULTILINE)
    assert 0 < len(commands) <= 5, commands
    return commands


def follow(commands: list[str], site: Site) -> None:
    """Run them as an administrator types them: a file answers setup, the id and the code are what was seen."""
    seen: dict[str, str] = {}
    for command in commands:
        for word, value in seen.items():
            command = command.replace(word, value)
        output = site.as_administrator(command)
        if " apt install " in command:
            site.start_devices()  # the simulated hardware is part of the package
        elif " start " in command:
            seen = {"REQUEST_ID": output.strip(), "1234": pin_in(site.event("sms")["text"])}
