"""Dialogs and server transactions of the agent without I/O: early answers, and requests of far ends."""

import pytest

from drivers.sip.call_events import Answered, Ended, Moved
from drivers.sip.message import parse
from drivers.sip.sdes import KEY_OCTETS, Suite
from drivers.sip.sdp import offer
from tests.drivers.sip.agents import (
    FIRST,
    RELIABLE,
    SDP,
    SECOND,
    agent,
    answered,
    asked,
    described,
    placed,
    ports,
    reply,
    sent,
    statuses,
    with_headers,
)

# --- the answer to our offer (13.2.1) ----------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), RELIABLE], ids=["unreliable", "100rel"])
def test_a_description_before_an_answer_without_one_is_the_answer(more: tuple[tuple[str, str], ...]) -> None:
    """There used to be a bug: only an acknowledged one counted; the call was hung up with "no G.711 audio"."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, *more, body=described(4000)), FIRST, 0.5)
    ours.receive(reply(invite, 200), FIRST, 1.0)
    assert ports(call) == [4000]
    assert "BYE" not in [message.method for message, _ in sent(ours)]


def test_the_first_description_of_a_phone_counts_and_that_of_another_phone_does_not() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, body=described(6000), tag="other"), FIRST, 0.5)
    ours.receive(reply(invite, 183, body=described(4000)), FIRST, 0.6)
    ours.receive(reply(invite, 183, body=described(5000)), FIRST, 0.7)
    ours.receive(reply(invite, 200), FIRST, 1.0)
    assert ports(call) == [4000]


def test_a_description_in_the_answer_itself_is_what_holds() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, body=described(4000)), FIRST, 0.5)
    ours.receive(reply(invite, 200, body=described(4002)), FIRST, 1.0)
    assert ports(call) == [4002]


def test_a_phone_without_any_description_is_hung_up() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, body=b"no description"), FIRST, 0.5)
    ours.receive(reply(invite, 183, body=described(4000), tag="other"), FIRST, 0.6)
    ours.receive(reply(invite, 200), FIRST, 1.0)
    assert [message.method for message, _ in sent(ours)] == ["ACK", "BYE"]
    assert [event.status for event in call.events if isinstance(event, Ended)] == [488]


def test_phones_without_end_cost_a_bounded_number_of_dialogs() -> None:
    ours = agent()
    call, invite = placed(ours)
    for number in range(100):
        ours.receive(reply(invite, 183, tag=f"phone {number}"), FIRST, 0.5)
    assert sum(call.fork.get(f"phone {number}") is not None for number in range(100)) == 32
    ours.receive(reply(invite, 200, body=SDP, tag="phone 99"), FIRST, 1.0)
    assert [type(event) for event in call.events][-1] is Answered


# --- UPDATE before the answer (RFC 3311) -------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), RELIABLE], ids=["unreliable", "100rel"])
def test_an_update_before_the_answer_is_not_forgotten(more: tuple[tuple[str, str], ...]) -> None:
    """There used to be a bug: it was answered 200, and a later 200 without SDP brought the old port back."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, *more, body=described(4000)), FIRST, 0.5)
    sent(ours)
    ours.receive(asked(call, "UPDATE", 1, body=described(4444)), FIRST, 0.6)
    assert statuses(ours) == [200]
    ours.receive(reply(invite, 200), FIRST, 1.0)
    assert ports(call) == [4444]


def test_an_answer_that_repeats_the_first_description_does_not_undo_an_update() -> None:
    """There used to be a bug: the PIN went to the old port, since the 200 named it once more."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, *RELIABLE, body=described(4000)), FIRST, 0.5)
    ours.receive(asked(call, "UPDATE", 1, body=described(4444)), FIRST, 0.6)
    ours.receive(reply(invite, 200, body=described(4000)), FIRST, 1.0)
    assert ports(call) == [4444]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_answer_that_comes_again_late_does_not_undo_what_was_agreed_since(method: str) -> None:
    """There used to be a bug: a 200 that was sent again moved the audio back, and a BYE went to the old address."""
    ours = agent()
    call, invite = placed(ours)
    answer = reply(invite, 200, body=described(4000))
    ours.receive(answer, FIRST, 1.0)
    moved = ("contact", "<sip:far@192.0.2.77:5070>")
    ours.receive(asked(call, method, 1, moved, body=described(4444)), FIRST, 1.2)
    sent(ours)
    ours.receive(answer, FIRST, 1.5)
    assert [message.method for message, _ in sent(ours)] == ["ACK"]
    ours.hang_up(call, 2.0)
    assert [address for _, address in sent(ours)] == [("192.0.2.77", 5070)]
    assert ports(call) == [4000, 4444]


def test_an_update_of_one_phone_does_not_move_the_audio_of_another() -> None:
    ours = agent()
    call, invite = placed(ours)
    for tag, port in (("far", 4000), ("other", 5000)):
        ours.receive(reply(invite, 183, body=described(port), tag=tag), FIRST, 0.5)
    ours.receive(asked(call, "UPDATE", 1, body=described(5555), tag="other"), FIRST, 0.6)
    assert statuses(ours) == [200]
    ours.receive(reply(invite, 200), FIRST, 1.0)
    assert ports(call) == [4000]


@pytest.mark.parametrize(("method", "tag", "status"), [("UPDATE", "far", 491), ("INVITE", "far", 491)])
def test_an_offer_before_ours_is_answered_has_to_wait(method: str, tag: str, status: int) -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.5)
    ours.receive(asked(call, method, 1, body=described(4444), tag=tag), FIRST, 0.6)
    assert statuses(ours) == [status]


# --- requests that come again (17.2) -----------------------------------------------------------------------


def test_a_reinvite_that_comes_again_after_another_request_gets_its_200_again() -> None:
    """There used to be a bug: it got 500, as only the last request was remembered (17.2.2)."""
    ours = agent()
    call, _ = answered(ours)
    invite = asked(call, "INVITE", 1, body=described(4444))
    ours.receive(invite, FIRST, 1.1)
    ((first, _),) = sent(ours)
    ours.receive(asked(call, "INFO", 2), FIRST, 1.2)
    sent(ours)
    ours.receive(invite, FIRST, 1.6)
    ((again, _),) = sent(ours)
    assert again == first
    assert first.status == 200
    assert ports(call) == [40000, 4444]


def test_a_200_to_a_reinvite_is_repeated_until_its_ack() -> None:
    """There used to be a bug: it was sent once (13.3.1.4)."""
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 1, body=SDP), FIRST, 10.0)
    moments, now = [], 10.0
    while now < 16.0:
        moments += [now] * len(sent(ours))
        now = ours.deadline()
        ours.poll(now)
    assert moments[:4] == [10.0, 10.5, 11.5, 13.5]
    ours.receive(asked(call, "ACK", 1, branch="ack"), FIRST, 16.0)
    sent(ours)
    ours.poll(50.0)
    assert sent(ours) == []
    assert Ended not in [type(event) for event in call.events]


def test_a_call_whose_far_end_acknowledges_no_reinvite_is_hung_up() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 1, body=SDP), FIRST, 10.0)
    for tenth in range(100, 425):
        ours.poll(tenth / 10)
    assert [m.method for m, _ in sent(ours) if m.method] == ["BYE"]
    assert [event.reason for event in call.events if isinstance(event, Ended)] == ["no ACK"]


def test_a_cancel_of_a_reinvite_that_was_answered_changes_nothing() -> None:
    """There used to be a bug: it got 501 (9.2)."""
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 1, body=described(4444)), FIRST, 1.1)
    cancel = parse(asked(call, "CANCEL", 1)).encode()
    ours.receive(cancel, FIRST, 1.2)
    ours.receive(cancel, FIRST, 1.3)
    ours.receive(asked(call, "CANCEL", 1, branch="other"), FIRST, 1.4)
    assert statuses(ours) == [200, 200, 200, 481]
    assert [type(event) for event in call.events] == [Answered, Moved]


@pytest.mark.parametrize(
    ("to_tag", "from_tag", "call_id"), [("wrong", "far", ""), ("", "far", ""), (None, "wrong", ""), (None, "far", "x")]
)
def test_requests_with_a_wrong_tag_or_call_id_change_nothing(to_tag: str | None, from_tag: str, call_id: str) -> None:
    ours = agent()
    call, _ = answered(ours)
    for number, method in enumerate(("BYE", "INVITE", "UPDATE", "INFO", "ACK", "CANCEL"), 1):
        request = parse(asked(call, method, number, body=described(4444), tag=from_tag))
        changed = [("call-id", call_id)] if call_id else []
        changed += [("to", f"<sip:gw@trunk.example>;tag={to_tag}")] if to_tag is not None else []
        ours.receive(with_headers(request, *changed).encode(), FIRST, 1.1)
    assert statuses(ours) == [481, 486, 481, 481, 481]
    assert [type(event) for event in call.events] == [Answered]


@pytest.mark.parametrize("late", [("ACK", 7, "far"), ("ACK", 1, "other"), ("ACK", 1, "far")])
def test_an_ack_counts_once_and_only_for_its_invite(late: tuple[str, int, str]) -> None:
    """A stray ACK with a description used to move the audio."""
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 1), FIRST, 1.1)  # without an offer: the answer is in the ACK
    ours.receive(asked(call, "ACK", 1, body=described(4444), branch="ack"), FIRST, 1.2)
    assert ports(call) == [40000, 4444]
    method, number, tag = late
    ours.receive(asked(call, method, number, body=described(5555), tag=tag, branch="late"), FIRST, 1.3)
    assert ports(call) == [40000, 4444]


def test_an_ack_to_a_reinvite_with_an_offer_moves_nothing() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 1, body=described(4444)), FIRST, 1.1)
    ours.receive(asked(call, "ACK", 1, body=described(5555), branch="ack"), FIRST, 1.2)
    assert ports(call) == [40000, 4444]


def test_a_reinvite_may_bring_new_keys() -> None:
    line = "a=crypto:1 {suite} inline:{key}\r\n"
    suite = next(iter(Suite))
    ours = agent()
    mine = offer("192.0.2.9", 40000, 1).replace(b"RTP/AVP", b"RTP/SAVP")
    keys = [("A" * 40), ("B" * 40)]
    assert KEY_OCTETS == 30  # 40 characters of base64
    call = ours.call("sip:+44@trunk.example", mine + line.format(suite=suite, key=keys[0]).encode(), 0.0)
    ((invite, _),) = sent(ours)
    theirs = [
        described(4000).replace(b"RTP/AVP", b"RTP/SAVP") + line.format(suite=suite, key=key).encode() for key in keys
    ]
    ours.receive(reply(invite, 200, body=theirs[0]), FIRST, 1.0)
    ours.receive(asked(call, "INVITE", 1, body=theirs[1]), FIRST, 1.1)
    audio = [event.audio for event in call.events if isinstance(event, Answered | Moved)]
    assert [each.srtp.theirs.key[:1] for each in audio if each.srtp is not None] == [b"\x00", b"\x04"]


# --- how a call ends ---------------------------------------------------------------------------------------


def test_a_cancelled_invite_that_nobody_ends_is_forgotten() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.1)
    ours.hang_up(call, 1.0)
    ours.poll(32.9)
    assert Ended not in [type(event) for event in call.events]
    ours.poll(33.0)
    assert [event.by_us for event in call.events if isinstance(event, Ended)] == [True]
    for second in range(34, 140):
        ours.poll(float(second))
    assert (ours.calls, ours.idle, ours.deadline()) == ({}, True, float("inf"))


def test_a_call_that_is_given_up_does_not_ring_afterwards() -> None:
    """There used to be a bug: a 180 that came after our CANCEL turned "unreachable" into "no answer"."""
    ours = agent()
    call, invite = placed(ours)
    ours.hang_up(call, 1.0)
    ours.receive(reply(invite, 180), FIRST, 1.1)
    assert call.events == []
    assert [message.method for message, _ in sent(ours)] == ["CANCEL"]


def test_a_call_under_way_is_not_moved_when_its_reinvite_is_not_answered() -> None:
    ours = agent(FIRST, SECOND)
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"))
    for second in range(45, 90):
        ours.poll(float(second))
    messages = sent(ours)
    assert {(message.method, where) for message, where in messages} == {("INVITE", FIRST), ("BYE", FIRST)}
    assert [event.status for event in call.events if isinstance(event, Ended)] == [408]
