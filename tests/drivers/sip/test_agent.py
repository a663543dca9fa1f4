"""The user agent without I/O: time and messages are arguments, what it sends is looked at."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sip.address import Address, Kind, Timers
from drivers.sip.agent import UserAgent
from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Answered, Ended, Keyed, Ringing
from drivers.sip.digest import Account
from drivers.sip.failover import Servers
from drivers.sip.message import Framer, Malformed, Message, parse
from drivers.sip.registration import Registration
from drivers.sip.requester import Identity
from drivers.sip.sdp import offer

FIRST, SECOND = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
SDP = offer("192.0.2.9", 40000, 1)


def agent(*servers: Address, kind: Kind = Kind.UDP) -> UserAgent:
    identity = Identity("sip:gw@trunk.example", "gw", "192.0.2.9:5060", kind, account=Account("gw", "secret"))
    return UserAgent(identity, Servers(list(servers or (FIRST,))))


def sent(from_agent: UserAgent) -> list[tuple[Message, Address]]:
    """What it has sent since the last look."""
    outbox, from_agent.outbox = from_agent.outbox, []
    return [(parse(data), address) for data, address in outbox]


def reply(request: Message, status: int, *headers: tuple[str, str], body: bytes = b"", tag: str = "far") -> bytes:
    kept = [(name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    to = request.get("to")
    to += "" if "tag=" in to else f";tag={tag}"
    fields = (*kept, ("to", to), ("contact", "<sip:far@192.0.2.1:5060>"), *headers)
    return Message(fields, body, status=status, reason="Whatever").encode()


def with_headers(message: Message, *headers: tuple[str, str]) -> Message:
    """The same with these headers in place of others of their names."""
    names = {name for name, _ in headers}
    return replace(message, headers=(*(kept for kept in message.headers if kept[0] not in names), *headers))


def placed(from_agent: UserAgent, now: float = 0.0) -> tuple[OutgoingCall, Message]:
    call = from_agent.call("sip:+44@trunk.example", SDP, now)
    ((invite, _),) = sent(from_agent)
    return call, invite


def answered(from_agent: UserAgent, *headers: tuple[str, str]) -> tuple[OutgoingCall, Message]:
    """A call that was answered at 1.0, and its ACK."""
    call, invite = placed(from_agent)
    from_agent.receive(reply(invite, 200, *headers, body=SDP), FIRST, 1.0)
    ((ack, _),) = sent(from_agent)
    return call, ack


# --- the calls of a lost user agent ------------------------------------------------------------------------


def taken_over(lost: UserAgent, call: OutgoingCall, now: float) -> UserAgent:
    """The user agent that comes after one that is lost."""
    after = agent()
    for ending in lost.endings(call):
        after.take_over(ending, now)
    return after


def test_an_answer_that_crosses_the_cancel_of_the_next_user_agent_gets_ack_and_bye() -> None:
    """There used to be no ACK: the far end repeated its 200 for 32 s, and the call stayed up there."""
    lost = agent()
    call, invite = placed(lost)
    lost.receive(reply(invite, 180), FIRST, 1.0)
    ours = taken_over(lost, call, 5.0)
    ((cancel, where),) = sent(ours)
    assert (cancel.method, cancel.branch, where) == ("CANCEL", invite.branch, FIRST)
    ours.receive(reply(cancel, 200), FIRST, 5.1)
    ours.receive(reply(invite, 200, body=SDP), FIRST, 5.1)
    ack, bye = (message for message, _ in sent(ours))
    assert (ack.method, ack.cseq[0], bye.method, bye.cseq[0]) == ("ACK", invite.cseq[0], "BYE", invite.cseq[0] + 1)
    assert bye.get("to").endswith("tag=far")
    ours.receive(reply(invite, 200, body=SDP), FIRST, 5.6)
    assert [message.method for message, _ in sent(ours)] == ["ACK"]
    ours.receive(reply(bye, 200), FIRST, 5.7)
    assert ours.idle
    ours.poll(60.0)
    assert not ours.calls


def test_a_refusal_that_answers_the_cancel_of_the_next_user_agent_gets_its_ack() -> None:
    lost = agent()
    call, invite = placed(lost)
    lost.receive(reply(invite, 100), FIRST, 1.0)
    ours = taken_over(lost, call, 5.0)
    sent(ours)
    ours.receive(reply(invite, 487), FIRST, 5.1)
    assert [(m.method, m.branch) for m, _ in sent(ours)] == [("ACK", invite.branch)]


def test_an_invite_of_a_lost_user_agent_is_cancelled_once_it_is_heard_and_never_sent_again() -> None:
    """There used to be nobody who cancelled an INVITE that had no response yet when its user agent was lost."""
    lost = agent(FIRST, SECOND)
    call, invite = placed(lost)
    ours = taken_over(lost, call, 1.0)
    for tenth in range(10, 60):
        ours.poll(tenth / 10)
    assert sent(ours) == []
    ours.receive(reply(invite, 180), FIRST, 6.0)
    assert [message.method for message, _ in sent(ours)] == ["CANCEL"]


def test_what_ends_the_call_of_a_lost_user_agent_is_sent_until_it_is_answered() -> None:
    """There used to be one BYE, and one lost datagram was enough for a call that stayed up."""
    lost = agent()
    call, _ = answered(lost)
    ours = taken_over(lost, call, 2.0)
    for tenth in range(20, 40):
        ours.poll(tenth / 10)
    byes = [message for message, _ in sent(ours)]
    assert [bye.method for bye in byes] == ["BYE"] * 3
    assert len({bye.branch for bye in byes}) == 1
    assert not ours.idle
    ours.receive(reply(byes[0], 407, ("proxy-authenticate", 'Digest realm="x", nonce="y"')), FIRST, 4.1)
    ((signed, _),) = sent(ours)
    assert (signed.method, "proxy-authorization" in dict(signed.headers)) == ("BYE", True)
    ours.receive(reply(signed, 200), FIRST, 4.2)
    assert ours.idle


# --- several servers ---------------------------------------------------------------------------------------


def test_an_invite_that_nobody_hears_goes_to_the_next_server() -> None:
    ours = agent(FIRST, SECOND)
    call, first = placed(ours)
    ours.poll(0.5)
    ours.poll(4.0)
    messages = sent(ours)
    assert [(m.method, where) for m, where in messages] == [("INVITE", FIRST), ("INVITE", SECOND)]
    second = messages[1][0]
    assert second.branch != first.branch
    assert second.cseq[0] == first.cseq[0] + 1
    ours.receive(reply(second, 200, body=SDP), SECOND, 4.1)
    assert [type(event) for event in call.events] == [Answered]


def test_the_next_call_begins_with_the_server_that_answers() -> None:
    ours = agent(FIRST, SECOND)
    placed(ours)
    ours.poll(4.0)
    sent(ours)
    ours.call("sip:+45@trunk.example", SDP, 5.0)
    ((_, where),) = sent(ours)
    assert where == SECOND


def test_a_server_that_answers_after_it_was_given_up_is_turned_down() -> None:
    ours = agent(FIRST, SECOND)
    call, first = placed(ours)
    ours.poll(4.0)
    second = sent(ours)[-1][0]
    ours.receive(reply(second, 180), SECOND, 4.1)
    ours.receive(reply(first, 180), FIRST, 4.2)
    assert [m.method for m, _ in sent(ours)] == ["CANCEL"]
    ours.receive(reply(first, 200, body=SDP, tag="late"), FIRST, 4.3)
    assert [(m.method, m.get("to").endswith("late")) for m, _ in sent(ours)] == [("ACK", True), ("BYE", True)]
    ours.receive(reply(second, 200, body=SDP), SECOND, 4.4)
    assert [type(event) for event in call.events] == [Ringing, Answered]


def test_a_server_that_cannot_serve_is_passed_over_and_the_last_ones_word_counts() -> None:
    ours = agent(FIRST, SECOND)
    call, first = placed(ours)
    ours.receive(reply(first, 503), FIRST, 0.1)
    messages = sent(ours)
    assert [(m.method, where) for m, where in messages] == [("ACK", FIRST), ("INVITE", SECOND)]
    ours.receive(reply(messages[1][0], 503), SECOND, 0.2)
    assert [event.status for event in call.events if isinstance(event, Ended)] == [503]


def test_a_server_that_was_heard_is_left_to_ring() -> None:
    ours = agent(FIRST, SECOND)
    _, first = placed(ours)
    ours.receive(reply(first, 100), FIRST, 0.1)
    ours.poll(4.0)
    assert sent(ours) == []


def test_a_call_that_no_server_hears_ends_once() -> None:
    ours = agent(FIRST, SECOND)
    call, _ = placed(ours)
    for tenth in range(1, 500):
        ours.poll(tenth / 10)
    assert [(event.status, event.reason) for event in call.events if isinstance(event, Ended)] == [(0, "no response")]


# --- connections -------------------------------------------------------------------------------------------


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
    ours = agent(kind=Kind.TCP)
    placed(ours)
    for second in range(1, 30):
        ours.poll(float(second))
    assert sent(ours) == []


def test_a_lost_connection_ends_what_waits_for_an_answer() -> None:
    ours = agent(kind=Kind.TLS)
    call, invite = placed(ours)
    assert invite.all("via")[0].startswith("SIP/2.0/TLS 192.0.2.9:5060;")
    assert invite.get("contact") == "<sip:gw@192.0.2.9:5060;transport=tls>"
    ours.on_lost(FIRST, "the far end closed the connection", 1.0)
    ended = call.events[-1]
    assert isinstance(ended, Ended)
    assert (ended.status, ended.reason) == (0, "the far end closed the connection")


def test_a_registration_over_a_lost_connection_is_made_again() -> None:
    ours = agent(kind=Kind.TCP)
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
    """There used to be a BYE with the number of a refresh that was sent since, which far ends refuse (12.2.2)."""
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
    """RFC 4028 10. There used to be a call that went on after an UPDATE without a response, and no BYE after any."""
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
    ours = agent(kind=Kind.TCP)
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


# --- a stream ----------------------------------------------------------------------------------------------


def messages() -> Iterator[bytes]:
    ours = agent()
    _, invite = placed(ours)
    yield invite.encode()
    yield reply(invite, 180)
    yield reply(invite, 200, body=SDP)


WHOLE = list(messages())


@given(st.integers(), st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
def test_a_stream_in_any_pieces_gives_its_messages(seed: int, between: bytes) -> None:
    stream, framer, found = between.join(WHOLE), Framer(), []
    rng = random.Random(seed)
    while stream:
        size = rng.randint(1, 700)
        framer.feed(stream[:size])
        stream = stream[size:]
        while data := framer.take():
            found.append(data)
    assert found == WHOLE


@given(st.binary(max_size=400))
def test_a_stream_of_anything_gives_messages_or_is_malformed(data: bytes) -> None:
    framer = Framer()
    framer.feed(data + b"\r\n\r\n")
    with suppress(Malformed):
        while framer.take():
            pass


@pytest.mark.parametrize(
    "header",
    ["Content-Length:\r\n 3", "Content-Length \r\n\t:\r\n  3", "l: 3 \r\n ", "l:3", "L\t:\t3\t", "Content-Length:\n 3"],
)
def test_a_length_on_a_folded_line_is_one(header: str) -> None:
    """RFC 3261 7.3.1. There used to be a connection closed, with all that waited on it."""
    whole = f"INFO sip:x SIP/2.0\r\nVia: x\r\n{header}\r\nTo: x\r\n\r\nabc".encode()
    framer = Framer()
    framer.feed(whole + whole)
    assert (framer.take(), framer.take(), framer.take()) == (whole, whole, b"")


@pytest.mark.parametrize("header", ["l: 3\r\n 4", "l: 3 4", "l: -3", "l:\r\n", "Not-l: 3"])
def test_what_is_no_length_is_malformed(header: str) -> None:
    framer = Framer()
    framer.feed(f"INFO sip:x SIP/2.0\r\n{header}\r\nTo: x\r\n\r\nabc".encode())
    with pytest.raises(Malformed):
        framer.take()


def test_a_stream_without_lengths_or_ends_is_malformed() -> None:
    for stream in (b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", b"x" * 70_000, b"l: 1000000000\r\n\r\n"):
        framer = Framer()
        framer.feed(stream)
        with pytest.raises(Malformed):
            framer.take()


@pytest.mark.parametrize("size", [65_536, 100_000, 1_000_000])
@pytest.mark.parametrize("piece", [1000, 65_535, 2_000_000])
def test_a_body_longer_than_a_datagram_does_not_end_the_stream(size: int, piece: int) -> None:
    """There used to be a bug: one INFO of 100 kB closed the connection to the trunk, with all that waited on it."""
    head = b"INFO sip:x SIP/2.0\r\nVia: x\r\nl: %d\r\n\r\n"
    stream = head % size + b"x" * size + head % 3 + b"end"
    framer, messages = Framer(), []
    for at in range(0, len(stream), piece):
        framer.feed(stream[at : at + piece])
        while message := framer.take():
            messages.append(message)
    assert messages == [head % size + b"x" * 65_535, head % 3 + b"end"]


def test_timers_are_those_of_the_standard() -> None:
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4, timers.give_up, timers.linger) == (0.5, 4, 5, 32, 32)


@pytest.mark.parametrize(
    ("routes", "uri", "sent_routes", "where"),
    [
        (["<sip:192.0.2.8;lr>", "<sip:192.0.2.7;lr>"], "sip:far@192.0.2.1:5060", ["7", "8"], "192.0.2.7"),
        (["<sip:192.0.2.7>"], "sip:192.0.2.7", ["1"], "192.0.2.7"),
        ([], "sip:far@192.0.2.1:5060", [], "192.0.2.1"),
        (["<t-Length: 221", "<sip:192.0.2.7;lr>"], "sip:far@192.0.2.1:5060", ["7"], "192.0.2.7"),  # fuzzing found it
    ],
    ids=["loose", "strict", "none", "broken"],
)
def test_what_follows_an_answer_goes_by_its_routes(
    routes: list[str], uri: str, sent_routes: list[str], where: str
) -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 200, *(("record-route", route) for route in routes), body=SDP), FIRST, 1.0)
    ours.hang_up(call, 2.0)
    for (message, address), method in zip(sent(ours), ("ACK", "BYE"), strict=True):
        assert (message.method, message.uri, message.get("to")[-8:]) == (method, uri, ";tag=far")
        assert [route.split("192.0.2.")[1][0] for route in message.all("route")] == sent_routes
        assert address == (where, 5060)


# --- a registrar that goes away ----------------------------------------------------------------------------


def registered_after(back_at: float, during: int | None, *headers: tuple[str, str]) -> float:
    """Seconds from a registrar's return to the next registration. during: its answer till then, or None: silence."""
    ours = agent()
    ours.registration = Registration(ours.identity, "sip:trunk.example")
    now = 0.0
    for _ in range(10_000):
        ours.poll(now)
        for message, _ in sent(ours):
            if now >= back_at:
                return now - back_at
            if during is not None:
                ours.receive(reply(message, during, *headers), FIRST, now)
        now = max(ours.deadline(), now)
    raise AssertionError("it gave up")


@pytest.mark.parametrize("back_at", [300.0, 311.3, 317.9, 326.6, 331.2, 339.5])
@pytest.mark.parametrize("during", [None, 503])
def test_a_registrar_that_was_away_for_five_minutes_has_us_back_within_10_s(back_at: float, during: int | None) -> None:
    assert registered_after(back_at, during) <= 10.0


def test_a_registrar_that_asks_for_patience_gets_a_minute_of_it_at_the_most() -> None:
    waits = [registered_after(300.0 + n, 503, ("retry-after", "3600")) for n in range(0, 60, 7)]
    assert 10.0 < max(waits) <= 60.0


# --- what a far end, or a stranger, may do ----------------------------------------------------------------------


def asked(
    call: OutgoingCall,
    method: str,
    cseq: int,
    *headers: tuple[str, str],
    body: bytes = b"",
    tag: str = "far",
    branch: str = "",
) -> bytes:
    """A request of the far end within the call."""
    kept = (
        ("via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch or cseq}"),
        ("from", f"<sip:far@trunk.example>;tag={tag}"),
        ("to", f"<sip:gw@trunk.example>;tag={call.tag}"),
        ("call-id", call.call_id),
        ("cseq", f"{cseq} {method}"),
        ("content-type", "application/sdp"),
    )
    return Message(headers + kept, body, method=method, uri="sip:gw@192.0.2.9").encode()


def statuses(ours: UserAgent) -> list[int]:
    return [message.status for message, _ in sent(ours)]


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


def test_a_registrar_that_cannot_serve_is_passed_over() -> None:
    ours = agent(FIRST, SECOND)
    ours.registration = Registration(ours.identity, "sip:trunk.example")
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    ours.receive(reply(register, 503), FIRST, 0.1)
    ours.poll(ours.deadline())
    assert [(m.method, where) for m, where in sent(ours)] == [("REGISTER", SECOND)]


def test_provisional_responses_of_several_phones_are_acknowledged_each_in_its_order() -> None:
    ours = agent()
    _, invite = placed(ours)
    acknowledged = []
    for tag, rseq in (("a", 9), ("b", 1), ("b", 3), ("b", 2), ("a", 9)):
        ours.receive(reply(invite, 183, ("require", "100rel"), ("rseq", str(rseq)), tag=tag), FIRST, 0.1)
        acknowledged += [m.get("rack").split()[0] for m, _ in sent(ours)]
    assert acknowledged == ["9", "1", "2"]


def test_a_session_timer_does_not_bring_back_a_call_that_was_hung_up() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.hang_up(call, 0.1)
    ours.receive(reply(invite, 422, ("min-se", "120")), FIRST, 0.2)
    assert [m.method for m, _ in sent(ours)] == ["ACK"]


def test_line_ends_before_a_message_do_not_hide_its_body() -> None:
    assert parse(b"\r\n\r\n" + reply(placed(agent())[1], 200, body=SDP)).body == SDP


def test_a_bye_of_a_callee_that_only_rings_is_refused() -> None:
    """It may cancel its own answer by a refusal alone (15)."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.5)
    sent(ours)
    ours.receive(asked(call, "BYE", 1), FIRST, 0.6)
    assert statuses(ours) == [481]
    assert call.call_id in ours.calls
