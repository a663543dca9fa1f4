"""The daemon beside setup: it may hold a port that is to be tried, and starts again at the end."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from daemon.client.connection import Client, HttpProblem, Unreachable
from daemon.operations.host.units import systemd_runs, unit
from daemon.operations.host.values import Unit
from daemon.operations.setup.model import Outcome
from daemon.operations.setup.udev import APPLIED
from daemon.resources import DEFAULT_CONFIG

UDEV_RUNS = "/run/udev/control"  # not in a container
MODEM_MANAGER = "ModemManager.service"
SERVICE = "pinwheel.service"
START_SOCKET = ("systemctl", "start", "pinwheel.socket")
ENABLE = ("systemctl", "enable", "pinwheel.socket", SERVICE)
RUNNING = ("active", "activating", "reloading")
LIMIT_S = 60.0
READY_S = 90.0
LOOK_S = 0.5
LOG = "sudo pinwheel doctor finds the cause; the log: journalctl -u pinwheel -n 30"


class Service:
    """The daemon at a socket."""

    def __init__(self, client: Client, config: Path, root: Path) -> None:
        self._client, self._config, self._root = client, config, root
        self._drained: list[str] = []
        self._before: Unit | None = None  # the service as it was before the last start

    def ports(self) -> Mapping[str, str]:
        """The ports that it has open, by modem; none where it does not run, or does not answer us."""
        with contextlib.suppress(Unreachable, HttpProblem):
            modems = self._client.get("/v1/modems")["modems"]
            return {modem["name"]: modem["port"] for modem in modems if modem["port"] and modem["state"] != "drained"}
        return {}

    def free(self, modem: str) -> Outcome:
        """Have it close the port of a modem, and go on with all others."""
        try:
            self._client.post(f"/v1/modems/{modem}/drain", timeout_s=LIMIT_S)
        except (Unreachable, HttpProblem) as exc:
            return Outcome(False, (f"pinwheeld does not release {modem}: {exc}",), ("systemctl stop pinwheel",))
        self._drained.append(modem)
        return Outcome(True, (f"pinwheeld runs; it has closed the port of {modem} until setup ends",))

    def give_back(self) -> None:
        """The modems that it closed for us: that lasts over a restart."""
        drained, self._drained = self._drained, []
        for modem in drained:
            with contextlib.suppress(Unreachable, HttpProblem):
                self._client.post(f"/v1/modems/{modem}/resume", timeout_s=LIMIT_S)

    def start(self, *, rules: bool, again: bool) -> Outcome:
        """Apply the udev rules, check the configuration as the service's user, start it, wait until it can send.

        again: also if it runs. From then on it starts with the machine, too.
        """
        ours = self._root == Path("/") and self._config == DEFAULT_CONFIG and systemd_runs()
        self._before = unit(SERVICE) if ours else None
        wrong = self._apply() if rules and ours else ""
        check = (sys.executable, "-P", "-m", "daemon.main", "--check-config", "--config", str(self._config))
        if wrong := wrong or _run(check):
            self._before = None  # it was left alone
            return Outcome(False, tuple(wrong.splitlines()), ("correct that, then try again",), started=False)
        if self._root != Path("/"):
            return Outcome(True, ("pinwheeld can start with it",))  # a rehearsal ends here
        if not ours:
            return Outcome(True, (f"now start it: pinwheeld --config {self._config}",))
        last = ("systemctl", "restart" if again else "start", SERVICE)
        if wrong := _first_wrong((START_SOCKET, last)):
            return Outcome(False, tuple(wrong.splitlines()), (LOG,), started=False)
        self.give_back()
        outcome = self._ready()
        wrong = _run(ENABLE) if outcome.started else ""
        return Outcome(False, tuple(wrong.splitlines()), (LOG,)) if wrong else outcome

    def start_as_before(self, *, rules: bool) -> str:
        """After a start that failed, with the earlier files in place: run it, or not, as it was. What came of it."""
        before, self._before = self._before, None
        wrong = self._apply() if rules and self._root == Path("/") else ""
        if before is None:
            return wrong or "pinwheeld was left alone"
        if before.active not in RUNNING:
            return wrong or _run(("systemctl", "stop", SERVICE)) or "pinwheeld is stopped, as before"
        if wrong := wrong or _run(("systemctl", "restart", SERVICE)):
            return f"but pinwheeld does not start with it: {wrong}"
        self.give_back()
        return "pinwheeld runs as before"

    def _apply(self) -> str:
        """The udev rules, as they are now. What went wrong, or ""."""
        if not os.path.exists(UDEV_RUNS):
            return ""
        wrong = _first_wrong(APPLIED)
        if (manager := unit(MODEM_MANAGER)) is not None and manager.active == "active":
            _run(("systemctl", "restart", MODEM_MANAGER))  # it keeps a port that it has until then
        return wrong

    def _ready(self) -> Outcome:
        end, why, answered = time.monotonic() + READY_S, "it does not answer", False
        while time.monotonic() < end:
            with contextlib.suppress(Unreachable, HttpProblem):
                status = self._client.get("/v1/status")
                if status["health"] == "ok" and not status["reasons"]:
                    return Outcome(True, ("pinwheeld runs, and its devices are ready",))
                why, answered = "; ".join(status["reasons"]), True
            time.sleep(LOOK_S)
        return Outcome(False, (f"pinwheeld does not work yet: {why}",), (LOG,), started=answered)


def _first_wrong(commands: Iterable[Sequence[str]]) -> str:
    """What went wrong with the first that did; those behind it are not run."""
    return next(filter(None, map(_run, commands)), "")


def _run(command: Sequence[str]) -> str:
    """What went wrong, or ""."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"{' '.join(command)}: {getattr(exc, 'strerror', None) or 'it does not end'}"
    if done.returncode == 0:
        return ""
    return (done.stderr or done.stdout).strip() or f"{' '.join(command)} ended with {done.returncode}"
