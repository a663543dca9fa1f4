"""The audio process in trouble: forbidden system calls, crashes at the start, another version, a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import DeviceState, Unavailable
from drivers.processes import ending, last_line
from drivers.pyvoip import Driver, Options
from drivers.rtp.audio_process import refused
from drivers.rtp.keys import Keys, Profile
from drivers.rtp.messages import KINDS, VERSION, Failed, Media, Play, decoded, encoded, greeting, version_of
from drivers.rtp.process_restarts import FIRST_PAUSE_S, LONGEST_PAUSE_S, WORKED_S, AudioState, Supervision
from drivers.simulated.phone import SimulatedPhone
from tests.drivers.pyvoip.calling import BOUND_S, dial, pacer_pid, result, tone
from tests.gateway import Gateway, short_prompts, until, voice_section

ROOT = Path(__file__).parents[3]


# --- when it is started again ------------------------------------------------------------------------------


def ended_again_and_again(life: Supervision, seconds: float, lives_s: float = 0.0) -> int:
    """How many processes are started within so many seconds, if each reports at once and ends after lives_s."""
    now, starts = 0.0, 0
    while now < seconds:
        now = max(now, life.start_at)
        life.started()
        starts += 1
        if lives_s:
            life.reported(now)
            now += lives_s
        life.ended("the audio process was killed by SIGSYS", now)
    return starts


def test_a_process_that_dies_at_once_is_started_again_with_growing_pauses() -> None:
    """There used to be no pause: 146 processes in ten seconds, 97 % of a core."""
    assert ended_again_and_again(Supervision(), 10.0) == 8  # at 0, .1, .3, .7, 1.5, 3.1, 6.3 and 12.7 s
    assert ended_again_and_again(Supervision(), 3600.0) <= 9 + 3600 / LONGEST_PAUSE_S


def test_a_process_that_reports_and_then_dies_is_no_better() -> None:
    assert ended_again_and_again(Supervision(), 3600.0, lives_s=1.0) <= 9 + 3600 / LONGEST_PAUSE_S


def test_a_process_that_worked_for_a_while_is_replaced_quickly() -> None:
    life = Supervision()
    ended_again_and_again(life, 3600.0)
    life.started()
    life.reported(5000.0)
    life.ended("it hangs", 5000.0 + WORKED_S)
    assert life.start_at == 5000.0 + WORKED_S + FIRST_PAUSE_S


@given(st.lists(st.floats(0.0, WORKED_S - 0.001), min_size=1, max_size=40))
def test_pauses_never_shrink_before_a_process_has_worked(lives_s: list[float]) -> None:
    life, now, pauses = Supervision(), 0.0, []
    for life_s in lives_s:
        life.started()
        life.reported(now)
        now += life_s
        life.ended("it died", now)
        pauses.append(round(life.start_at - now, 6))
        now = life.start_at
    assert pauses == sorted(pauses)
    assert max(pauses) <= LONGEST_PAUSE_S
    assert min(pauses) == FIRST_PAUSE_S


def test_only_a_change_is_news() -> None:
    life = Supervision()
    assert life.ended("it died", 1.0)
    assert not life.ended("it died", 2.0)
    assert life.ended("it was killed", 3.0)
    assert life.reported(4.0)
    assert not life.reported(5.0)
    assert (life.state, life.why) == (AudioState.READY, "")


def test_only_a_process_that_was_killed_before_its_report_is_followed_by_one_without_wishes() -> None:
    life = Supervision()
    life.reported(1.0)
    life.ended("SIGSYS", 2.0, forbidden=True)
    assert not life.plainly
    life.ended("SIGSYS", 3.0, forbidden=True)
    life.ended("it died", 4.0)
    assert life.plainly


# --- what it says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returncode", "said"),
    [
        (0, "ended with exit status 0"),
        (3, "ended with exit status 3"),
        (-signal.SIGKILL, "was killed by SIGKILL"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-40, "was killed by signal 40"),
    ],
)
def test_an_end_is_named(returncode: int, said: str) -> None:
    assert ending(returncode) == said


def test_a_forbidden_system_call_is_explained() -> None:
    assert ending(-signal.SIGSYS).startswith("was killed by SIGSYS, ")


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"Traceback\n  File\nOSError: no\n\n", "OSError: no"),
        (b"\xff\x1b[31mred\x00", "\ufffd[31mred"),
        (b"x" * 500, "x" * 200),
    ],
)
def test_the_last_line_is_short_and_printable(output: bytes, line: str) -> None:
    assert last_line(output) == line


def test_messages_arrive_as_they_were_sent() -> None:
    keys = Keys(Profile.SHA1_80, b"ours", b"theirs")
    media = Media(8, ("127.0.0.1", 4000), True, 4001, (101, 96), 30, True, keys)
    for message in (Play(1, media, 2, True, False), Play(1, Media(0), 0, False, True), Failed(3, "why")):
        assert decoded(encoded(message)) == message


def test_a_far_end_may_send_the_laws_the_events_and_comfort_noise_of_its_answer() -> None:
    assert Media(8, laws=(0, 8), events=(101, 96)).fitting == {0, 8, 13, 96, 101}
    assert Media(0).fitting == {0, 13}


def test_every_kind_of_message_counts_for_the_version() -> None:
    whole = version_of(KINDS, 1)
    assert all(version_of({name: KINDS[name] for name in KINDS if name != left}, 1) != whole for left in KINDS)
    assert version_of(KINDS, 2) != whole


@pytest.mark.parametrize("first", [b"", b"\xff", b"7", b"{}", b"[]", b'["alive"]', b'["ready"]', b'["ready", "x", []]'])
def test_a_first_message_of_another_version_is_noticed(first: bytes) -> None:
    assert greeting(first) is None


def test_favours_that_are_refused_are_named_with_the_reason() -> None:
    def granted() -> None: ...

    def forbidden() -> None:
        raise PermissionError(1, "Operation not permitted")

    def unknown() -> None:
        raise ValueError("not here")

    favours = {"a": granted, "b": forbidden, "c": unknown, "d": granted}
    assert refused(favours) == ("b: Operation not permitted", "c: not here")
    assert VERSION


# --- real processes ----------------------------------------------------------------------------------------


class States:
    """What a driver's status said, change by change."""

    def __init__(self) -> None:
        self.seen: list[tuple[DeviceState, str]] = []
        self._news = threading.Condition()

    def note(self, opened: Driver) -> None:
        status = opened.status()
        with self._news:
            self.seen.append((status.state, status.detail))
            self._news.notify_all()

    def wait_for(self, state: DeviceState, times: int = 1) -> str:
        """The detail of the last of them."""
        with self._news:
            assert self._news.wait_for(lambda: [each for each, _ in self.seen].count(state) >= times, BOUND_S), (
                self.seen
            )
            return [detail for each, detail in self.seen if each is state][-1]


@contextmanager
def opened(server: str = "127.0.0.9:5060") -> Iterator[tuple[Driver, States]]:
    """A driver of a trunk that needs no registration, so that only the audio decides whether it is ready."""
    driver, states = Driver("voice", Options(server=server, register=False, bind="127.0.0.1:0")), States()
    driver.open(lambda _: states.note(driver))
    try:
        yield driver, states
    finally:
        driver.close()


class Shadow:
    """Other code in place of the audio process's, as an upgrade or a broken installation may leave it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
        self._package, self._starts = directory / "shadow" / "drivers", directory / "starts"
        self._package.mkdir(parents=True)
        head = f"import os, signal, socket, sys, time\nopen({str(self._starts)!r}, 'a').write('.')\n"
        (self._package / "__init__.py").write_text(head + code)
        monkeypatch.setenv("PYTHONPATH", str(self._package.parent))

    @property
    def starts(self) -> int:
        return len(self._starts.read_text())

    def remove(self) -> None:
        self._package.rename(self._package.with_name("gone"))


def killed_by(name: str) -> str:
    return f"os.kill(os.getpid(), signal.{name})"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("sys.exit(3)", "the audio process ended with exit status 3"),
        ("raise RuntimeError('no luck')", "the audio process ended with exit status 1: RuntimeError: no luck"),
        (killed_by("SIGSEGV"), "the audio process was killed by SIGSEGV"),
        (killed_by("SIGSYS"), "the audio process was killed by SIGSYS, which is how"),
    ],
)
def test_a_process_that_dies_at_once_means_no_calls_until_it_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: str,
    why: str,
) -> None:
    """Status used to say "voice ready" all the time, and a call was answered and then dropped."""
    shadow = Shadow(tmp_path, monkeypatch, code)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
        trunk.bind(("127.0.0.9", 0))
        trunk.settimeout(0.2)
        with opened(f"127.0.0.9:{trunk.getsockname()[1]}") as (driver, states):
            assert states.wait_for(DeviceState.FAILED).startswith(f"voice failed: {why}")
            with pytest.raises(Unavailable, match="voice failed: the audio process"):
                result(dial(driver, tone(0.1))[0])
            with pytest.raises(TimeoutError):
                trunk.recv(2048)
            until(lambda: shadow.starts >= 4, "it is started again and again", BOUND_S)
            assert DeviceState.READY not in [state for state, _ in states.seen]
            assert [state for state, _ in states.seen].count(DeviceState.FAILED) == 1
            shadow.remove()
            states.wait_for(DeviceState.READY)
            assert driver.status().detail == ""
    told = [record.getMessage() for record in caplog.records if "audio=failed" in record.getMessage()]
    assert len(told) == 1
    assert why in told[0]


@pytest.mark.parametrize("first", ['["alive"]', '["ready", "of tomorrow", []]', "\\x93\\x01"])
def test_a_process_of_another_version_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    hello = f"socket.socket(fileno=int(sys.argv[1])).send(b'{first}'); time.sleep(60)"
    shadow = Shadow(tmp_path, monkeypatch, hello)
    with opened() as (_, states):
        assert "another version than the daemon: restart pinwheel" in states.wait_for(DeviceState.FAILED)
        shadow.remove()
        states.wait_for(DeviceState.READY)


def test_a_process_that_cannot_be_started_means_no_calls_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    python = sys.executable
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with opened() as (_, states):
        why = "voice failed: the audio process cannot be started: No such file or directory"
        assert states.wait_for(DeviceState.FAILED) == why
        monkeypatch.setattr(sys, "executable", python)
        states.wait_for(DeviceState.READY)


def test_a_process_that_has_not_reported_yet_takes_no_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Shadow(tmp_path, monkeypatch, "time.sleep(60)")
    with opened() as (driver, states):
        states.wait_for(DeviceState.STARTING)
        until(lambda: driver.status().detail == "the audio process is starting", "the status says so", BOUND_S)
        with pytest.raises(Unavailable, match="the audio process is starting"):
            result(dial(driver, tone(0.1))[0])


def test_a_process_that_is_killed_is_replaced_and_said_to_be_gone(caplog: pytest.LogCaptureFixture) -> None:
    with opened() as (_, states):
        states.wait_for(DeviceState.READY)
        os.kill(pacer_pid(), signal.SIGKILL)
        assert states.wait_for(DeviceState.FAILED) == "voice failed: the audio process was killed by SIGKILL"
        states.wait_for(DeviceState.READY, times=2)
    assert sum("audio=failed" in record.getMessage() for record in caplog.records) == 1


def test_a_request_waits_for_the_audio_process_and_the_operator_reads_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = Shadow(tmp_path, monkeypatch, "raise RuntimeError('no luck')")
    why = "voice failed: the audio process ended with exit status 1: RuntimeError: no luck"
    with SimulatedPhone() as phone:
        gateway = Gateway(tmp_path, voice_section(phone.address) + short_prompts(tmp_path))
        gateway.start()
        try:
            until(lambda: gateway.client.get("/v1/voice")["state"] == "failed", "the voice driver says so")
            assert gateway.client.get("/v1/voice")["detail"] == why
            remedy = "journalctl -u pinwheel; the log of the trunk may say more"
            assert gateway.health()["reasons"] == [f"{why}: {remedy}"]
            command = [
                sys.executable,
                "-c",
                "from daemon.cli import main; main()",
                "--socket",
                str(gateway.socket),
                "status",
            ]
            told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
            assert f"voice     failed at {phone.address}, 0 calls: {why}\n" in told.stdout, told
            request_id = gateway.verify("447700900123", workflow_id=7)
            assert gateway.client.get("/v1/voice")["in_progress"] == []
            assert phone.calls == []
            shadow.remove()
            gateway.wait_for(request_id, "delivered")
            assert gateway.health()["reasons"] == []
        finally:
            gateway.stop()
    assert gateway.log().count("audio=failed") == 1


UNDER_A_FILTER = """
import json, logging, sys, time
from drivers.pyvoip import Driver, Options
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
driver, seen = Driver("voice", Options(server="127.0.0.9:5060", register=False, bind="127.0.0.1:0")), []
driver.open(lambda _: seen.append((str(driver.status().state), driver.status().detail)))
end = time.monotonic() + 20
while not any(state == "ready" for state, _ in seen) and time.monotonic() < end:
    time.sleep(0.02)
driver.close()
print(json.dumps(seen))
"""


@pytest.mark.parametrize("how", ["kill", "eperm"])
def test_a_unit_that_forbids_setpriority_does_not_stop_calls(how: str) -> None:
    """There used to be 146 processes killed by SIGSYS in ten seconds under the unit that we shipped."""
    command = [sys.executable, "-m", "tests.peers.seccomp", how, sys.executable, "-c", UNDER_A_FILTER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(done.stdout)
    failures = [detail for state, detail in seen if state == "failed"]
    assert [state for state, _ in seen].count("ready") == 1
    assert done.stderr.count("audio=ready without=") == 1
    if how == "eperm":
        assert failures == []
        assert "without='priority -10: Operation not permitted'" in done.stderr
    else:
        assert len(failures) == 1
        assert "the audio process was killed by SIGSYS" in failures[0]
        assert "without='priority -10: forbidden; as many open files as the limit allows: forbidden'" in done.stderr
