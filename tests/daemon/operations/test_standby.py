"""A daemon that cannot start, on a socket that stays: clients are answered, and the mended file is taken up.

There used to be only an exit: systemd gave up after five of them, took the socket along, and clients hung.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.client.connection import Client, Unreachable
from daemon.operations.standby import PAUSES_S, FailedStarts, pause_s
from tests.gateway import health, until

GOOD = '[api]\nsocket = "{socket}"\n[store]\nurl = "sqlite:///{directory}/pinwheel.db"\n'


def test_each_failed_start_in_a_row_waits_longer_and_no_wait_is_longer_than_a_mend_may_take() -> None:
    pauses = [pause_s(failures) for failures in range(1, 20)]
    assert pauses[0] == 0  # systemctl start says at once that it failed
    assert pauses == sorted(pauses)
    assert pauses[-1] == max(PAUSES_S) < 30


def test_failed_starts_are_counted_until_one_succeeds(tmp_path: Path) -> None:
    starts = FailedStarts(tmp_path)
    assert [starts.count(), starts.count(), FailedStarts(tmp_path).count()] == [1, 2, 3]
    starts.clear()
    assert starts.count() == 1


@pytest.mark.parametrize("content", ["", "many", "-1", "9" * 5000, "٣"])
def test_a_count_that_somebody_spoiled_begins_again(tmp_path: Path, content: str) -> None:
    (tmp_path / "failed-starts").write_text(content)
    assert FailedStarts(tmp_path).count() == 1


def test_without_a_runtime_directory_every_failure_is_the_first(tmp_path: Path) -> None:
    assert FailedStarts(None).count() == FailedStarts(tmp_path / "gone").count() == 1


class Service:
    """pinwheeld with a socket that stays, as systemd passes one; RUNTIME_DIRECTORY holds its count of failures."""

    def __init__(self, directory: Path, failures: int) -> None:
        self.directory, self.config, self.path = directory, directory / "pinwheel.toml", directory / "passed.sock"
        (directory / "failed-starts").write_text(str(failures))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "subprocess.Popen[str]":
        passed = self.listener.fileno()
        code = (
            f"import os; os.dup2({passed}, 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
            f"from daemon.main import main; main(['--config', {str(self.config)!r}])"
        )
        environment = {**os.environ, "LISTEN_FDS": "1", "RUNTIME_DIRECTORY": str(self.directory)}
        command = [sys.executable, "-c", code]
        self.process = subprocess.Popen(command, env=environment, pass_fds=[passed], stderr=subprocess.PIPE, text=True)
        return self.process

    def ask(self, path: str) -> tuple[int, dict[str, Any], str]:
        connection = http.client.HTTPConnection("x", timeout=15)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(15)
        connection.sock.connect(str(self.path))
        connection.request("POST", path, b"number=447700900123&brand=Acme")
        response = connection.getresponse()
        return response.status, json.loads(response.read()), response.headers["Content-Type"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, failures=len(PAUSES_S))
    yield service
    service.listener.close()
    if service.process is not None and service.process.poll() is None:
        service.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(15)
        service.process.kill()


def test_clients_are_told_that_the_daemon_does_not_start_and_a_mended_file_ends_the_wait(service: Service) -> None:
    service.config.write_text("[sms]\nno_such_key = 1\n")
    process = service.start()
    status, body, media_type = service.ask("/v1/status")
    assert (status, media_type) == (503, "application/problem+json")
    assert body["detail"].startswith("the daemon does not start; its reason: journalctl -u pinwheel. cannot use")
    assert "no_such_key" in body["detail"]
    with pytest.raises(Unreachable, match="journalctl -u pinwheel"):
        Client(service.path).get("/v1/status")
    status, body, _ = service.ask("/verify/json")
    assert (status, body["status"]) == (200, "5")
    assert "journalctl -u pinwheel" in body["error_text"]
    with pytest.raises(Unreachable, match="the daemon does not start"):  # which makes `pinwheel` exit 3
        Client(service.path).verify("check", request_id="a", code="1234")
    began = time.monotonic()
    service.config.write_text(GOOD.format(socket=service.directory / "own.sock", directory=service.directory))
    assert process.wait(15) == 78
    assert time.monotonic() - began < max(PAUSES_S) / 2  # the change ended the wait
    assert service.path.exists()
    service.start()  # as systemd does
    until(lambda: health(Client(service.path)), "an answer of the real daemon")
    assert not (service.directory / "failed-starts").exists()


def test_a_file_whose_mode_alone_is_mended_ends_the_wait(service: Service) -> None:
    """There used to be up to 15 s more, since chmod and chgrp leave the time of the last change of its content."""
    service.config.write_text("[sms]\nno_such_key = 1\n")
    service.config.chmod(0o600)
    process = service.start()
    assert service.ask("/healthz")[0] == 503
    began = time.monotonic()
    service.config.chmod(0o640)
    assert process.wait(max(PAUSES_S) + 5) == 78
    assert time.monotonic() - began < max(PAUSES_S) / 2


def test_a_database_that_cannot_be_opened_is_waited_for_too(service: Service) -> None:
    (service.directory / "pinwheel.db").write_bytes(b"not a database" * 100)
    service.config.write_text(GOOD.format(socket=service.directory / "own.sock", directory=service.directory))
    process = service.start()
    status, body, _ = service.ask("/healthz")
    assert status == 503
    assert "pinwheel.db" in body["detail"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 78


def test_the_first_failure_ends_at_once_and_says_why(tmp_path: Path) -> None:
    service = Service(tmp_path, failures=0)
    service.config.write_text("[sms]\nno_such_key = 1\n")
    process = service.start()
    assert process.wait(15) == 78
    assert process.stderr is not None
    assert "no_such_key" in process.stderr.read()
    service.listener.close()
