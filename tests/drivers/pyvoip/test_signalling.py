"""The outcome matrix: what a far end may do to a call, scripted with sipp, and what becomes of it."""

import gc
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from drivers import Call, CallOutcome, CallPhase, CallResult
from drivers.sip.address import Timers
from drivers.sip.agent import UserAgent
from drivers.sip.message import Message, parse
from drivers.sip.sdp import offer
from tests.drivers.pyvoip.callee import far_end
from tests.drivers.pyvoip.calling import NUMBER, Phases, dial, driver, result, tone
from tests.peers.sipp import Sipp, ask, hear, hear_answer, pause, say, script

A = CallOutcome
OK = say("200 OK", sdp=True)
ANSWER = OK + hear("ACK")
SAID_BYE = hear("BYE") + say("200 OK")
CHALLENGE = say("401 Unauthorized", 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"')
PROXY_CHALLENGE = say(
    "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="x", nonce="y", qop="auth"'
)
CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port]>\n"
T1_S = 0.1
MOST_TIMES = 4  # that any row lets a request be sent: at 0, 1, 3 and 7 times T1

MATRIX: dict[str, tuple[str, CallOutcome]] = {
    "200 first": (script(ANSWER, SAID_BYE), A.ANSWERED),
    "100, 180, 200": (script(say("100 Trying"), say("180 Ringing"), ANSWER, SAID_BYE), A.ANSWERED),
    "183 first, then 200": (script(say("183 Session Progress", sdp=True), ANSWER, SAID_BYE), A.ANSWERED),
    "183, then refused": (script(say("183 Session Progress", sdp=True), say("486 Busy Here"), hear("ACK")), A.BUSY),
    "183 with a description, then 200 without": (
        script(say("183 Session Progress", sdp=True), say("200 OK"), hear("ACK"), SAID_BYE),
        A.ANSWERED,
    ),
    "200 without Contact": (script(OK.replace(CONTACT, ""), hear("ACK"), SAID_BYE), A.ANSWERED),
    "200 with a Contact for telephones": (
        script(OK.replace(CONTACT, "Contact: <tel:+44>\n"), hear("ACK"), SAID_BYE),
        A.ANSWERED,
    ),
    "180, then 408": (script(say("180 Ringing"), say("408 Request Timeout"), hear("ACK")), A.NO_ANSWER),
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
    "re-INVITE that requires what we cannot do": (
        script(
            ANSWER, ask("INVITE", sdp=True).replace("Max-", "Require: x\nMax-"), hear_answer(420), ask("ACK"), SAID_BYE
        ),
        A.ANSWERED,
    ),
    "a method that nobody knows": (script(ANSWER, ask("WINK"), hear_answer(501), SAID_BYE), A.ANSWERED),
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
    "401 without an account": (script(CHALLENGE, hear("ACK")), A.REJECTED),
    "200 without audio": (script(say("200 OK"), hear("ACK"), SAID_BYE), A.REJECTED),
    "BYE never answered": (script(ANSWER, hear("BYE"), pause(300)), A.ANSWERED),
    "BYE refused": (script(ANSWER, hear("BYE"), say("481 Call/Transaction Does Not Exist")), A.ANSWERED),
}
REFUSALS = {
    "302 Moved Temporarily": A.REJECTED,
    "403 Forbidden": A.REJECTED,
    "404 Not Found": A.NOT_FOUND,
    "480 Temporarily Unavailable": A.NO_ANSWER,
    "486 Busy Here": A.BUSY,
    "488 Not Acceptable Here": A.REJECTED,
    "500 Server Internal Error": A.UNREACHABLE,
    "503 Service Unavailable": A.UNREACHABLE,
    "603 Decline": A.DECLINED,
}
for line, refused in REFUSALS.items():
    MATRIX[f"{line[:3]} first"] = (script(say(line), hear("ACK")), refused)
    MATRIX[f"100, then {line[:3]}"] = (script(say("100 Trying"), pause(50), say(line), hear("ACK")), refused)
    MATRIX[f"180, then {line[:3]}"] = (script(say("180 Ringing"), pause(50), say(line), hear("ACK")), refused)

SIGNED_401 = hear("INVITE", containing="Authorization: Digest username")
SIGNED_407 = hear("INVITE", containing="Proxy-Authorization: Digest username")
EDGE, CORE = (f'Proxy-Authenticate: Digest realm="{realm}.example", nonce="n"' for realm in ("edge", "core"))
BOTH = "realm=.edge.example.*realm=.core.example"
TWO_REALMS = (
    say("407 Proxy Authentication Required", EDGE),
    hear("ACK"),
    hear("INVITE", containing="realm=.edge.example"),
    say("407 Proxy Authentication Required", CORE),
    hear("ACK"),
    hear("INVITE", containing=BOTH),
)
EMPTY_QOP = CHALLENGE.replace('qop="auth"', 'qop=""')
WITH_ACCOUNT: dict[str, tuple[str, CallOutcome]] = {
    "401": (script(CHALLENGE, hear("ACK"), SIGNED_401, ANSWER, SAID_BYE), A.ANSWERED),
    "407": (script(PROXY_CHALLENGE, hear("ACK"), SIGNED_407, ANSWER, SAID_BYE), A.ANSWERED),
    "407 of one realm, then of another": (script(*TWO_REALMS, ANSWER, SAID_BYE), A.ANSWERED),
    "407 of two realms at once": (
        script(
            say("407 Proxy Authentication Required", EDGE, CORE),
            hear("ACK"),
            hear("INVITE", containing=BOTH),
            ANSWER,
            SAID_BYE,
        ),
        A.ANSWERED,
    ),
    "401 with an empty qop": (script(EMPTY_QOP, hear("ACK"), SIGNED_401, ANSWER, SAID_BYE), A.ANSWERED),
    "401, wrong password": (script(CHALLENGE, hear("ACK"), SIGNED_401, CHALLENGE, hear("ACK"), pause(300)), A.REJECTED),
    "407, wrong password": (
        script(PROXY_CHALLENGE, hear("ACK"), SIGNED_407, PROXY_CHALLENGE, hear("ACK"), pause(300)),
        A.REJECTED,
    ),
    "407, then 403": (script(PROXY_CHALLENGE, hear("ACK"), SIGNED_407, say("403 Forbidden"), hear("ACK")), A.REJECTED),
}


def left_behind() -> tuple[int, int]:
    """Descriptors and threads. What an earlier test has left to the garbage collector does not count."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> list[UserAgent]:
    """The user agents that drivers have made, to look at once the drivers are closed."""
    made: list[UserAgent] = []

    class Kept(UserAgent):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("drivers.pyvoip.trunk.UserAgent", Kept)
    return made


def forgets_all(agent: UserAgent) -> bool:
    """Whether nothing is kept of calls and transactions when their time is over."""
    now = time.monotonic()
    for later_s in (100, 200, 300):
        agent.poll(now + later_s)
    return (agent.calls, agent.idle, agent.deadline()) == ({}, True, float("inf"))


def play(directory: Path, scenario: str, agents: list[UserAgent], **options: Any) -> CallResult:
    """One call through a scenario: it runs to its end, no request is sent too often, and nothing is left."""
    before = left_behind()
    with Sipp(directory, scenario) as peer, driver(peer.address, Timers(t1=T1_S), **options) as opened:
        ended = result(dial(opened, tone(0.3, 0.1))[0])
        assert peer.succeeded(), (directory / "sipp" / "errors").read_text()
        assert opened.status().calls == 0
        came = peer.received()
    assert came, "no request was counted"
    assert max(came.values()) <= MOST_TIMES, came
    assert [forgets_all(agent) for agent in agents] == [True]
    assert left_behind() == before
    return ended


@pytest.mark.parametrize("row", MATRIX)
def test_a_far_end_may_do_what_it_likes(tmp_path: Path, agents: list[UserAgent], row: str) -> None:
    scenario, outcome = MATRIX[row]
    assert play(tmp_path, scenario, agents).outcome is outcome


@pytest.mark.parametrize("row", WITH_ACCOUNT)
def test_a_far_end_may_ask_who_calls(tmp_path: Path, agents: list[UserAgent], row: str) -> None:
    scenario, outcome = WITH_ACCOUNT[row]
    (tmp_path / "password").write_text("secret")
    account = {"username": "gateway", "password_file": str(tmp_path / "password")}
    assert play(tmp_path, scenario, agents, **account).outcome is outcome


def test_a_far_end_that_never_answers_hears_few_invites_and_leaves_nothing(agents: list[UserAgent]) -> None:
    before = left_behind()
    with far_end() as peer:
        host, port = peer.getsockname()
        with driver(f"{host}:{port}", Timers(t1=0.02)) as opened:
            ended = result(dial(opened, tone(0.1))[0])
        peer.setblocking(False)
        came = []
        with suppress(BlockingIOError):
            while True:
                came.append(parse(peer.recv(4096)).method)
    assert ended.outcome is A.UNREACHABLE
    assert set(came) == {"INVITE"}
    assert 2 <= len(came) <= 7  # exactly 7 with a clock that is never late: see test_agent.py
    assert [forgets_all(agent) for agent in agents] == [True]
    assert left_behind() == before


def test_a_cancel_that_crosses_the_answer_ends_in_a_bye() -> None:
    """The answer is on its way when we cancel: it is acknowledged and hung up at once (15, 9.1)."""
    with far_end() as peer:
        host, port = peer.getsockname()
        with driver(f"{host}:{port}") as opened:
            handle, phases = dial(opened, tone(5.0))
            data, source = peer.recvfrom(4096)
            invite = parse(data)
            peer.sendto(answer_to(invite, 180, peer), source)
            phases.wait_for(CallPhase.RINGING)
            handle.hang_up()
            assert parse(peer.recv(4096)).method == "CANCEL"
            peer.sendto(answer_to(invite, 200, peer, offer(host, 9, 1)), source)
            assert [parse(peer.recv(4096)).method for _ in range(2)] == ["ACK", "BYE"]
            assert result(handle).outcome is A.CANCELLED


@pytest.mark.parametrize("timed_out", [True, False])
def test_what_is_heard_after_we_gave_up_does_not_change_the_outcome(timed_out: bool) -> None:
    """There used to be a bug: a late 180 made it "no answer", and a ring time that passed later hid who cancelled."""
    with far_end() as peer:
        host, port = peer.getsockname()
        with driver(f"{host}:{port}") as opened:
            handle, phases = dial(opened, tone(5.0), ring_s=0.3)
            data, source = peer.recvfrom(4096)
            invite = parse(data)
            peer.sendto(answer_to(invite, 100 if timed_out else 180, peer), source)
            if not timed_out:
                phases.wait_for(CallPhase.RINGING)
                handle.hang_up()
            cancel = parse(peer.recv(4096))
            assert cancel.method == "CANCEL"
            peer.sendto(answer_to(cancel, 200, peer), source)
            time.sleep(0.4)  # longer than it would have rung: nothing else says that this time is over
            peer.sendto(answer_to(invite, 180, peer), source)
            peer.sendto(answer_to(invite, 487, peer), source)
            ended = result(handle)
    assert ended.outcome is (A.UNREACHABLE if timed_out else A.CANCELLED)
    assert ended.ring_s < 0.3
    assert (CallPhase.RINGING in phases.seen) is not timed_out


def answer_to(request: Message, status: int, peer: socket.socket, sdp: bytes = b"") -> bytes:
    host, port = peer.getsockname()
    kept = [(name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    headers = (*kept, ("to", request.get("to") + ";tag=far"), ("contact", f"<sip:far@{host}:{port}>"))
    return Message(headers, sdp, status=status, reason="Whatever").encode()


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
