"""The user agent without I/O: time and messages are arguments, what it sends is looked at."""

import pytest

from drivers.sip.address import Timers, TransportKind
from drivers.sip.call_events import Answered, Ended, Keyed
from drivers.sip.message import Message, parse
from drivers.sip.registration import Registration
from tests.drivers.sip.agents import (
    FIRST,
    SDP,
    SECOND,
    agent,
    answered,
    asked,
    placed,
    reply,
    sent,
    statuses,
    with_headers,
)

# --- transactions and connections --------------------------------------------------------------------------


def test_an_invite_that_nobody_answers_is_sent_seven_times_in_32_s() -> None:
    ours = agent()
    ours.call("sip:+44@trunk.example", SDP, 0.0)
    moments, now = [], 0.0
    while ours.deadline() <= 32.0:
        moments += [now] * len(sent(ours))
        now = ours.deadline()
        ours.poll(now)
    assert moments == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]  # Timer A (17.1.1.2)


def test_a_call_whose_bye_is_never_answered_is_forgotten() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    ours.poll(34.0)
    ours.poll(66.1)
    assert (ours.calls, ours.deadline()) == ({}, float("inf"))


def test_an_answer_to_a_bye_of_a_call_long_forgotten_is_harmless() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    ((bye, _),) = sent(ours)
    ours.receive(reply(bye, 407, ("proxy-authenticate", 'Digest realm="x", nonce="y"')), FIRST, 33.0)
    ((signed, _),) = sent(ours)
    ours.poll(34.1)
    ours.receive(reply(signed, 200), FIRST, 35.0)
    ours.poll(70.0)
    assert (ours.calls, ours.deadline()) == ({}, float("inf"))


def test_a_bye_before_the_answer_does_not_leave_the_answered_call_alone() -> None:
    ours = agent()
    call, invite = placed(ours)
    bye = (("via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb"), ("from", "<sip:far@b>;tag=far"), ("cseq", "1 BYE"))
    about = (("to", invite.get("from")), ("call-id", call.call_id))
    ours.receive(Message((*bye, *about), method="BYE", uri="sip:gw@192.0.2.9").encode(), FIRST, 1.0)
    assert [message.status for message, _ in sent(ours)] == [481]
    ours.receive(reply(invite, 200, body=SDP), FIRST, 2.0)
    ours.hang_up(call, 3.0)
    assert [message.method for message, _ in sent(ours)] == ["ACK", "BYE"]
    assert [type(event) for event in call.events] == [Answered, Ended]


def test_an_answer_after_a_refusal_is_hung_up() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 486), FIRST, 1.0)
    ours.receive(reply(invite, 200, body=SDP, tag="other"), FIRST, 1.1)
    assert [message.method for message, _ in sent(ours)] == ["ACK", "ACK", "BYE"]
    assert [type(event) for event in call.events] == [Ended]


def test_nothing_is_sent_twice_over_a_stream() -> None:
    ours = agent(kind=TransportKind.TCP)
    placed(ours)
    for second in range(1, 30):
        ours.poll(float(second))
    assert sent(ours) == []


def test_a_lost_connection_ends_what_waits_for_an_answer() -> None:
    ours = agent(kind=TransportKind.TLS)
    call, invite = placed(ours)
    assert invite.all("via")[0].startswith("SIP/2.0/TLS 192.0.2.9:5060;")
    assert invite.get("contact") == "<sip:gw@192.0.2.9:5060;transport=tls>"
    ours.on_lost(FIRST, "the far end closed the connection", 1.0)
    ended = call.events[-1]
    assert isinstance(ended, Ended)
    assert (ended.status, ended.reason) == (0, "the far end closed the connection")


def test_a_registration_over_a_lost_connection_is_made_again() -> None:
    ours = agent(kind=TransportKind.TCP)
    ours.registration = Registration(ours.identity, "sip:trunk.example", due=0.0)
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    ours.receive(reply(register, 200), FIRST, 0.1)
    assert ours.registration.registered
    ours.on_lost(FIRST, "gone", 1.0)
    assert not ours.registration.registered
    ours.move("192.0.2.9:6000", 1.5)
    ours.poll(1.5)
    ((register, _),) = sent(ours)
    assert register.get("contact") == "<sip:gw@192.0.2.9:6000;transport=tcp>"


def test_a_call_that_nobody_hears_lets_us_ask_the_registrar_once() -> None:
    ours = agent()
    ours.registration = Registration(ours.identity, "sip:trunk.example", due=0.0)
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    ours.receive(reply(register, 200), FIRST, 0.1)
    ours.call("sip:+44@trunk.example", SDP, 1.0)
    ours.poll(5.0)
    ours.poll(5.0)
    (again,) = [m for m, _ in sent(ours) if m.method == "REGISTER"]
    ours.receive(reply(again, 200), FIRST, 5.1)
    ours.poll(6.0)
    assert {m.method for m, _ in sent(ours)} == {"INVITE"}


# --- the session -------------------------------------------------------------------------------------------


def test_the_answer_in_a_183_without_a_tag_counts_for_who_answers() -> None:
    """There used to be a call that was hung up: "no G.711 audio", as the 200 had a tag and no description."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, body=SDP, tag="").replace(b";tag=\r\n", b"\r\n"), FIRST, 0.5)
    ours.receive(reply(invite, 200), FIRST, 1.0)
    assert [message.method for message, _ in sent(ours)] == ["ACK"]
    assert call.dialog is not None
    assert call.dialog.tag == "far"


def test_what_would_end_a_call_is_to_be_noted_again_after_each_message_of_it() -> None:
    """There used to be a BYE with the CSeq of a refresh that had been sent meanwhile; far ends refuse it (12.2.2)."""
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"))
    assert call.changed
    ours.poll(45.0)  # the end of the INVITE's transaction
    call.changed = False
    ours.poll(46.0)
    ((refresh, _),) = sent(ours)
    assert call.changed
    (ending,) = ours.endings(call)
    assert ending.request.cseq == (refresh.cseq[0] + 1, "BYE")


def test_a_late_refusal_of_a_server_whose_place_the_next_has_taken_changes_nothing() -> None:
    ours = agent(FIRST, SECOND)
    call, first = placed(ours)
    ours.poll(4.0)
    ours.receive(reply(first, 486), FIRST, 4.1)
    assert call.events == []


def test_a_call_ends_once() -> None:
    call, _ = answered(agent())
    call.on_gone()
    assert call.abandon("no ACK") == []
    assert [event.status for event in call.events if isinstance(event, Ended)] == [481]


def test_a_mistake_within_a_call_ends_it_and_nothing_of_it_is_kept() -> None:
    ours = agent()
    call, _ = placed(ours)
    ours.give_up(call, 1.0)
    assert (ours.calls, ours.idle, ours.deadline()) == ({}, True, float("inf"))
    assert [event.reason for event in call.events if isinstance(event, Ended)] == ["internal error"]


def test_a_call_that_was_hung_up_before_it_was_answered_is_hung_up_when_it_is() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.hang_up(call, 0.1)
    ours.receive(reply(invite, 200, body=SDP), FIRST, 0.2)
    assert [message.method for message, _ in sent(ours)] == ["ACK", "BYE"]
    assert [event.status for event in call.events if isinstance(event, Ended)] == [487]


def test_a_request_for_a_call_that_is_over_does_not_change_it() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    sent(ours)
    ours.receive(asked(call, "INVITE", 1, body=SDP), FIRST, 2.1)
    assert statuses(ours) == [481]


# --- where we are seen -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        (";received=198.51.100.7;rport=6123", "198.51.100.7:6123"),
        (";rport=6123;received=2001:db8::7", "[2001:db8::7]:6123"),
        (";received=198.51.100.7", ""),
        (";received=nonsense;rport=6123", ""),
        (";received=198.51.100.7;rport=", ""),
    ],
)
def test_a_response_tells_at_what_address_we_are_seen(more: str, seen: str) -> None:
    ours = agent()
    _, invite = placed(ours)
    response = parse(reply(invite, 180))
    via = response.all("via")[0].replace(";rport", "") + more
    ours.receive(with_headers(response, ("via", via)).encode(), FIRST, 0.1)
    assert ours.seen_at == seen


def test_timers_are_those_of_the_standard() -> None:
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4, timers.give_up, timers.linger) == (0.5, 4, 5, 32, 32)


# --- what a far end, or a stranger, may do ----------------------------------------------------------------------


@pytest.mark.parametrize("via", [",", " , ,", "<" * 60_000, '"' * 60_000])
def test_a_stranger_with_a_strange_via_is_not_heard(via: str) -> None:
    ours = agent()
    call, _ = answered(ours)
    stranger = (("via", via), ("from", "<sip:a@b>;tag=1"), ("to", "<sip:c@d>"), ("call-id", "x"), ("cseq", "1 OPTIONS"))
    ours.receive(Message(stranger, method="OPTIONS", uri="sip:gw@192.0.2.9").encode(), SECOND, 1.1)
    ours.receive(asked(call, "OPTIONS", 1), FIRST, 1.2)
    assert statuses(ours)[-1] == 200


def test_a_phone_of_a_fork_that_was_turned_down_cannot_end_or_move_the_call() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "BYE", 1, tag="other"), FIRST, 1.1)
    ours.receive(asked(call, "INVITE", 2, tag="other", body=SDP), FIRST, 1.2)
    assert statuses(ours) == [481, 486]
    assert [type(event) for event in call.events] == [Answered]


def test_a_far_end_that_moves_its_contact_gets_the_bye_there() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 1, ("contact", "<sip:far@192.0.2.77:5077>"), body=SDP), FIRST, 1.1)
    sent(ours)
    ours.hang_up(call, 2.0)
    assert [(m.method, m.uri, where) for m, where in sent(ours)] == [
        ("BYE", "sip:far@192.0.2.77:5077", ("192.0.2.77", 5077))
    ]


def test_a_request_that_comes_again_is_answered_again_and_done_once() -> None:
    ours = agent()
    call, _ = answered(ours)
    info = asked(call, "INFO", 1, body=b"Signal=1\r\n").replace(b"application/sdp", b"application/dtmf-relay")
    ours.receive(info, FIRST, 1.1)
    ours.receive(info, FIRST, 1.6)
    assert statuses(ours) == [200, 200]
    assert [type(event) for event in call.events] == [Answered, Keyed]


def test_a_request_that_is_out_of_order_is_refused() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 6, body=SDP), FIRST, 1.1)
    ours.receive(asked(call, "INVITE", 5, body=SDP), FIRST, 1.2)
    assert statuses(ours) == [200, 500]


def test_provisional_responses_of_several_phones_are_acknowledged_each_in_its_order() -> None:
    ours = agent()
    _, invite = placed(ours)
    acknowledged = []
    for tag, rseq in (("a", 9), ("b", 1), ("b", 3), ("b", 2), ("a", 9)):
        ours.receive(reply(invite, 183, ("require", "100rel"), ("rseq", str(rseq)), tag=tag), FIRST, 0.1)
        acknowledged += [m.get("rack").split()[0] for m, _ in sent(ours)]
    assert acknowledged == ["9", "1", "2"]


def test_a_bye_of_a_callee_that_only_rings_is_refused() -> None:
    """It may cancel its own answer by a refusal alone (15)."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.5)
    sent(ours)
    ours.receive(asked(call, "BYE", 1), FIRST, 0.6)
    assert statuses(ours) == [481]
    assert call.call_id in ours.calls
