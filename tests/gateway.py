"""A real pinwheeld, as a process of its own, for the tests that speak to it through its socket."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from daemon.client.connection import Client, HttpProblem, Unreachable
from daemon.prompts.library import FRAME, NEEDED
from drivers.codecs.wav import write_wav

UNLIMITED = "[security]\nrequests_per_second = 0\n"
START_S = STOP_S = 60.0  # on a machine that is very busy


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """What the condition gives as soon as that is something; bounded."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def listens(path: Path) -> bool:
    """Whether somebody listens: the path is there a moment before that."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def health(client: Client) -> dict[str, Any]:
    """What /healthz says; code: of HTTP."""
    try:
        return {"code": 200, **client.get("/healthz")}
    except HttpProblem as exc:
        return {"code": exc.status, **exc.body}


@contextlib.contextmanager
def public_directory() -> Iterator[Path]:
    """One that other users may enter; pytest's own are closed to them whenever another session begins."""
    with tempfile.TemporaryDirectory(prefix="pinwheel-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


WITH_DRIVERS = "import drivers; drivers.__path__.append({!r}); from daemon.main import main; main()"


class Gateway:
    """pinwheeld on a directory of its own.

    toml: its sections; drivers: a directory with drivers besides our own; store: keys of [store], "" for a SQLite file.
    """

    def __init__(
        self,
        directory: Path,
        toml: str = "",
        *,
        speed: float = 1.0,
        log_level: str = "debug",
        drivers: Path | None = None,
        store: str = "",
    ) -> None:
        self.directory = directory
        self.socket = directory / "control.sock"
        self.database = directory / "pinwheel.db"
        self.client = Client(self.socket)
        program = ["-m", "daemon.main"] if drivers is None else ["-c", WITH_DRIVERS.format(str(drivers))]
        self._program = [sys.executable, *program]
        self._log_level = log_level
        self.config = directory / "pinwheel.toml"
        api = "" if "[api]" in toml else f"[api]\nsocket = {json.dumps(str(self.socket))}\n"
        toml = toml.replace("[api]", f"[api]\nsocket = {json.dumps(str(self.socket))}")
        store = store or f"url = {json.dumps(f'sqlite:///{self.database}')}"
        self.config.write_text(f"{api}[store]\n{store}\n[clock]\nspeed = {speed}\n{toml}")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Gateway":
        try:
            self.start()
            self.ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> float:
        """Run it until it answers; the seconds that it took."""
        started = time.monotonic()
        command = [*self._program, "--config", str(self.config), "--log-level", self._log_level]
        with self._log.open("ab") as log:
            env = {**os.environ, "STATE_DIRECTORY": str(self.directory)}
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        until(self._answers, f"the daemon answers: {self.log()[-3000:]}", START_S)
        return time.monotonic() - started

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        with contextlib.suppress(Unreachable):
            self.health()
            return True
        return False

    def health(self) -> dict[str, Any]:
        """What /healthz says, also where that is 503."""
        return health(self.client)

    def ready(self) -> None:
        """Wait until every device is ready."""

        def devices() -> bool:
            status = self.client.get("/v1/status")
            states = [modem["state"] for modem in status["modems"]] + [status["voice"].get("state", "ready")]
            return set(states) == {"ready"}

        until(devices, "all devices are ready", START_S)

    def kill(self) -> None:
        """As a power cut does."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """As systemd does; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the daemon does not stop: {self.log()[-3000:]}") from None

    @property
    def _log(self) -> Path:
        return self.directory / "pinwheeld.log"

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def verify(self, number: str, **parameters: Any) -> str:
        """Start a request; its id."""
        answer = self.client.verify("", number=number, brand="Acme", **parameters)
        assert answer["status"] == "0", answer
        return str(answer["request_id"])

    def request(self, request_id: str) -> dict[str, Any]:
        return self.client.get(f"/v1/requests/{request_id}")

    def wait_for(self, request_id: str, kind: str, step: int | None = None, seconds: float = 60.0) -> dict[str, Any]:
        """The first line of the request's history of this kind (and event)."""

        def line() -> dict[str, Any] | None:
            history = self.request(request_id)["history"]
            return next((x for x in history if x["kind"] == kind and step in (None, x["step"])), None)

        found: dict[str, Any] = until(line, f"{kind} in {request_id}", seconds)
        return found


def modem_section(port: str, name: str = "sim1", more: str = "") -> str:
    return f"[[modem]]\nname = {json.dumps(name)}\nport = {json.dumps(port)}\n{more}\n"


def voice_section(server: str, more: str = "register = false\nrepeats = 0") -> str:
    return f'[voice]\ndriver = "pyvoip"\nserver = {json.dumps(server)}\nbind = "127.0.0.1:0"\n{more}\n'


def short_prompts(directory: Path) -> str:
    """A section that makes calls shorter by 7 s: clips of 20 ms in place of the shipped ones. The silences stay."""
    clips = directory / "prompts" / "en-us"
    clips.mkdir(parents=True)
    for name in NEEDED:
        with (clips / f"{name}.wav").open("wb") as file:
            write_wav(file, b"\x00\x10" * FRAME)
    return f"[prompts]\ndirectory = {json.dumps(str(clips.parent))}\n"


def pin_in(text: str) -> str:
    """The PIN of an SMS as config/phrases/en-us.toml words it."""
    found = re.search(r"code: (\d{4,10})\.", text)
    assert found is not None
    return found[1]
