"""What a user reads when the daemon cannot be reached: why, and the remedy; exit code 3, in bounded time.

There used to be "Path is not readable" with exit code 2 for who is not in the group, even for --help, and a command
that hung while systemd held the socket of a daemon that did not start.
"""

import grp
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.cli.commands import PLACES
from daemon.client.connection import TIMEOUT_S, Client, Unreachable
from daemon.client.unreachable import membership
from tests.users import NOBODY, as_user

PINWHEEL = grp.struct_group(("pinwheel", "x", 990, ["alice"]))


@pytest.mark.parametrize(
    ("user", "gids", "told"),
    [
        ("bob", {1000}, 'it is for the group "pinwheel"; run: sudo usermod -aG pinwheel bob, and log in again'),
        ("alice", {1000}, 'you are in the group "pinwheel", but not in this session: log out and in again'),
        ("alice", {1000, 990}, "see [api] socket_mode"),
    ],
)
def test_how_to_join_the_group_depends_on_who_asks(user: str, gids: set[int], told: str) -> None:
    assert told in membership(PINWHEEL, user, frozenset(gids))


@pytest.fixture
def closed(public_path: Path) -> Iterator[Path]:
    """A socket of root's and of its group, in a directory that everybody may enter."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(public_path / "control.sock"))
        listener.listen(1)
        (public_path / "control.sock").chmod(0o660)
        yield public_path / "control.sock"


def as_nobody(act: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """What it gives in a process of the user nobody, who may not be able to load any more modules."""
    for module in (*PLACES.values(), "daemon.config.reading"):
        import_module(module)
    code, told = as_user(NOBODY, act)
    return code, told


def pinwheel(socket_path: Path, *words: str) -> tuple[int, str]:
    done = CliRunner(env={"PINWHEEL_SOCKET": str(socket_path)}).invoke(main, list(words))
    return done.exit_code, done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_user_outside_the_group_is_told_which_and_how_to_join(closed: Path) -> None:
    code, told = as_nobody(lambda: pinwheel(closed, "status"))
    assert code == 3
    group = grp.getgrgid(closed.stat().st_gid).gr_name
    assert f'it is for the group "{group}"; run: sudo usermod -aG {group} nobody, and log in again' in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("words", [["--help"], ["status", "--help"], ["demo", "--help"], ["--version"]])
def test_help_needs_no_socket(closed: Path, words: list[str]) -> None:
    code, _ = as_nobody(lambda: pinwheel(closed, *words))
    assert code == 0


@pytest.mark.parametrize("there", ["", "pinwheel"])
def test_a_socket_or_a_directory_that_is_not_there_says_that_nothing_runs(tmp_path: Path, there: str) -> None:
    code, told = pinwheel(tmp_path / there / "control.sock", "status")
    assert (code, "the daemon is not running, or does not start" in told) == (3, True)
    assert "journalctl -u pinwheel" in told


def test_a_socket_that_nobody_serves_any_more_says_so_too(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
    code, told = pinwheel(tmp_path / "control.sock", "status")
    assert (code, "the daemon is not running, or does not start" in told) == (3, True)


def test_a_socket_that_systemd_holds_and_nobody_answers_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen(8)
        client = Client(tmp_path / "control.sock", timeout_s=0.2)
        asked: tuple[Callable[[], object], ...] = (
            lambda: client.get("/v1/status"),
            lambda: client.verify("check", request_id="a", code="1234"),
            lambda: list(client.events(follow=True)),
        )
        for ask in asked:
            with pytest.raises(Unreachable, match="the daemon does not start, or hangs: journalctl -u pinwheel"):
                ask()
    assert TIMEOUT_S <= 10


def test_a_stream_of_events_that_falls_silent_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There used to be no end to `start --wait` on a daemon that hangs; one that lives says so every 15 s."""
    monkeypatch.setattr("daemon.client.connection.FOLLOW_S", 0.2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen(1)

        def begin() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n")
            held.append(connection)

        held: list[socket.socket] = []
        threading.Thread(target=begin, daemon=True).start()
        with pytest.raises(Unreachable, match="went away: timed out"):
            list(Client(tmp_path / "control.sock").events(follow=True))
        held[0].close()


def test_a_daemon_that_ends_before_it_answers_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen(1)

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(Unreachable, match="does it start\\? journalctl"):
            Client(tmp_path / "control.sock").get("/v1/status")


def test_asking_the_daemon_loads_no_part_of_it(tmp_path: Path) -> None:
    """There used to be the whole engine behind `pinwheel status`, which took half a second to load."""
    code = "import sys; from daemon.cli import main; main(['--socket', sys.argv[1], 'status'], standalone_mode=False)\n"
    command = [sys.executable, "-X", "importtime", "-c", code, str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    loaded = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))
    ours = {name for name in loaded if name.split(".")[0] in ("daemon", "drivers")}
    assert ours == {
        "daemon",
        "daemon.cli",
        "daemon.cli.commands",
        "daemon.cli.context",
        "daemon.cli.command_list",
        "daemon.cli.main",
        "daemon.cli.screen",
        "daemon.operations",
        "daemon.operations.wording",
        "daemon.client",
        "daemon.client.connection",
        "daemon.client.unreachable",
        "daemon.program",
        "daemon.resources",
        "daemon.version",
    }
    heavy = {
        "asyncio",
        "starlette",
        "uvicorn",
        "sqlite_utils",
        "sqlite3",
        "phonenumbers",
        "serial",
        "numpy",
        "cryptography",
    }
    assert not heavy & {name.split(".")[0] for name in loaded}


@pytest.mark.parametrize("words", [["status"], ["show", "nobody"], ["start"], ["nonsense"], ["modems", "pause"]])
def test_what_goes_wrong_is_json_where_that_is_wanted(tmp_path: Path, words: list[str]) -> None:
    for given in (["--json", *words], [*words, "--json"]):
        code, told = pinwheel(tmp_path / "none.sock", *given)
        answer = json.loads(told)
        assert answer["error"]
        assert answer["exit_code"] == code != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_configuration_that_one_may_not_read_is_named_with_the_option(closed: Path) -> None:
    config = closed.with_name("pinwheel.toml")
    config.write_text("")
    config.chmod(0o640)
    for words in (["prompts", "check"], ["key", "new"]):
        code, told = as_nobody(partial(pinwheel, closed, *words, "--config", str(config)))
        assert code == 1
        assert f"cannot use {config}: the user nobody may not read {config}; run: chgrp pinwheel {config}" in told
