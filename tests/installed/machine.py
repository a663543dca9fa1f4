"""A machine that boots: a real systemd as process 1 of an overlay on a bare Debian tree, with a network of its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.gateway import until
from tests.installed.tree import Release, tree

BOOT_S = 60.0
COMMAND_S = 120.0


class CommandFailed(AssertionError):
    """A command in the machine had an unexpected exit status."""


class Machine:
    """Made of a release and an empty directory; `with` boots it and ends it. root: its file system, from outside."""

    def __init__(self, release: Release, directory: Path) -> None:
        self.release = release
        self.root = directory / "root"
        self._directory = directory
        self._upper, self._work = directory / "upper", directory / "work"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.leader = 0

    def __enter__(self) -> "Machine":
        for place in (self.root, self._upper, self._work):
            place.mkdir(parents=True)
        options = f"lowerdir={tree(self.release)},upperdir={self._upper},workdir={self._work}"
        _host("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        try:
            (self.root / "etc" / "hostname").write_text("pinwheel-test\n")
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.power_off()
        self.cut_power()
        subprocess.run(["umount", "--lazy", str(self.root)], check=False)
        for place in (self._upper, self._work):
            shutil.rmtree(place, ignore_errors=True)

    # --- power ---

    def boot(self) -> float:
        """Start it; the seconds until systemd says that the system runs."""
        began = time.monotonic()
        command = ["systemd-nspawn", "--quiet", "--directory", str(self.root), "--boot", "--register=no", "--keep-unit"]
        command += ["--console=read-only", "--private-network", "--kill-signal=SIGRTMIN+3", "--timezone=off"]
        # systemd 256 and newer refuse control groups of version 1, which the machine around may still have.
        command += ["--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
        with (self._directory / "console.log").open("ab") as log:
            self._nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.leader = until(self._find_leader, "systemd-nspawn's child", BOOT_S)
        until(lambda: self.try_("test", "-S", "/run/systemd/private").returncode == 0, "systemd", BOOT_S)
        self.run("systemctl", "is-system-running", "--wait", check=False)
        return time.monotonic() - began

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise AssertionError(f"the machine did not boot: {(self._directory / 'console.log').read_text()[-2000:]}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        for child in map(int, children):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
        return 0

    def power_off(self) -> None:
        """In good order."""
        if self._nspawn is not None and self._nspawn.poll() is None:
            self.try_("systemctl", "poweroff")
            self._nspawn.wait(90)
            self._nspawn = None

    def cut_power(self) -> None:
        """As a power cut does: every process is gone at once."""
        if self._nspawn is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
            self._nspawn.kill()
            self._nspawn.wait()
            self._nspawn = None

    # --- commands ---

    def command(self, *words: str, user: str = "") -> list[str]:
        """The host's command that runs these words in the machine."""
        entered = ["nsenter", "--target", str(self.leader), "--all"]
        clean = [
            "env",
            "-i",
            "-C",
            "/",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
        ]
        as_user = ["runuser", "--user", user, "--"] if user else []
        return [*entered, *clean, *as_user, *words]

    def try_(self, *words: str, user: str = "", text: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run it; any exit status is an answer."""
        return subprocess.run(
            self.command(*words, user=user),
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )

    def run(self, *words: str, user: str = "", text: str | None = None, check: bool = True) -> str:
        """Run it; its standard output. Raises CommandFailed when it fails."""
        done = self.try_(*words, user=user, text=text)
        if check and done.returncode != 0:
            raise CommandFailed(
                f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.stdout

    def shell(self, script: str, user: str = "") -> str:
        return self.run("sh", "-ec", script, user=user)

    def kill(self, signal_name: str, *pids: int) -> None:
        """Send a signal to processes, by the machine's own numbers."""
        self.shell(f"kill -{signal_name} {' '.join(map(str, pids))}")

    # --- systemd ---

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def main_pid(self) -> int:
        """Of the service, in the machine's own numbers; 0 while there is none."""
        return int(self.show("pinwheel.service", "MainPID"))

    def journal(self, *options: str) -> list[dict[str, Any]]:
        """Entries of the journal, as journalctl --output=json prints them."""
        lines = self.run("journalctl", "--output=json", "--no-pager", *options).splitlines()
        return [json.loads(line) for line in lines]

    def messages(self, *options: str) -> str:
        """The text of the journal of the service."""
        return self.run("journalctl", "--output=cat", "--no-pager", "--unit=pinwheel.service", *options)


def _host(*words: str) -> None:
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True)
