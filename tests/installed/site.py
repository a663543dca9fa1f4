"""An installed Pinwheel: the package in a machine, simulated devices of another user, and clients in the group."""

import contextlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.client.connection import Client, Unreachable
from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers.simulated.listening import clips_in, spoken_pins
from tests.gateway import pin_in, until
from tests.installed.machine import Machine

PYTHON = "/usr/lib/pinwheel/bin/python"  # of the package; the simulated devices are part of it
DEVICES = "/srv/devices"
SOCKET = "/run/pinwheel/control.sock"
PHONE = "127.0.0.2:5062"
ADMINISTRATOR = "administrator"
MEMBER, STRANGER = "member", "stranger"  # a user in the group pinwheel, and one outside
NUMBER = "447700900123"
START_S = 30.0
PATIENCE_S = 60.0  # of a program that has a user waiting

CONFIGURATION = f"""\
[[modem]]
name = "sim1"
port = "{DEVICES}/modem"

[voice]
driver = "pyvoip"
server = "{PHONE}"
register = false
bind = "127.0.0.1:0"
repeats = 0

[security]
max_active_per_number = 0
requests_per_second = 1000
"""


ANSWERS = f"""\
modem = "{DEVICES}/modem"
number = "none"
trunk = "other"
server = "{PHONE}"
transport = "udp"
username = "gateway"
auth_username = ""
password = ""
dial = "{{e164}}"
caller_id = ""
keepalive_seconds = 0
write = true
"""
"""What the administrator answers to `pinwheel setup`."""


@dataclass(slots=True)
class Load:
    """What became of requests sent at a steady rate. waits_s: of those that were answered."""

    waits_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        answered = len(self.waits_s)
        return f"{answered} of {answered + len(self.failures)} answered, longest wait {max(self.waits_s):.2f} s"


class Site:
    """One machine with the package on it."""

    def __init__(self, machine: Machine, package: Path) -> None:
        self.machine = machine
        self._package = package

    # --- the package ---

    def install(self, package: Path | None = None) -> str:
        """apt install ./pinwheel_*.deb, without a network; what apt says."""
        package = package or self._package
        (self.machine.root / "srv").mkdir(exist_ok=True)
        shutil.copy(package, self.machine.root / "srv" / package.name)
        return self.machine.shell(
            f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet /srv/{package.name} 2>&1"
        )

    def newer(self) -> Path:
        """The same package with a higher version: an upgrade as apt sees it."""
        work = self.machine.root.parent / "newer"
        shutil.rmtree(work, ignore_errors=True)
        subprocess.run(["dpkg-deb", "--raw-extract", str(self._package), str(work)], check=True)
        control = work / "DEBIAN" / "control"
        lines = control.read_text().splitlines()
        version = next(line for line in lines if line.startswith("Version: "))
        control.write_text("\n".join(f"{line}+newer" if line == version else line for line in lines) + "\n")
        newer = work.with_name(f"newer-{self._package.name}")
        subprocess.run(["dpkg-deb", "--build", "-Znone", str(work), str(newer)], check=True, capture_output=True)
        shutil.rmtree(work)
        return newer

    def configure(self, text: str = CONFIGURATION) -> None:
        """Write the configuration as an editor does: owner and mode stay."""
        self.machine.run("sh", "-c", "cat >/etc/pinwheel/pinwheel.toml", text=text)

    def restore(self) -> None:
        """After a trial that failed: as it was before."""
        self.configure()
        self.machine.shell(
            "systemctl stop pinwheel.service; umount /var/lib/pinwheel 2>/dev/null || true;"
            "rm -rf /etc/systemd/system/pinwheel.service.d; systemctl daemon-reload;"
            "systemctl restart pinwheel.socket; systemctl start pinwheel.service"
        )
        self.ready()

    # --- devices and clients ---

    def prepare(self) -> None:
        """Users and devices, as they are before anybody installs anything."""
        self.machine.shell(
            f"useradd --system devices; useradd --create-home {MEMBER}; useradd --create-home {STRANGER};"
            f"install -d -o devices {DEVICES}; useradd --create-home {ADMINISTRATOR};"
            f"echo '{ADMINISTRATOR} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/administrator;"
            f"install -d /home/{ADMINISTRATOR}/dist"
        )
        shutil.copy(self._package, self.machine.root / "home" / ADMINISTRATOR / "dist" / self._package.name)
        (self.machine.root / "srv" / "answers.toml").write_text(ANSWERS)

    def as_administrator(self, command: str) -> str:
        """A command line that somebody with sudo types in a shell; setup's questions are answered by a file."""
        typed = command.replace("pinwheel setup", "pinwheel setup --answers /srv/answers.toml")
        return self.machine.shell(f"cd; {typed}", user=ADMINISTRATOR)

    def start_devices(self) -> None:
        """A modem on a pseudo-terminal and a phone; its group is set as the udev rule does for USB."""
        self.machine.shell(
            f"rm -f {DEVICES}/events; systemd-run --quiet --unit=devices --uid=devices --collect"
            f" -p StandardOutput=append:{DEVICES}/events -p WorkingDirectory=/"
            f" {PYTHON} -P -m drivers.simulated --modem {DEVICES}/modem --phone {PHONE} --recordings {DEVICES}"
            " --ring-s 0.2 --network-s 0.02"
        )
        self.event("ready")
        self.machine.shell(f"chgrp pinwheel $(readlink {DEVICES}/modem); chmod 660 $(readlink {DEVICES}/modem)")

    def events(self) -> list[dict[str, Any]]:
        """What the handset and the phone got until now."""
        text = self.machine.try_("cat", f"{DEVICES}/events").stdout
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def event(self, kind: str, after: int = 0, seconds: float = START_S) -> dict[str, Any]:
        """The first event of this kind behind so many events."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events()[after:] if event["event"] == kind), None)

        event: dict[str, Any] = until(found, f"{kind} among {self.events()[after:]}", seconds)
        return event

    @property
    def client(self) -> Client:
        """On the socket, from outside, as root."""
        return Client(self._socket)

    @property
    def _socket(self) -> Path:
        return Path(f"/proc/{self.machine.leader}/root{SOCKET}")

    def answers(self) -> bool:
        """Whether the real daemon answers now."""
        with contextlib.suppress(Unreachable):
            self.client.get("/v1/voice")
            return True
        return False

    def ready(self, seconds: float = START_S) -> dict[str, Any]:
        """Wait until every device is ready; the status."""

        def devices() -> dict[str, Any] | None:
            with contextlib.suppress(Unreachable):
                status = self.client.get("/v1/status")
                states = [modem["state"] for modem in status["modems"]] + [status["voice"].get("state", "ready")]
                return status if set(states) == {"ready"} else None
            return None

        status: dict[str, Any] = until(devices, "the modem and the trunk are ready", seconds)
        return status

    def processes(self, words: str) -> list[str]:
        """The process ids, in the machine's numbers, of those whose command line has these words."""
        found = []
        for entry in Path(f"/proc/{self.machine.leader}/root/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if words in entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                    found.append(entry.parent.name)
        return sorted(found, key=int)

    def pinwheel(self, *words: str, user: str = MEMBER) -> "subprocess.CompletedProcess[str]":
        return self.machine.try_("pinwheel", *words, user=user)

    def start(self, **parameters: Any) -> str:
        """Start a request; its id."""
        answer = self.client.verify("", **{"number": NUMBER, "brand": "Acme", "lg": "en-us", **parameters})
        assert answer["status"] == "0", answer
        return str(answer["request_id"])

    def wait_for(self, request_id: str, kind: str, seconds: float = 60.0) -> None:
        """Until the request's history has a line of this kind."""

        def found() -> bool:
            with contextlib.suppress(Unreachable):
                history = self.client.get(f"/v1/requests/{request_id}")["history"]
                return any(line["kind"] == kind for line in history)
            return False

        until(found, f"{kind} in {request_id}", seconds)

    def verify(self) -> str:
        """The whole job by a member of the group: one SMS, one call heard, one code judged. The PIN."""
        before = len(self.events())
        started = self.pinwheel("--json", "start", f"+{NUMBER}", "--brand", "Acme", "--lang", "en-us")
        assert started.returncode == 0, started.stderr
        request_id = json.loads(started.stdout)["request_id"]
        pin = pin_in(self.event("sms", before)["text"])
        assert self.pinwheel("next", request_id).returncode == 0
        recorded = self.event("recorded", before, 60)
        clips = PromptLibrary.open([shipped_prompts()]).clips["en-us"]
        spoken = spoken_pins(clips_in(self.machine.root / recorded["wav"].lstrip("/"), clips))
        assert spoken == [pin, pin], f"the call said {spoken}"
        wrong = "0000" if pin != "0000" else "1111"
        assert self.pinwheel("check", request_id, wrong).returncode == 1
        judged = self.pinwheel("check", request_id, pin)
        assert judged.returncode == 0, judged.stdout + judged.stderr
        return pin

    @contextlib.contextmanager
    def load(self, rate: float) -> Iterator[Load]:
        """Requests at a steady rate by a program that uses curl's way: a connection for each, and patience."""
        load, stop, lock = Load(), threading.Event(), threading.Lock()
        patient = Client(self._socket, timeout_s=PATIENCE_S)
        threads: list[threading.Thread] = []

        def one() -> None:
            began = time.monotonic()
            try:
                answer = patient.verify("", number=NUMBER, brand="Acme", workflow_id=6)
                with lock:
                    if answer["status"] == "0":
                        load.waits_s.append(time.monotonic() - began)
                    else:
                        load.failures.append(str(answer))
            except Exception as exc:  # noqa: BLE001  # whatever a client saw is the result
                with lock:
                    load.failures.append(f"{type(exc).__name__}: {exc}")

        def send() -> None:
            due = time.monotonic()
            while not stop.is_set():
                threads.append(threading.Thread(target=one))
                threads[-1].start()
                due += 1 / rate
                stop.wait(max(due - time.monotonic(), 0))

        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield load
        finally:
            stop.set()
            sender.join()
            for thread in threads:
                thread.join(60)
