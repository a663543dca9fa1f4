"""The voice driver against real SIP user agents: baresip, Kamailio in front of it, and sipp."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import Call, CallOutcome, CallPhase, DeviceState, Unavailable
from drivers.pyvoip import Driver, Options
from drivers.pyvoip.call_outcome import outcome_of
from drivers.pyvoip.calls import dialled
from drivers.sip.address import Timers
from tests.drivers.pyvoip.calling import (
    BOUND_S,
    NUMBER,
    TONE_HZ,
    Phases,
    becomes,
    crossings,
    dial,
    driver,
    heard,
    pacer_pid,
    press,
    result,
    tone,
)
from tests.peers.baresip import Account, Baresip
from tests.peers.kamailio import PASSWORD, Kamailio
from tests.peers.sipp import Sipp, refuses, rings_until_cancelled


@pytest.fixture
def baresip(tmp_path: Path) -> Iterator[Baresip]:
    with Baresip(tmp_path) as peer:
        yield peer


@pytest.mark.parametrize("codecs", ["PCMU,PCMA", "PCMA", "PCMU"])
def test_the_callee_hears_the_whole_audio(tmp_path: Path, codecs: str) -> None:
    with Baresip(tmp_path, Account(codecs=codecs)) as peer, driver(peer.address) as opened:
        handle, phases = dial(opened, tone(1.0))
        ended = result(handle)
        samples = heard(peer)
    assert ended.outcome is CallOutcome.ANSWERED
    assert ended.played_s == pytest.approx(1.5, abs=0.021)
    assert phases.seen == [CallPhase.DIALLING, CallPhase.RINGING, CallPhase.ANSWERED]
    assert crossings(samples) == pytest.approx(TONE_HZ, abs=TONE_HZ * 0.03)


def test_a_trunk_that_challenges_and_record_routes_carries_the_call(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with Baresip(tmp_path) as peer, Kamailio(tmp_path, peer.address) as trunk:
        options: dict[str, Any] = {"username": "gateway", "password_file": str(tmp_path / "password"), "register": True}
        with driver(trunk.address, **options) as opened:
            assert opened.status().registered
            handle, _ = dial(opened, tone(0.5))
            assert result(handle).outcome is CallOutcome.ANSWERED
        expected = ["REGISTER", "REGISTER", "INVITE", "INVITE", "ACK", "BYE", "REGISTER"]
        assert trunk.methods(len(expected)) == expected
        assert crossings(heard(peer)) > TONE_HZ * 0.4


def test_a_wrong_password_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    news = threading.Event()
    with Kamailio(tmp_path, "127.0.0.2:9") as trunk:
        options = Options(
            trunk.address, username="gateway", password_file=str(tmp_path / "password"), bind="127.0.0.1:0"
        )
        opened = Driver("voice", options)
        opened.open(lambda _: news.set() if opened.status().state is DeviceState.FAILED else None)
        try:
            assert news.wait(BOUND_S), opened.status()
            assert "check the account" in opened.status().detail
            with pytest.raises(Unavailable, match="check the account"):
                dial(opened, tone(0.1))[0].result.result(BOUND_S)
        finally:
            opened.close()


def test_ringing_too_long_is_cancelled(tmp_path: Path) -> None:
    with Baresip(tmp_path, Account(answer=False)) as peer, driver(peer.address) as opened:
        handle, phases = dial(opened, tone(1.0), ring_s=0.5)
        ended = result(handle)
    assert ended.outcome is CallOutcome.NO_ANSWER
    assert 0.4 < ended.ring_s < 3
    assert phases.seen == [CallPhase.DIALLING, CallPhase.RINGING]


def test_hanging_up_while_it_rings_cancels(tmp_path: Path) -> None:
    with Sipp(tmp_path, rings_until_cancelled()) as peer, driver(peer.address) as opened:
        handle, phases = dial(opened, tone(1.0))
        phases.wait_for(CallPhase.RINGING)
        handle.hang_up()
        assert result(handle).outcome is CallOutcome.CANCELLED
        assert peer.succeeded()


def test_hanging_up_while_it_speaks_ends_the_call(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
        baresip.wait_until_heard(0.3)
        handle.hang_up()
        ended = result(handle)
    assert ended.outcome is CallOutcome.ANSWERED
    assert 0.1 < ended.played_s < 20


def test_a_callee_that_hangs_up_early_shows_in_what_was_played(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
        baresip.wait_until_heard(0.3)
        baresip.command("hangup")
        ended = result(handle)
    assert ended.outcome is CallOutcome.ANSWERED
    assert 0.1 < ended.played_s < 20


@pytest.mark.parametrize(
    ("responses", "outcome"),
    [
        (["100 Trying", "486 Busy Here"], CallOutcome.BUSY),
        (["486 Busy Here"], CallOutcome.BUSY),
        (["180 Ringing", "603 Decline"], CallOutcome.DECLINED),
        (["404 Not Found"], CallOutcome.NOT_FOUND),
        (["180 Ringing", "480 Temporarily Unavailable"], CallOutcome.NO_ANSWER),
        (["403 Forbidden"], CallOutcome.REJECTED),
        (["503 Service Unavailable"], CallOutcome.UNREACHABLE),
        (["302 Moved Temporarily"], CallOutcome.REJECTED),
        (["488 Not Acceptable Here"], CallOutcome.REJECTED),
    ],
    ids=lambda value: value[-1][:3] if isinstance(value, list) else None,
)
def test_a_refusal_is_acknowledged_and_named(tmp_path: Path, responses: list[str], outcome: CallOutcome) -> None:
    with Sipp(tmp_path, refuses(*responses)) as peer, driver(peer.address) as opened:
        ended = result(dial(opened, tone(0.1))[0])
        assert peer.succeeded()
    assert ended.outcome is outcome
    assert ended.sip_code == int(responses[-1][:3])
    assert ended.reason == responses[-1][4:]


def test_a_trunk_that_never_answers_is_unreachable() -> None:
    with driver("127.0.0.9:9", Timers(t1=0.02)) as opened:
        assert result(dial(opened, tone(0.1))[0]).outcome is CallOutcome.UNREACHABLE


def test_a_dead_audio_process_ends_its_calls_and_not_the_driver(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
        baresip.wait_until_heard(0.2)
        os.kill(pacer_pid(), signal.SIGKILL)
        ended = result(handle)
        assert (ended.outcome, ended.reason) == (CallOutcome.FAILED, "the audio process was killed by SIGKILL")
        becomes(opened, DeviceState.READY)  # calls are refused while the audio process is started again
        assert result(dial(opened, tone(0.2))[0]).outcome is CallOutcome.ANSWERED


def test_closing_hangs_up_what_is_left(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        handle, phases = dial(opened, tone(20.0))
        phases.wait_for(CallPhase.ANSWERED)
    assert result(handle).outcome is CallOutcome.ANSWERED
    assert "session closed" in baresip.log()
    with pytest.raises(Unavailable):
        result(dial(opened, tone(0.1))[0])


def test_nothing_is_left_behind_by_many_calls(baresip: Baresip) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with driver(baresip.address) as opened:
        result(dial(opened, tone(0.1, 0.0))[0])
        before = descriptors()
        for _ in range(5):
            result(dial(opened, tone(0.1, 0.0))[0])
        assert descriptors() == before
        assert opened.status().calls == 0


@pytest.mark.parametrize(
    ("rule", "user"),
    [
        ("{e164}", "+447700900123"),
        ("{digits}", "447700900123"),
        ("{00}", "00447700900123"),
        ("{national}", "07700900123"),
        ("9{00};phone-context=x", "900447700900123;phone-context=x"),
    ],
)
def test_a_number_becomes_the_user_that_the_trunk_wants(rule: str, user: str) -> None:
    assert dialled(rule, NUMBER) == user


def test_every_final_response_has_an_outcome() -> None:
    check: Callable[[int], CallOutcome] = outcome_of
    assert {check(status) for status in range(300, 700)} <= set(CallOutcome)
    assert check(500) is CallOutcome.UNREACHABLE
    assert check(499) is CallOutcome.REJECTED


# --- the conversation ----------------------------------------------------------------------------------------------


def test_pressing_1_lets_one_hear_it_again(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        phases = Phases()
        call = Call(NUMBER, tone(0.5), again=tone(0.5), bye=tone(0.1), repeats=1)
        handle = opened.call(call, phases)
        phases.wait_for(CallPhase.ANSWERED)
        press(baresip, "1", heard_s=1.2)  # the speech of 1 s is over
        ended = result(handle)
        samples = heard(baresip)
    assert (ended.outcome, ended.keys, ended.played_s) == (CallOutcome.ANSWERED, "1", 1.0)
    assert crossings(samples) == pytest.approx(TONE_HZ * 1.1, abs=TONE_HZ * 0.05)


def test_the_pin_is_kept_from_who_presses_nothing(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        handle = opened.call(Call(NUMBER, tone(5.0), question=tone(0.2, 0.0)), Phases())
        ended = result(handle)
        samples = heard(baresip)
    assert (ended.outcome, ended.keys, ended.played_s) == (CallOutcome.ANSWERED, "", 0)
    assert crossings(samples) == pytest.approx(2 * TONE_HZ * 0.2, abs=TONE_HZ * 0.05)


def test_who_answers_the_question_hears_the_pin(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        phases = Phases()
        handle = opened.call(Call(NUMBER, tone(0.5), question=tone(20.0)), phases)
        phases.wait_for(CallPhase.ANSWERED)
        press(baresip, "1", heard_s=0.4)
        ended = result(handle)
    assert (ended.keys, ended.played_s) == ("1", 1.0)
    assert ended.talk_s < 20


def test_no_call_is_longer_than_its_limit(baresip: Baresip) -> None:
    with driver(baresip.address) as opened:
        ended = result(opened.call(Call(NUMBER, tone(20.0), limit_s=1.0), Phases()))
    assert 0.9 < ended.talk_s < 2
