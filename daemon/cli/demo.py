"""`pinwheel demo`: one verification on simulated devices, step by step.

Nothing here is staged: it starts the daemon and the simulated devices as processes of their own, speaks to the daemon
through its socket like any client, and prints what the handset showed and what the phone recorded.
"""

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from daemon.client.connection import Client, Unreachable
from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers.simulated.listening import FoundClip, clips_in, spoken_pins

NUMBER = "+447700900123"  # Ofcom keeps 07700 900000-900999 for drama: nobody has it
BRAND = "Acme"
SPEED = 6  # the PIN is valid for 50 s then: long enough for the call, and for finding out what was said in it
START_S = 20.0
CALL_AT_S = 125  # workflow 1 (VERIFY: SMS, call after 125 s, call after another 180 s)
CALL_S = 45.0

CONFIGURATION = """\
[api]
socket = {socket}
[store]
url = {store}
[[modem]]
name = "sim1"
port = {port}
[voice]
driver = "pyvoip"
server = {phone}
username = "gateway"
bind = "127.0.0.1:0"
repeats = 0
[prompts]
directory = {prompts}
[clock]
speed = {speed}
"""

GOODBYE = """
Next:
  the files of this run (configuration, database, logs, recording): {directory}
  the same against your own modem and trunk:  README.md, "Install"
  every configuration key:                    config/pinwheel.toml
  other handsets (refuses, busy, no answer):  python -m drivers.simulated --help
"""


class DemoFailed(click.ClickException):
    """A step did not happen; the text says which, and where the log is."""


class Devices:
    """The simulated modem and phone in their process, and what they report."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-P", "-m", "drivers.simulated", "--until-eof"]
        command += ["--modem", str(directory / "modem"), "--phone", "127.0.0.2:0"]
        command += ["--recordings", str(directory)]
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with (directory / "devices.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        threading.Thread(target=self._read, name="devices", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))

    def wait_for(self, event: str, what: str, seconds: float) -> dict[str, Any]:
        """The next report of this kind. Raises DemoFailed, saying what was expected."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                report = self._events.get(timeout=left_s)
                if report["event"] == event:
                    return report
        raise DemoFailed(f"{what} did not come within {seconds:g} s")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        _end(self._process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _daemon(directory: Path, devices: dict[str, Any]) -> Iterator[Client]:
    """pinwheeld on the simulated devices, once all of it is ready."""
    values = {
        "socket": directory / "control.sock",
        "store": f"sqlite:///{directory / 'pinwheel.db'}",
        "port": devices["modem"],
        "phone": devices["phone"],
        "prompts": directory / "prompts",
    }
    quoted = {name: json.dumps(str(value)) for name, value in values.items()}
    config = directory / "pinwheel.toml"
    config.write_text(CONFIGURATION.format(speed=SPEED, **quoted))
    with (directory / "pinwheeld.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-P", "-m", "daemon.main", "--config", str(config)], stderr=log)
    try:
        client = Client(directory / "control.sock")
        _until_ready(client, process)
        yield client
    finally:
        _end(process)


def _until_ready(client: Client, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(Unreachable):
            status = client.get("/v1/status")
            if all(device["state"] == "ready" for device in (*status["modems"], status["voice"])):
                return
        time.sleep(0.1)
    raise DemoFailed("the daemon or its devices did not start")


def say(text: str = "") -> None:
    click.echo(text)
    sys.stdout.flush()


def _countdown(seconds: float) -> None:
    """How long it still is to the call, where somebody watches."""
    end = time.monotonic() + seconds
    while sys.stdout.isatty() and (left_s := end - time.monotonic()) > 0:
        click.echo(f"\r   the call comes in {left_s:4.1f} s ", nl=False)
        time.sleep(min(0.5, left_s))
    if sys.stdout.isatty():
        click.echo("\r" + " " * 40 + "\r", nl=False)


@click.command()
def demo() -> None:
    """Verify a number on a simulated modem and a simulated phone, in about 40 seconds.

    The clock runs 6 times as fast; devices, audio and SIP run in real time.
    """
    directory = Path(tempfile.mkdtemp(prefix="pinwheel-demo-"))
    devices: Devices | None = None
    try:
        say("Starting a simulated modem (pseudo-terminal), a simulated phone (SIP) and pinwheeld ...")
        devices = Devices(directory)
        ready = devices.wait_for("ready", "the simulated devices", START_S)
        with _daemon(directory, ready) as client:
            _walk(client, devices)
        say(GOODBYE.format(directory=directory).rstrip())
    except DemoFailed as exc:
        exc.message += f"; see {directory}/pinwheeld.log and {directory}/devices.log"
        raise
    finally:
        if devices is not None:
            devices.close()


def _walk(client: Client, devices: Devices) -> None:
    """Workflow 1: SMS, no answer, call, a wrong code, the right code."""
    say(f"\n1. pinwheel start {NUMBER} --brand {BRAND}")
    answer = client.verify("", number=NUMBER, brand=BRAND, lg="en-us")
    if answer["status"] != "0":
        raise DemoFailed(f"the request was refused: {answer}")
    started, request_id = time.monotonic(), answer["request_id"]
    say(f"   request {request_id}")

    sms = devices.wait_for("sms", "the SMS", START_S)
    say(f"\n2. The SMS arrives on the handset {sms['number']}:")
    say(f"   | {sms['text']}")

    say(f"\n3. Nobody types it. After {CALL_AT_S} s ({CALL_AT_S / SPEED:.0f} s at {SPEED} times the speed) ...")
    _countdown(started + CALL_AT_S / SPEED - time.monotonic())
    devices.wait_for("ringing", "the call", CALL_AT_S / SPEED + START_S)
    say("   the phone rings")
    devices.wait_for("answered", "the answer", START_S)
    say("   answered; it listens and records ...")
    recorded = devices.wait_for("recorded", "the recording", CALL_S)
    pin = _listen(Path(recorded["wav"]))

    wrong = f"{(int(pin) + 1) % 10 ** len(pin):0{len(pin)}d}"
    for number, code in ((4, wrong), (5, pin)):
        say(f"\n{number}. pinwheel check {request_id} {code}")
        judged = client.verify("check", request_id=request_id, code=code)
        say(f"   status {judged['status']}: {judged.get('error_text') or 'verified'}")
    if judged["status"] != "0":
        raise DemoFailed("the right code was not accepted")

    say(f"\n6. pinwheel show {request_id}")
    _record(client.get(f"/v1/requests/{request_id}"))


def _listen(wav: Path) -> str:
    """Print what the callee heard, by the recording alone; returns the PIN in it."""
    found = _clips_heard(wav)
    pins = spoken_pins(found)
    say(f"   recorded {wav}")
    say("   heard: " + " ".join(item.name.removeprefix("digit_") for item in found))
    if len(pins) != 2 or pins[0] != pins[1]:
        raise DemoFailed(f"the recording does not hold a PIN twice: {pins}")
    say(f"   the PIN, twice: {' '.join(pins[0])}")
    return pins[0]


def pins_heard(wav: Path) -> list[str]:
    """The codes that a recorded call speaks, each time it does."""
    return spoken_pins(_clips_heard(wav))


def _clips_heard(wav: Path) -> list[FoundClip]:
    return clips_in(wav, PromptLibrary.open([shipped_prompts()]).clips["en-us"])


def _record(found: dict[str, Any]) -> None:
    say(f"   {found['number']} {found['brand']} {found['status']}")
    for attempt in found["attempts"]:
        remark = f" ({attempt['detail']})" if attempt["detail"] else ""
        say(f"   event {attempt['event']}: {attempt['channel']}, PIN {attempt['pin']}, {attempt['state']}{remark}")
    for line in found["history"]:
        say(f"   {line['at']}  {line['kind']}")
