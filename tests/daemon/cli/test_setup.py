"""`pinwheel setup` at a real terminal, and without one; on simulated devices."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.cli.setup_screens import Screen
from daemon.operations.setup.model import Question, Section
from daemon.operations.setup.tasks import mistake

PROGRAM = [sys.executable, "-c", "from daemon.cli import main; main()", "setup"]
SCREEN_COLUMNS = 80
PATIENCE_S = 60.0
CSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


HIDDEN = "Password (Enter: none): "  # to its last space: what is typed before that is dropped, as getpass does


class Terminal:
    """A command at a terminal of 24 lines of 80 columns."""

    def __init__(self, *arguments: str) -> None:
        self.seen = ""
        self._read = 0
        self._pid, self._master = pty.fork()
        if not self._pid:
            os.environ.update(TERM="dumb", NO_COLOR="1", COLUMNS="80", LINES="24")
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # who started the tests may have it ignored
            os.execv(PROGRAM[0], [*PROGRAM, *arguments])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._master)

    def until(self, text: str, seconds: float = PATIENCE_S) -> str:
        """What came up to this text."""
        end = time.monotonic() + seconds
        while (at := self.seen.find(text, self._read)) < 0:
            assert time.monotonic() < end, f"no {text!r} in:\n{self.seen[self._read :]}"
            if select.select([self._master], [], [], 0.5)[0]:
                self.seen += os.read(self._master, 65536).decode()
        came, self._read = self.seen[self._read : at], at + len(text)
        return came

    def type(self, text: str = "") -> None:
        os.write(self._master, f"{text}\n".encode())

    def interrupt(self) -> None:
        """Ctrl-C, as often as somebody would press it: one that comes just before Python waits for a line is lost."""
        end = time.monotonic() + PATIENCE_S
        while not self._ended(0.5) and time.monotonic() < end:
            with contextlib.suppress(OSError):
                os.write(self._master, b"\x03")

    def hang_up(self) -> None:
        """As a lost connection by ssh does: the kernel sends SIGHUP, and there is nothing to read any more."""
        os.close(self._master)
        self._master = os.pidfd_open(self._pid)  # readable at the end of the command, and no read of it succeeds

    def exit_code(self) -> int:
        """Of the command, once it has ended."""
        end = time.monotonic() + PATIENCE_S
        while not self._ended(0.5):
            assert time.monotonic() < end, f"it does not end:\n{self.seen[self._read :]}"
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _ended(self, wait_s: float) -> bool:
        """Whether nobody has the terminal any more; reads what comes meanwhile."""
        try:
            while select.select([self._master], [], [], wait_s)[0]:
                self.seen += os.read(self._master, 65536).decode()
        except OSError:  # EIO
            return True
        return False


def test_a_whole_session_from_a_stick_to_a_configuration() -> None:
    with Terminal("--simulated") as terminal:
        terminal.until("Which modem? [1]: ")
        terminal.type()
        assert "ok      network Simulated, signal -71 dBm" in terminal.until("Your mobile number")
        terminal.type()
        came = terminal.until("Code in the SMS (Enter: none came): ")
        terminal.type("nothing")
        terminal.until("this is another code")
        terminal.type(re.findall(r"your code is (\d{4})", came)[0])
        terminal.until("Which trunk makes the calls? [8]: ")
        terminal.type()
        for asked in ("Registrar or proxy", "Transport", "User name", "Name for the password", HIDDEN):
            terminal.until(asked)
            terminal.type()
        for asked in ("How it dials", "Number that callees see", "Seconds between keep-alives"):
            terminal.until(asked)
            terminal.type()
        terminal.until("Call your phone now, and speak a code? (yes/no) [yes]: ")
        terminal.type()
        came = terminal.until("Code that the voice said (Enter: none): ")
        heard = re.findall(r"hears: ((?:\d ){4})?", came.replace(",", " "))
        terminal.type(heard[0].replace(" ", ""))
        shown = terminal.until("Write this? (yes/no) [yes]: ")
        assert '- driver = "none"' in shown
        assert '+ driver = "pyvoip"' in shown
        assert "[[modem]] sim1" in shown
        terminal.type()
        assert terminal.exit_code() == 0, terminal.seen
    assert "pinwheeld can start with it" in " ".join(terminal.seen.split())
    assert "That was a rehearsal" in terminal.seen
    lines = CSI.sub("", terminal.seen).replace("\r", "").splitlines()
    assert [line for line in lines if len(line) > SCREEN_COLUMNS] == []


@pytest.mark.parametrize("hang_up", [False, True])
def test_ctrl_c_ends_it_and_nothing_is_left(
    *, hang_up: bool, public_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when the terminal is closed: there used to be folders, and a modem that the daemon had closed for setup."""
    monkeypatch.setenv("TMPDIR", str(public_path))  # pytest's own may be too long for the path of a socket
    with Terminal("--simulated") as terminal:
        terminal.until("Which modem? [1]: ")
        terminal.type("9")
        terminal.until("it can be ")
        terminal.until("Which modem? [1]: ")
        if hang_up:
            terminal.hang_up()
        else:
            terminal.interrupt()
        assert terminal.exit_code() == 1, terminal.seen
    assert hang_up or "stopped" in terminal.seen, terminal.seen
    assert [*public_path.iterdir()] == []


# --- without a terminal ---


def run(folder: Path, answers: str, *more: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "answers.toml"
    file.write_text(answers)
    command = [*PROGRAM, "--simulated", "--answers", str(file), *more]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


TRUNK = 'trunk = "fritzbox"\nserver = "fritz.box"\nusername = "620"\npassword = "open sesame"\ndial = "{00}"\n'


def test_with_a_file_of_answers_nobody_is_asked_and_a_dry_run_only_shows(tmp_path: Path) -> None:
    done = run(tmp_path, f'modem = "auto"\n{TRUNK}', "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '+ server = "fritz.box"' in done.stdout
    assert "open sesame" not in done.stdout + done.stderr
    assert "a dry run: nothing is sent, called or written" in done.stdout
    assert "Nothing was written" in done.stdout or "rehearsal" in done.stdout


def test_without_a_terminal_the_first_answer_that_is_missing_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, 'modem = "auto"\n')
    assert done.returncode == 1
    assert 'an answer is missing: number = "..."' in done.stderr


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ('modm = "auto"\n', "no question is called 'modm'; did you mean 'modem'?"),
        ("modem = \n", "cannot use the answers in"),
    ],
    ids=["unknown", "no TOML"],
)
def test_a_file_of_answers_that_cannot_be_used_says_why(tmp_path: Path, answers: str, said: str) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(answers)
    done = CliRunner().invoke(main, ["setup", "--config", str(tmp_path / "x"), "--answers", str(file)])
    assert done.exit_code == 1
    assert said in done.output


def test_an_answer_of_a_file_is_judged_as_a_typed_one_and_a_secret_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen({"number": "07700900123", "password": "open sesame"})
    with pytest.raises(click.ClickException, match="number in the file of answers: it begins with"):
        screen.ask(Question("number", Section.MODEM, "Number", check=lambda answer: mistake("number", answer)))
    screen.ask(Question("password", Section.TRUNK, "Password", hidden=True))
    assert "open sesame" not in capsys.readouterr().out


def test_a_configuration_that_is_wrong_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "pinwheel.toml"
    path.write_text("[voice]\ndriver = 3\n")
    done = CliRunner().invoke(main, ["setup", "--config", str(path)])
    assert done.exit_code == 1
    assert "correct that first" in done.output


def test_the_kinds_of_trunks_are_listed_with_what_was_tested() -> None:
    shown = CliRunner().invoke(main, ["setup", "--list-trunks"]).output
    assert max(map(len, shown.splitlines())) <= SCREEN_COLUMNS
    listed = json.loads(CliRunner().invoke(main, ["setup", "--list-trunks", "--json"]).output)
    assert {"fritzbox", "twilio", "other"} <= {trunk["name"] for trunk in listed["trunks"]}
    assert all(trunk["tested"] for trunk in listed["trunks"])


def test_the_profiles_are_packaged() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["data-files"]["share/pinwheel/config/trunks"] == ["config/trunks/*.toml"]
