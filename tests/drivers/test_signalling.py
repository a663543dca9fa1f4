"""The outcome matrix: what a far end may do to a call, scripted with sipp, and what becomes of it."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from drivers import Call, CallOutcome
from drivers.sip.transaction import Timers
from tests.drivers.test_pyvoip import NUMBER, Phases, dial, driver, result, tone
from tests.peers.sipp import Sipp, ask, hear, hear_answer, pause, say, script

A = CallOutcome
OK = say("200 OK", sdp=True)
ANSWER = OK + hear("ACK")
SAID_BYE = hear("BYE") + say("200 OK")

MATRIX: dict[str, tuple[str, CallOutcome]] = {
    "200 first": (script(ANSWER, SAID_BYE), A.ANSWERED),
    "100, 180, 200": (script(say("100 Trying"), say("180 Ringing"), ANSWER, SAID_BYE), A.ANSWERED),
    "183 first, then 200": (script(say("183 Session Progress", sdp=True), ANSWER, SAID_BYE), A.ANSWERED),
    "183, then refused": (script(say("183 Session Progress", sdp=True), say("486 Busy Here"), hear("ACK")), A.BUSY),
    "INVITE unanswered once": (script(pause(150), ANSWER, SAID_BYE), A.ANSWERED),
    "INVITE unanswered twice": (script(pause(350), ANSWER, SAID_BYE), A.ANSWERED),
    "200 lost": (script(say("200 OK", sdp=True, lost=True), pause(300), ANSWER, SAID_BYE), A.ANSWERED),
    "BYE unanswered twice": (script(ANSWER, hear("BYE"), pause(350), say("200 OK")), A.ANSWERED),
    "BYE at once": (script(ANSWER, ask("BYE"), hear_answer(200)), A.ANSWERED),
    "BYE in the middle": (script(ANSWER, pause(300), ask("BYE"), hear_answer(200)), A.ANSWERED),
    "OPTIONS in the dialog": (script(ANSWER, ask("OPTIONS"), hear_answer(200), SAID_BYE), A.ANSWERED),
    "INFO in the dialog": (script(ANSWER, ask("INFO"), hear_answer(200), SAID_BYE), A.ANSWERED),
    "UPDATE in the dialog": (script(ANSWER, ask("UPDATE", sdp=True), hear_answer(200), SAID_BYE), A.ANSWERED),
    "re-INVITE in the dialog": (
        script(ANSWER, ask("INVITE", sdp=True), hear_answer(200), ask("ACK"), SAID_BYE),
        A.ANSWERED,
    ),
    "422, longer session wanted": (
        script(
            say("422 Session Interval Too Small", "Min-SE: 3600"),
            hear("ACK"),
            hear("INVITE", containing="Session-Expires: 3600"),
            ANSWER,
            SAID_BYE,
        ),
        A.ANSWERED,
    ),
    "500": (script(say("500 Server Internal Error"), hear("ACK")), A.UNREACHABLE),
    "401 without an account": (
        script(say("401 Unauthorized", 'WWW-Authenticate: Digest realm="x", nonce="y"'), hear("ACK")),
        A.REJECTED,
    ),
    "200 without audio": (script(say("200 OK"), hear("ACK"), SAID_BYE), A.REJECTED),
}


def left_behind() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.mark.parametrize("row", MATRIX)
def test_a_far_end_may_do_what_it_likes(tmp_path: Path, row: str) -> None:
    scenario, outcome = MATRIX[row]
    before = left_behind()
    with Sipp(tmp_path, scenario) as peer, driver(peer.address, Timers(t1=0.1)) as opened:
        ended = result(dial(opened, tone(0.3, 0.1))[0])
        assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()
        assert opened.status().calls == 0
    assert ended.outcome is outcome
    assert left_behind() == before


def test_a_provisional_response_that_must_not_be_lost_is_acknowledged(tmp_path: Path) -> None:
    steps = (
        say("183 Session Progress", "Require: 100rel", "RSeq: 7", sdp=True),
        hear("PRACK", containing="RAck: 7 1 INVITE"),
        say("200 OK"),
    )
    with Sipp(tmp_path, script(*steps)) as peer, driver(peer.address) as opened:
        handle, _ = dial(opened, tone(0.3))
        assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()
        handle.hang_up()


def test_a_key_told_by_info_is_heard(tmp_path: Path) -> None:
    steps = (ANSWER, ask("INFO", key="1"), hear_answer(200), SAID_BYE)
    with Sipp(tmp_path, script(*steps)) as peer, driver(peer.address) as opened:
        ended = result(opened.call(Call(NUMBER, tone(0.3), question=tone(5.0)), Phases()))
        assert peer.succeeded(), (tmp_path / "sipp" / "errors").read_text()
    assert (ended.keys, ended.played_s) == ("1", 0.8)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Reason: Q.850;cause=17;text="User busy"', (17, "Busy Here")),
        ("Reason: SIP;cause=486, Q.850 ;cause=34", (34, "Busy Here")),
        ("Retry-After: 30 (soon)", (None, "Busy Here, try again after 30 s")),
        ("Reason: nonsense", (None, "Busy Here")),
    ],
)
def test_the_far_ends_reasons_are_told(tmp_path: Path, header: str, wanted: tuple[int | None, str]) -> None:
    with Sipp(tmp_path, script(say("486 Busy Here", header), hear("ACK"))) as peer, driver(peer.address) as opened:
        ended = result(dial(opened, tone(0.1))[0])
    assert (ended.cause, ended.reason) == wanted


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"caller_id": "+4420"}, "From: .sip:.4420@127.0.0.3.;tag"),
        ({"caller_id": "Acme"}, "From: .Acme. .sip:pinwheel@127.0.0.3.;tag"),
        ({"caller_id": "+4420", "assert_identity": True}, "P-Asserted-Identity: .sip:.4420@127.0.0.3."),
        ({"caller_id": "+4420", "hide_number": True}, "From: .Anonymous. .sip:anonymous@anonymous.invalid"),
        ({"caller_id": "+4420", "hide_number": True}, "Privacy: id"),
        ({"domain": "trunk.example"}, "INVITE sip:.447700900123@trunk.example"),
        ({"external_address": "192.0.2.7"}, "c=IN IP4 192.0.2.7"),
        ({"external_address": "192.0.2.7"}, "Contact: .sip:pinwheel@192.0.2.7:"),
    ],
)
def test_a_trunk_hears_who_calls(tmp_path: Path, options: dict[str, Any], pattern: str) -> None:
    scenario = script(say("486 Busy Here"), hear("ACK"), containing=pattern)
    with Sipp(tmp_path, scenario) as peer, driver(peer.address, **options) as opened:
        assert result(dial(opened, tone(0.1))[0]).outcome is A.BUSY
        assert peer.succeeded()
