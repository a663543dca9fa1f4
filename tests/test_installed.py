"""The package as a customer runs it: apt, systemd, another user's devices, a client in the group (Debian 12).

There used to be 2,070 tests that passed while no call was possible under the shipped unit. The long half, and
Debian 13: make test-installed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed.site import Site
from tests.installed.tree import RELEASES, CannotBoot, needs
from tests.installed.trials import TRIALS, Trial, record
from tests.installed.world import installed_site, package

RELEASE = RELEASES["bookworm"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    try:
        needs()
        package(RELEASE)
    except CannotBoot as exc:
        pytest.skip(f"the installed package was not tested: {exc}")
    with installed_site(RELEASE, tmp_path_factory.mktemp("machine")) as site:
        yield site


@pytest.mark.parametrize("trial", [trial for trial in TRIALS if trial.short], ids=lambda trial: trial.run.__name__)
def test_the_installed_package(site: Site, trial: Trial, tmp_path: Path) -> None:
    try:
        trial.run(site)
    except BaseException:
        record(tmp_path, site)
        raise
