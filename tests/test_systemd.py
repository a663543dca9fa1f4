"""The unit files by systemd-analyze, and the protocols by systemd's own tools."""

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.client.connection import Client, Unreachable
from tests.gateway import health, listens, until

UNITS = Path(__file__).parents[1] / "systemd"
MINIMAL = '[api]\nsocket = "{socket}"\n[store]\nurl = "sqlite:///{directory}/pinwheel.db"\n'


def units(directory: Path) -> list[Path]:
    """Copies of the units whose programs exist on this machine: verify looks for them."""
    copies = []
    for unit in UNITS.glob("pinwheel*.*"):
        text = re.sub(r"/usr/bin/pinwheeld?(?= )", sys.executable, unit.read_text())
        copies.append(directory / unit.name)
        copies[-1].write_text(re.sub(r"^Documentation=man:.*\n", "", text, flags=re.MULTILINE))
    return copies


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units(tmp_path))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in done.stderr.splitlines() if "pinwheel" in line]
    assert done.returncode == 0, done.stderr
    assert complaints == []


def test_the_service_is_sandboxed(tmp_path: Path) -> None:
    (service,) = (unit for unit in units(tmp_path) if unit.name == "pinwheel.service")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(service)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pinwheel.toml"
    path.write_text(MINIMAL.format(socket=tmp_path / "own.sock", directory=tmp_path))
    return path


def stop(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    try:
        return process.wait(15)
    finally:
        process.kill()


def test_the_daemon_serves_the_socket_that_systemd_passes(tmp_path: Path, config: Path) -> None:
    if shutil.which("systemd-socket-activate") is None:
        pytest.fail("run: apt-get install systemd")
    path = tmp_path / "passed.sock"
    command = ["systemd-socket-activate", "-l", str(path), sys.executable, "-m", "daemon.main", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        until(lambda: listens(path), "the socket")
        assert health(Client(path))
        assert not (tmp_path / "own.sock").exists()
    finally:
        assert stop(process) == 0
    assert path.exists()  # it is systemd's, not ours to remove


def test_readiness_watchdog_and_stopping_are_notified(tmp_path: Path, config: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notify"))
        notices.settimeout(15)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        command = [sys.executable, "-m", "daemon.main", "--config", str(config)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
        try:
            assert b"READY=1" in notices.recv(4096)
            with suppress(Unreachable):
                assert health(Client(tmp_path / "own.sock"))
            assert notices.recv(4096) == b"WATCHDOG=1"
        finally:
            assert stop(process) == 0
        told = b""
        while b"STOPPING=1" not in told:
            told = notices.recv(4096)
