"""What `make setup` and the Debian package install is locked: each version with its hashes, for every machine."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {"requirements.lock": "render", "requirements-test.lock": "test"}
MACHINES = [
    {"python_version": python, "python_full_version": f"{python}.2", "platform_machine": machine}
    for python, machine in itertools.product(["3.11", "3.13"], ["x86_64", "aarch64"])
]


def locked(name: str) -> list[tuple[Requirement, int]]:
    """The requirements of a lock file, each with its number of hashes."""
    entries = re.findall(
        r"^([a-z].*?) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", (ROOT / name).read_text(), re.M
    )
    return [(Requirement(requirement), hashes.count("--hash")) for requirement, hashes in entries]


def wanted(extra: str) -> list[Requirement]:
    """What pyproject.toml asks for, an extra of our own opened."""
    asked = [Requirement(text) for text in PROJECT["optional-dependencies"][extra]]
    own = [req for req in asked if req.name == PROJECT["name"]]
    others = [req for req in asked if req.name != PROJECT["name"]]
    return others + [req for one in own for name in one.extras for req in wanted(name)]


def holds(requirement: Requirement, machine: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**machine, "extra": ""})


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['platform_machine']}")
@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_has_a_version_of_every_dependency_that_pyproject_allows(name: str, machine: dict[str, str]) -> None:
    versions = {
        requirement.name: next(iter(requirement.specifier)).version
        for requirement, _ in locked(name)
        if holds(requirement, machine)
    }
    asked = [Requirement(text) for text in PROJECT["dependencies"]] + wanted(LOCKS[name])
    missing = [
        str(requirement)
        for requirement in asked
        if holds(requirement, machine)
        and not requirement.specifier.contains(versions.get(requirement.name.lower(), ""), prereleases=True)
    ]
    assert not missing, f"run: make lock ({name} lacks {missing})"


@pytest.mark.parametrize("name", [*LOCKS, "requirements-build.lock"])
def test_each_line_of_a_lock_is_one_version_with_its_hashes_and_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(locked(name)) == len(re.findall(r"^[a-z]", text, re.M)) > 0
    assert all(next(iter(requirement.specifier)).operator == "==" for requirement, _ in locked(name))
    assert "://" not in text
    assert "--index" not in text


def test_what_the_package_installs_is_what_the_tests_ran_with() -> None:
    tested = {str(requirement) for requirement, _ in locked("requirements-test.lock")}
    assert {str(requirement) for requirement, _ in locked("requirements.lock")} <= tested
