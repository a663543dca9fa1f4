"""The `pinwheel` commands against a real daemon: what they print and how they exit."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.operator import MAX_STREAMS
from daemon.cli import main
from daemon.cli.context import LEAST_COLUMN, SCREEN, fitted
from daemon.cli.events import entry
from daemon.cli.main import _row
from daemon.client.connection import Client, Unreachable
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, pin_in, until

SETTINGS = "[security]\ncancel_after = 0\n"


@pytest.fixture(scope="module")
def modem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path_factory.mktemp("modem") / "port", network_s=0.02, report_s=0.05) as modem:
        yield modem


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, modem: SimulatedModem) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("cli"), modem_section(modem.port) + SETTINGS) as gateway:
        yield gateway


def pinwheel(gateway: Gateway, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--socket", str(gateway.socket), *arguments])


def start(gateway: Gateway, number: str, *more: str) -> str:
    done = pinwheel(gateway, "start", number, "--brand", "Acme", *more)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def pin_of(modem: SimulatedModem, number: str) -> str:
    text: str = until(lambda: next((t for n, t in modem.accepted if n == number), ""), "the SMS")
    return pin_in(text)


def test_start_prints_the_id_and_check_judges(gateway: Gateway, modem: SimulatedModem) -> None:
    request_id = start(gateway, "+447700900101")
    pin = pin_of(modem, "447700900101")
    wrong = pinwheel(gateway, "check", request_id, "0000" if pin != "0000" else "1111")
    assert (wrong.exit_code, "refused (status 16)" in wrong.output) == (1, True)
    right = pinwheel(gateway, "check", request_id, pin)
    assert (right.exit_code, right.output) == (0, "verified\n")


def test_show_tells_all_and_list_masks(gateway: Gateway) -> None:
    request_id = start(gateway, "447700900102")
    shown = pinwheel(gateway, "show", request_id).output
    assert "447700900102" in shown
    assert "IN PROGRESS" in shown
    listed = pinwheel(gateway, "list").output
    assert request_id in listed
    assert "447700900102" not in listed


def test_cancel_and_next(gateway: Gateway) -> None:
    request_id = start(gateway, "447700900103", "--workflow", "4")
    assert pinwheel(gateway, "next", request_id).output == "the next event runs\n"
    other = start(gateway, "447700900104")
    assert pinwheel(gateway, "cancel", other).output == "cancelled\n"
    assert pinwheel(gateway, "cancel", other).exit_code == 1


def test_status_and_modems_tell_what_the_devices_do(gateway: Gateway) -> None:
    assert "sim1: ready" in pinwheel(gateway, "status").output
    modems = pinwheel(gateway, "modems").output.splitlines()
    assert modems[0].split()[:4] == ["NAME", "STATE", "OPERATOR", "SIGNAL"]
    assert modems[1].split()[:3] == ["sim1", "ready", "Simulated"]


def test_events_tell_what_happened(gateway: Gateway) -> None:
    """There used to be ids of 8 digits, which `show` does not take."""
    request_id = start(gateway, "447700900105")
    lines = [line.split() for line in pinwheel(gateway, "events").output.splitlines()]
    clock, told, *_ = next(line for line in lines if request_id in line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \(local times, UTC[+-]\d\d:\d\d\)", " ".join(lines[0]))
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock)
    assert pinwheel(gateway, "show", told).exit_code == 0
    own = pinwheel(gateway, "events", "--request", request_id, "--kind", "started").output.splitlines()
    assert [line.split()[1:4] for line in own[1:]] == [[request_id, "request", "started:"]]


def test_events_of_a_modem_are_the_newest_of_that_modem(gateway: Gateway) -> None:
    """There used to be filters that looked at the last 20 events only: mostly they found nothing."""
    request_id = start(gateway, "447700900125")
    gateway.wait_for(request_id, "delivered")
    for n in range(10):
        gateway.verify(f"4477009002{n:02}")
    words = ("events", "--modem", "sim1", "--request", request_id)
    lines = pinwheel(gateway, *words, "--last", "2").output.splitlines()[1:]
    assert [line.partition("event 1 ")[2] for line in lines] == ["accepted by the network", "delivered"]
    assert "event 1 given to sim1" in pinwheel(gateway, *words).output
    nothing = pinwheel(gateway, "events", "--modem", "sim9")
    assert (nothing.exit_code, "is such a one" in nothing.output) == (0, True)


@pytest.mark.parametrize("width", [80, 120, 60, 8, 1])
def test_an_event_fits_the_terminal_and_wraps_under_its_words(width: int) -> None:
    line = {"at": "2026-11-28 17:03:11Z", "request_id": "0" * 32, "kind": "failed", "step": 1, "detail": "busy " * 20}
    lines = entry(line, width)
    assert max(map(len, lines[1:])) <= max(width, 12)
    assert "".join("".join(lines).split()).endswith("event2failed:" + "busy" * 20)
    assert lines[1].startswith(" " * (44 if width >= 80 else 10))
    assert entry(line, None)[0].endswith("event 2 failed: " + "busy " * 20)


@pytest.mark.parametrize(("event", "shown"), [(1, "1/3"), (3, "3/3")])
def test_the_events_that_have_begun_are_counted(event: int, shown: str) -> None:
    """There used to be "in progress 2/3" from the first SMS on."""
    listed = {"request_id": "a", "number": "4477******23", "status": "IN PROGRESS", "submitted": "2026-11-28 18:01:27"}
    assert _row({**listed, "event": event, "events": 3})[2] == f"in progress {shown}"


@pytest.mark.parametrize(
    "arguments", [("list",), ("modems",), ("prompts", "check"), ("prompts", "check", "en-us", "--clips")]
)
def test_tables_fit_a_terminal_of_80_columns(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    gateway.client.verify("", number="447700900107", brand="Acme")
    assert max(map(len, pinwheel(gateway, *arguments).output.splitlines())) <= 80


@given(st.lists(st.integers(1, 200), min_size=1, max_size=9), st.data())
def test_the_widest_flexible_columns_give_way_until_a_table_fits(natural: list[int], data: st.DataObject) -> None:
    flexible = data.draw(st.lists(st.booleans(), min_size=len(natural), max_size=len(natural)))
    widths = fitted(natural, flexible)
    assert all(now == before for now, before, may in zip(widths, natural, flexible, strict=True) if not may)
    assert all(min(before, LEAST_COLUMN) <= now <= before for now, before in zip(widths, natural, strict=True))
    spare = any(may and now > LEAST_COLUMN for now, may in zip(widths, flexible, strict=True))
    assert sum(widths) + 2 * (len(widths) - 1) <= SCREEN or not spare


def test_a_time_carries_its_zone(gateway: Gateway) -> None:
    request_id = start(gateway, "447700900108")
    found = gateway.client.get(f"/v1/requests/{request_id}")
    times = [found["submitted"], found["due"], *(each["queued"] for each in found["attempts"])]
    assert all(time.endswith("Z") for time in [*times, *(line["at"] for line in found["history"])])
    assert gateway.client.get("/v1/status")["now"].endswith("Z")
    verify = gateway.client.verify("search", request_id=request_id)
    assert not verify["date_submitted"].endswith("Z")  # as the Verify reference has it


STRANGER = re.compile(r"\b(?:pip3?|pipx|uv)\b.*\binstall\b.*[\s'\"]pinwheel(?:[\[\s'\"=<>~!]|$)")
"""Installs what is called like us on PyPI: a stranger's package."""


def test_nobody_is_told_to_install_a_strangers_package() -> None:
    """There used to be hints that said so."""
    wrong = "'pinwheel[render]'"
    assert STRANGER.search(f"run: pip install {wrong}")
    assert not STRANGER.search("python3 -m venv /opt/pinwheel && /opt/pinwheel/bin/pip install '.[render]'")
    root = Path(__file__).parents[3]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file() and not name.endswith(".wav"):
            told = [line for line in (root / name).read_text(errors="replace").splitlines() if STRANGER.search(line)]
            assert not told, (name, told)


@contextmanager
def running(gateway: Gateway, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that stays; its output is a pipe."""
    command = [sys.executable, "-c", "from daemon.cli import main; main()", "--socket", str(gateway.socket), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_wait_follows_to_the_end(gateway: Gateway, modem: SimulatedModem) -> None:
    with running(gateway, "start", "447700900110", "--brand", "Acme", "--wait") as process:
        assert process.stdout is not None
        request_id = process.stdout.readline().strip()
        judged = gateway.client.verify("check", request_id=request_id, code=pin_of(modem, "447700900110"))
        assert judged["status"] == "0"
        told = process.stdout.read()
        assert process.wait() == 0
    assert told.splitlines()[-1].endswith("  verified")


def test_a_daemon_that_stops_and_comes_again(tmp_path: Path) -> None:
    """`events --follow` used to end with the daemon; who started it again lost events, or got some of them twice."""
    notes: list[str] = []
    with SimulatedModem(tmp_path / "port") as modem, Gateway(tmp_path, modem_section(modem.port)) as gateway:
        following = gateway.client.followed(gateway.client.newest(0)[0], notes.append, again_s=0.05)
        first = gateway.verify("447700900103")
        seen = [next(following)]
        with running(gateway, "start", "447700900105", "--brand", "Acme", "--wait") as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            gateway.stop()
            told = process.stdout.read()
            assert process.wait() == 3
        assert f"the daemon at {gateway.socket}" in told
        gateway.start()
        last = gateway.verify("447700900104")
        while seen[-1]["request_id"] != last:
            seen.append(next(following))
    assert [line["seq"] for line in seen] == list(range(seen[0]["seq"], seen[0]["seq"] + len(seen)))
    assert (seen[0]["request_id"], seen[0]["kind"], notes[1:]) == (first, "started", [""])
    assert "the daemon at" in notes[0]
    with pytest.raises(Unreachable, match="cannot reach"):
        Client(tmp_path / "nobody").newest(0)


def test_a_listener_too_many_is_told_so(gateway: Gateway) -> None:
    start(gateway, "447700900106")
    listeners = [gateway.client.events(follow=True, last=1) for _ in range(MAX_STREAMS)]
    try:
        assert all(next(listener) for listener in listeners)
        refused = pinwheel(gateway, "events", "--follow")
    finally:
        for listener in listeners:
            listener.close()
    assert (refused.exit_code, "At most 64 event streams" in refused.output) == (1, True)


def test_what_others_wrote_does_not_steer_the_terminal(gateway: Gateway, modem: SimulatedModem) -> None:
    modem.receive("447700900999", "hi\n2026-11-26 success\x1b[2J")
    until(lambda: "incoming" in pinwheel(gateway, "events").output, "the event")
    line = next(line for line in pinwheel(gateway, "events").output.splitlines() if "incoming SMS" in line)
    assert "hi\N{REPLACEMENT CHARACTER}2026-11-26 success" in line
    assert "\x1b" not in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("list",),
        ("modems",),
        ("events",),
        ("prompts", "check", "en-us"),
        ("prompts", "texts", "en-us"),
        ("prompts", "play", "en-us", "1234"),
        ("reload",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_prints_json_before_or_after_its_name(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    def parsed(*words: str) -> list[Any]:
        return [json.loads(line) for line in pinwheel(gateway, *words).output.splitlines()]

    assert parsed("--json", *arguments)
    assert parsed(*arguments, "--json")


def test_usage_errors_exit_2(gateway: Gateway) -> None:
    assert pinwheel(gateway, "start", "447700900106").exit_code == 2
    assert pinwheel(gateway, "nonsense").exit_code == 2


def test_an_unknown_request_exits_1_and_names_it(gateway: Gateway) -> None:
    done = pinwheel(gateway, "show", "nobody")
    assert done.exit_code == 1
    assert "'nobody'" in done.output


def test_a_daemon_that_is_not_there_exits_3_with_a_remedy(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--socket", str(tmp_path / "none.sock"), "status"])
    assert done.exit_code == 3
    assert "the daemon is not running" in done.output


@pytest.mark.parametrize("command", [[], ["start"], ["check"], ["prompts"], ["demo"], ["events"]])
def test_help_is_worth_reading(command: list[str]) -> None:
    done = CliRunner().invoke(main, [*command, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 5
