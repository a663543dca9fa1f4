"""Requests of ours that are challenged (401, 407) are signed and sent again (RFC 3261 22)."""

import pytest

from drivers.sip.agent import UserAgent
from drivers.sip.call_events import Answered
from drivers.sip.message import Message
from drivers.sip.registration import Registration
from tests.drivers.sip.agents import FIRST, RELIABLE, SDP, agent, answered, placed, reply, sent


@pytest.mark.parametrize("challenge", ['Digest realm="x", nonce="y", stale=true', 'Digest realm="x", nonce="{count}"'])
def test_a_bye_that_is_challenged_each_time_is_given_up(challenge: str) -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    byes = 0
    while messages := sent(ours):
        byes += 1
        assert byes < 10
        header = ("proxy-authenticate", challenge.format(count=byes))
        ours.receive(reply(messages[0][0], 407, header), FIRST, 2.0 + byes / 10)
    assert byes == 3


def test_a_proxy_and_the_callee_may_both_ask_who_we_are() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 407, ("proxy-authenticate", 'Digest realm="proxy", nonce="1"')), FIRST, 0.1)
    invite = sent(ours)[-1][0]
    ours.receive(reply(invite, 401, ("www-authenticate", 'Digest realm="pbx", nonce="2"')), FIRST, 0.2)
    invite = sent(ours)[-1][0]
    assert [invite.get(name)[:6] for name in ("proxy-authorization", "authorization")] == ["Digest", "Digest"]
    ours.receive(reply(invite, 200, body=SDP), FIRST, 0.3)
    assert [type(event) for event in call.events] == [Answered]


def test_each_use_of_a_nonce_is_counted_on_the_wire() -> None:
    ours = agent()
    call, invite = placed(ours)
    challenge = ("proxy-authenticate", 'Digest realm="x", nonce="y", qop="auth"')
    ours.receive(reply(invite, 407, challenge), FIRST, 0.1)
    invite = sent(ours)[-1][0]
    ours.receive(reply(invite, 200, body=SDP), FIRST, 1.0)
    ours.hang_up(call, 2.0)
    ack, bye = (message for message, _ in sent(ours))
    counts = [m.get("proxy-authorization").partition("nc=")[2][:8] for m in (invite, ack, bye)]
    assert counts == ["00000001", "00000001", "00000002"]


def requests_of_ours(method: str) -> tuple[UserAgent, Message]:
    """An agent, and the request of this name that it has just sent."""
    ours = agent()
    ours.registration = Registration(ours.identity, "sip:trunk.example", contacts=("sip:gw@192.0.2.9:5060",))
    ours.registration.due = float("inf")
    if method == "REGISTER":
        ours.registration.due = 0.0
        ours.poll(0.0)
    elif method == "REGISTER, leaving":
        ours.unregister(0.0)
    elif method == "OPTIONS":
        ours.probe(0.0)
    elif method in ("INVITE", "PRACK"):
        _, invite = placed(ours)
        if method == "INVITE":
            return ours, invite
        ours.receive(reply(invite, 183, *RELIABLE, body=SDP), FIRST, 1.0)
    else:
        allow = ("allow", "INVITE, UPDATE" if method == "UPDATE" else "INVITE")
        call, _ = answered(ours, ("session-expires", "90;refresher=uac"), allow)
        ours.hang_up(call, 2.0) if method == "BYE" else ours.poll(46.0)
    return ours, sent(ours)[-1][0]


OF_OURS = ["INVITE", "PRACK", "UPDATE", "re-INVITE", "BYE", "REGISTER", "REGISTER, leaving", "OPTIONS"]


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("method", OF_OURS)
def test_every_request_of_ours_that_is_challenged_is_signed_and_repeated_when_stale(method: str, status: int) -> None:
    """There used to be a bug: unregistrations and OPTIONS were not signed; each kind of request had its own rules."""
    ours, request = requests_of_ours(method)
    assert request.method == method.partition(",")[0].removeprefix("re-")
    ask, answer = (("www-authenticate", "authorization"), ("proxy-authenticate", "proxy-authorization"))[status == 407]
    kept = {name: value for name, value in request.headers if name in ("rack", "contact", "expires", "to", "call-id")}
    for nonce, more in (("1", ""), ("2", ", stale=true")):
        ours.receive(reply(request, status, (ask, f'Digest realm="x", nonce="{nonce}"{more}')), FIRST, 50.0)
        before, request = request, sent(ours)[-1][0]
        assert (request.method, request.body, request.uri) == (before.method, before.body, before.uri)
        assert request.cseq[0] == before.cseq[0] + 1
        assert request.branch != before.branch
        assert {name: request.get(name) for name in kept} == kept
        assert f'nonce="{nonce}"' in request.get(answer)
    ours.receive(reply(request, status, (ask, 'Digest realm="x", nonce="2"')), FIRST, 51.0)
    again = [message.method for message, _ in sent(ours) if message.get("cseq").startswith(f"{request.cseq[0] + 1} ")]
    assert again == []


@pytest.mark.parametrize("at_once", [True, False])
def test_two_realms_on_the_way_get_credentials_each(at_once: bool) -> None:
    """There used to be a bug: the second 407 was taken for a refusal (22.3)."""
    ours = agent()
    call, invite = placed(ours)
    edge, core = (("proxy-authenticate", f'Digest realm="{realm}.example", nonce="n"') for realm in ("edge", "core"))
    for challenges in ([edge, core],) if at_once else ([edge], [core]):
        ours.receive(reply(invite, 407, *challenges), FIRST, 0.1)
        invite = sent(ours)[-1][0]
    realms = [value.split('realm="')[1].split(".")[0] for value in invite.all("proxy-authorization")]
    assert realms == ["edge", "core"]
    ours.receive(reply(invite, 200, body=SDP), FIRST, 0.2)
    assert [type(event) for event in call.events] == [Answered]
