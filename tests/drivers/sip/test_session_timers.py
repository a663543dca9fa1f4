"""When a session is refreshed, on its own: see test_agent.py for what is sent."""

import pytest

from drivers.sip.address import TransportKind
from drivers.sip.call import State
from drivers.sip.call_events import Answered, Ended
from drivers.sip.session_timers import GLARE_S, SessionTimers
from tests.drivers.sip.agents import (
    FIRST,
    SDP,
    agent,
    answered,
    asked,
    placed,
    reply,
    response_to,
    sent,
    statuses,
)


def test_only_a_call_that_stands_is_tried_again() -> None:
    call, _ = answered(agent())
    timers = SessionTimers()
    timers.try_again(call, 10.0)
    assert (timers.deadline(), timers.due(10.0 + GLARE_S)) == (10.0 + GLARE_S, [call.call_id])
    timers.forget(call)
    call.state = State.ENDED
    timers.try_again(call, 20.0)
    assert (timers.deadline(), timers.due(100.0)) == (float("inf"), [])


def test_a_session_that_is_not_ours_to_keep_is_not_planned() -> None:
    call, _ = answered(agent())
    timers = SessionTimers()
    timers.plan(call, 1.0)
    assert call.dialog is not None
    call.dialog.refresh_s = 45.0
    timers.plan(call, 1.0)
    timers.plan(call, 2.0)
    assert timers.deadline() == 46.0
    timers.begin_again(call, 10.0)
    assert timers.deadline() == 55.0
    call.dialog.refresh_s = None
    timers.plan(call, 11.0)
    assert timers.deadline() == float("inf")


@pytest.mark.parametrize(("allow", "method"), [("INVITE, UPDATE", "UPDATE"), ("INVITE, BYE", "INVITE")])
def test_a_session_that_is_ours_to_keep_is_refreshed_at_half_its_time(allow: str, method: str) -> None:
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", allow))
    ours.poll(45.9)
    assert sent(ours) == []
    ours.poll(46.0)
    ((refresh, _),) = sent(ours)
    assert (refresh.method, refresh.get("session-expires")) == (method, "90;refresher=uac")
    assert (refresh.body == SDP) is (method == "INVITE")
    ours.receive(reply(refresh, 200, body=SDP), FIRST, 46.1)
    assert [m.method for m, _ in sent(ours)] == (["ACK"] if method == "INVITE" else [])
    ours.receive(reply(refresh, 500), FIRST, 46.2)
    assert [type(event) for event in call.events] == [Answered]


def test_a_session_that_the_far_end_keeps_is_left_to_it() -> None:
    ours = agent()
    answered(ours, ("session-expires", "90;refresher=uas"))
    ours.poll(500.0)
    assert sent(ours) == []


def test_a_call_that_the_far_end_no_longer_knows_is_over() -> None:
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", "UPDATE"))
    ours.poll(46.0)
    ((refresh, _),) = sent(ours)
    ours.receive(reply(refresh, 481), FIRST, 46.1)
    assert [event.status for event in call.events if isinstance(event, Ended)] == [481]
    ours.poll(500.0)
    assert sent(ours) == []


@pytest.mark.parametrize("allow", ["INVITE, UPDATE", "INVITE"])
@pytest.mark.parametrize("answer", [None, 408])
def test_a_refresh_that_times_out_ends_the_call_with_a_bye(allow: str, answer: int | None) -> None:
    """RFC 4028 10. A call used to go on after an UPDATE without a response, and no failed refresh led to a BYE."""
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", allow))
    ours.poll(46.0)
    ((refresh, _),) = sent(ours)
    if answer is None:
        ours.poll(78.0)
    else:
        ours.receive(reply(refresh, answer), FIRST, 46.1)
    assert [message.method for message, _ in sent(ours)][-1] == "BYE"
    assert [event.status for event in call.events if isinstance(event, Ended)] == [408]


def test_a_refresh_whose_connection_is_lost_is_made_again_over_the_next() -> None:
    ours = agent(kind=TransportKind.TCP)
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", "INVITE, UPDATE"))
    ours.poll(46.0)
    ours.on_lost(FIRST, "gone", 46.1)
    ours.poll(49.2)
    assert [message.method for message, _ in sent(ours)] == ["UPDATE", "UPDATE"]
    assert [type(event) for event in call.events] == [Answered]


def test_a_refresh_that_is_challenged_goes_out_again_signed() -> None:
    ours = agent()
    answered(ours, ("session-expires", "90;refresher=uac"), ("allow", "UPDATE"))
    ours.poll(46.0)
    ((refresh, _),) = sent(ours)
    ours.receive(reply(refresh, 407, ("proxy-authenticate", 'Digest realm="x", nonce="y"')), FIRST, 46.1)
    ((again, _),) = sent(ours)
    assert again.get("proxy-authorization").startswith("Digest ")


def test_offers_that_cross_are_refused_by_both_and_ours_is_made_again() -> None:
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", "UPDATE"))
    ours.poll(46.0)
    ((refresh, _),) = sent(ours)
    ours.receive(asked(call, "INVITE", 1, body=SDP), FIRST, 46.1)
    assert statuses(ours) == [491]
    ours.receive(asked(call, "ACK", 1), FIRST, 46.15)
    ours.receive(reply(refresh, 491), FIRST, 46.2)
    ours.receive(asked(call, "INVITE", 2, body=SDP), FIRST, 47.0)
    assert statuses(ours) == [200]
    ours.receive(asked(call, "ACK", 2, branch="other"), FIRST, 47.1)
    ours.poll(49.3)
    assert [message.method for message, _ in sent(ours)] == ["UPDATE"]


@pytest.mark.parametrize("least", ["120", "120;x=y"])
def test_a_longer_session_is_asked_for_once(least: str) -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 422, ("min-se", least)), FIRST, 0.1)
    _, (again, _) = sent(ours)
    assert (again.get("session-expires"), again.get("min-se")) == ("1800", "120")
    ours.receive(reply(again, 422, ("min-se", "3600")), FIRST, 0.2)
    assert [event.status for event in call.events if isinstance(event, Ended)] == [422]


def test_a_session_timer_does_not_bring_back_a_call_that_was_hung_up() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.hang_up(call, 0.1)
    ours.receive(reply(invite, 422, ("min-se", "120")), FIRST, 0.2)
    assert [m.method for m, _ in sent(ours)] == ["ACK"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("asks", "supported", "told_", "ours_to_keep"),
    [
        ("300;refresher=uac", "timer", ("300;refresher=uac", "timer"), False),
        ("300 ; Refresher = UAC", "timer", ("300;refresher=uac", "timer"), False),
        ("300;refresher=uas", "timer", ("300;refresher=uas", ""), True),
        ("300", "timer", ("300;refresher=uac", "timer"), False),
        ("300", "100rel", ("300;refresher=uas", ""), True),
        ("soon", "timer", ("", ""), None),
        ("", "timer", ("", ""), None),
    ],
)
def test_who_refreshes_stays_who_it_was(
    method: str, asks: str, supported: str, told_: tuple[str, str], ours_to_keep: bool | None
) -> None:
    """There used to be a bug: we always named the far end, whatever it had asked for."""
    ours = agent()
    call, _ = answered(ours, ("session-expires", "200;refresher=uac"), ("allow", "UPDATE"))
    headers = [("session-expires", asks)] if asks else []
    response = response_to(ours, asked(call, method, 1, *headers, ("supported", supported), body=SDP))
    assert (response.get("session-expires"), response.get("require")) == told_
    ours.receive(asked(call, "ACK", 1, branch="ack"), FIRST, 2.1)
    ours.poll(101.1)  # half of what was agreed before
    before = [message for message, _ in sent(ours) if message.method == "UPDATE"]
    ours.poll(152.0)
    after = [message.get("session-expires") for message, _ in sent(ours) if message.method == "UPDATE"]
    assert bool(before) is (ours_to_keep is None)
    assert (after[:1] == ["300;refresher=uac"]) is (ours_to_keep is True)


def test_an_ended_call_is_refreshed_no_more() -> None:
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", "UPDATE"))
    ours.receive(asked(call, "BYE", 1), FIRST, 40.0)
    assert statuses(ours) == [200]
    ours.poll(46.1)
    assert sent(ours) == []
