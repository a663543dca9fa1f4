"""What the unit of the service hides from it is found by the check."""

import os
import subprocess
from pathlib import Path

import pytest

from daemon.config import inspect, parse
from daemon.config.unit_sandbox import kept_from
from drivers.settings import FaultKind
from tests.daemon.config.checking import MODEM, SHIPPED, TRUNK, check_config, store, written


@pytest.mark.parametrize(
    ("toml", "directive", "told"),
    [
        (
            '[voice]\ndriver = "pyvoip"\nserver = "a"\ntls_ca = "/home/a"\n',
            "ProtectHome",
            "[voice] tls_ca",
        ),
        ('[prompts]\ndirectory = "/tmp/prompts"\n', "PrivateTmp", "[prompts] directory"),
        ('[store]\nurl = "sqlite:////srv/p.db"\n', "ReadWritePaths", "[store] url"),
        (TRUNK + 'state_file = "/srv/voice.json"\n', "ReadWritePaths", "[voice] state_file"),
        ('[[modem]]\nname = "a"\nport = "/dev/null"\n', "DeviceAllow", "[[modem]] number 1 port"),
    ],
)
def test_what_the_unit_hides_from_the_service_is_a_mistake(toml: str, directive: str, told: str) -> None:
    """There used to be a "good" for what only the sandbox forbids."""
    config = parse(toml, Path("pinwheel.toml"))
    (found,) = kept_from(config, changes="")
    assert (found.where, directive in found.text, "systemctl edit" in found.text) == (told, True, True)
    assert found.kind is FaultKind.HIDDEN
    assert list(kept_from(config, changes=f"[Service]\n{directive}=...")) == []


def test_a_file_that_is_no_device_is_none_that_the_unit_could_let_in(tmp_path: Path) -> None:
    """There used to be "set DeviceAllow=/dev//srv/modem"."""
    (tmp_path / "file").touch()
    assert [*kept_from(parse(f'[[modem]]\nname = "a"\nport = "{tmp_path}/file"\n', Path("p.toml")), changes="")] == []


@pytest.mark.parametrize(
    ("changes", "directory", "mistakes"),
    [
        ("[Service]\nStateDirectory=other\n", "other", 0),
        ("[Service]\nStateDirectory=other\n", "pinwheel", 0),
        ("[Service]\nStateDirectory=\nStateDirectory=other more:link\n", "more", 0),
        ("[Service]\nStateDirectory=\n StateDirectory = other\n", "pinwheel", 1),
        ("[Service]\nStateDirectory=\n", "pinwheel", 1),
        ("[Service]\n# StateDirectory=other\n", "other", 1),
    ],
)
def test_state_directories_of_a_drop_in_count(changes: str, directory: str, mistakes: int) -> None:
    """There used to be a "good" for the database in a directory that a drop-in had taken away, and none for its own."""
    config = parse(store(f"sqlite:////var/lib/{directory}/p.db"), Path("pinwheel.toml"))
    assert [finding.where for finding in kept_from(config, changes)] == ["[store] url"] * mistakes


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_no_owner_is_advised_where_the_disk_is_read_only(tmp_path: Path) -> None:
    """There used to be a chown as the remedy, which no read-only disk takes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    path = written(tmp_path, MODEM + store(f"sqlite:///{disk}/p.db"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], check=True)
    try:
        told = check_config(path).output
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert f"[store] url: {disk} is read-only here" in told
    assert "install -d" not in told


def test_the_unit_hides_nothing_of_the_shipped_file() -> None:
    assert list(kept_from(inspect(SHIPPED).config, changes="")) == []
