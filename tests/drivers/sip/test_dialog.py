"""Dialogs and server transactions of the agent without I/O: early answers, ways back, requests of far ends."""

import pytest

from drivers.sip.address import Address, Kind
from drivers.sip.agent import UserAgent
from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Answered, Ended, Moved, Ringing
from drivers.sip.message import Message, parameters, parse
from drivers.sip.registration import Registration
from drivers.sip.sdes import KEY_OCTETS, Suite
from drivers.sip.sdp import offer
from tests.drivers.sip.test_agent import (
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

ODD = ("192.0.2.1", 5099)  # a server at another port than 5060
RELIABLE = (("require", "100rel"), ("rseq", "1"))


def described(port: int, host: str = "192.0.2.50") -> bytes:
    return offer(host, port, 7)


def bare(request: Message, status: int, *headers: tuple[str, str], body: bytes = b"", tag: str = "far") -> bytes:
    """A response with these headers only, besides those that every one has."""
    kept = [(name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    to = ("to", f"{request.get('to')};tag={tag}")
    return Message((*kept, to, *headers), body, status=status, reason="Whatever").encode()


def ports(call: OutgoingCall) -> list[int]:
    """Where audio goes, in order."""
    return [event.audio.port for event in call.events if isinstance(event, Answered | Moved)]


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
    """There used to be a bug: the PIN went to the port of before, as the 200 named that once more."""
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, *RELIABLE, body=described(4000)), FIRST, 0.5)
    ours.receive(asked(call, "UPDATE", 1, body=described(4444)), FIRST, 0.6)
    ours.receive(reply(invite, 200, body=described(4000)), FIRST, 1.0)
    assert ports(call) == [4444]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_answer_that_comes_again_late_does_not_undo_what_was_agreed_since(method: str) -> None:
    """There used to be a bug: a 200 that was sent again moved the audio back, and the way of a BYE."""
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


# --- where requests go (12.2.1.1) --------------------------------------------------------------------------

NO_CONTACT: dict[str, tuple[tuple[str, str], ...]] = {
    "none": (),
    "*": (("contact", "*"),),
    "tel:": (("contact", "<tel:+44>"),),
    "not a URI": (("contact", "<sip:[::1%x]>"),),
    "a name": (("contact", "<sip:far@pbx.example>"),),
    "of the other IP": (("contact", "<sip:far@[2001:db8::1]>"),),
}


def placed_at_an_address(ours: UserAgent) -> tuple[OutgoingCall, Message]:
    """A call as of a driver whose server is given as address:port."""
    call = ours.call("sip:+44@192.0.2.1", SDP, 0.0)
    ((invite, _),) = sent(ours)
    return call, invite


@pytest.mark.parametrize("contact", NO_CONTACT)
@pytest.mark.parametrize("kind", [Kind.UDP, Kind.TLS])
def test_without_a_usable_contact_what_follows_goes_where_the_invite_went(contact: str, kind: Kind) -> None:
    """There used to be a bug: it went to :5060, and the call never ended on the far side."""
    ours = agent(ODD, kind=kind)
    call, invite = placed_at_an_address(ours)
    ours.receive(bare(invite, 183, *NO_CONTACT[contact], *RELIABLE, body=SDP), ODD, 0.5)
    ours.receive(bare(invite, 200, *NO_CONTACT[contact], body=SDP), ODD, 1.0)
    ours.hang_up(call, 2.0)
    assert [(message.method, where) for message, where in sent(ours)] == [("PRACK", ODD), ("ACK", ODD), ("BYE", ODD)]


ELSEWHERE = ("192.0.2.3", 5999)
TO_ELSEWHERE = ("contact", "<sip:far@192.0.2.3:5999>")


def destinations(ours: UserAgent) -> list[tuple[str, Address]]:
    return [(message.method, address) for message, address in sent(ours)]


@pytest.mark.parametrize("kind", [Kind.TCP, Kind.TLS])
def test_what_cannot_be_connected_to_is_reached_where_the_invite_went(kind: Kind) -> None:
    """There used to be a bug: a Contact that takes UDP only got no ACK and no BYE, so the callee's call never ended."""
    ours = agent(kind=kind)
    call, invite = placed(ours)
    answer = bare(invite, 200, TO_ELSEWHERE, body=SDP)
    ours.receive(answer, FIRST, 1.0)
    assert destinations(ours) == [("ACK", ELSEWHERE)]
    ours.on_lost(ELSEWHERE, "Connection refused", 1.1, stood=False)
    ours.receive(answer, FIRST, 1.5)
    assert destinations(ours) == [("ACK", FIRST)]
    ours.hang_up(call, 2.0)
    assert destinations(ours) == [("BYE", FIRST)]


@pytest.mark.parametrize("method", ["BYE", "PRACK"])
def test_a_request_that_could_not_be_connected_goes_where_the_invite_went(method: str) -> None:
    ours = agent(kind=Kind.TCP)
    call, invite = placed(ours)
    if method == "PRACK":
        ours.receive(bare(invite, 183, TO_ELSEWHERE, *RELIABLE), FIRST, 0.5)
    else:
        ours.receive(bare(invite, 200, TO_ELSEWHERE, body=SDP), FIRST, 0.5)
        ours.hang_up(call, 0.6)
    assert destinations(ours)[-1] == (method, ELSEWHERE)
    ours.on_lost(ELSEWHERE, "Connection refused", 0.7, stood=False)
    assert destinations(ours) == [(method, FIRST)]
    ours.on_lost(FIRST, "Connection refused", 0.8, stood=False)
    assert (method, FIRST) not in destinations(ours)


def test_a_call_whose_connection_is_lost_while_it_rings_is_cancelled_over_the_next() -> None:
    """There used to be phones that rang on, beside those of the next try, and calls that were answered by nobody."""
    ours = agent(kind=Kind.TLS)
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.5)
    ours.on_lost(FIRST, "gone", 1.0)
    assert [type(event) for event in call.events] == [Ringing, Ended]
    assert destinations(ours) == [("CANCEL", FIRST)]
    ours.on_lost(FIRST, "the connection failed a moment ago", 1.0, stood=False)
    ours.poll(1.4)
    assert destinations(ours) == []
    ours.poll(1.5)
    assert destinations(ours) == [("CANCEL", FIRST)]
    ours.receive(reply(invite, 200, body=SDP), FIRST, 2.0)
    assert [method for method, _ in destinations(ours)] == ["ACK", "BYE"]


def test_a_server_that_was_given_up_and_is_lost_does_not_end_the_call_by_the_next() -> None:
    ours = agent(FIRST, SECOND, kind=Kind.TCP)
    call, invite = placed(ours)
    ours.poll(4.0)
    ((second, _),) = sent(ours)
    ours.receive(reply(invite, 180), FIRST, 4.5)
    ours.on_lost(FIRST, "gone", 5.0)
    ours.receive(reply(second, 200, body=SDP), SECOND, 6.0)
    assert [type(event) for event in call.events] == [Answered]


def test_a_bye_whose_connection_is_lost_goes_out_over_the_next_until_its_time_is_over() -> None:
    """There used to be calls that never ended for the callee, as the connection was lost just before."""
    ours = agent(kind=Kind.TCP)
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    times, now = [], 2.0
    while now < 60:
        if sent(ours):
            times.append(now)
            ours.on_lost(FIRST, "refused", now, stood=False)
        now += 0.5
        ours.poll(now)
    assert times == [2.0, 2.5, 3.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5, 33.5]
    assert ours.deadline() == float("inf")


def test_a_connection_that_stood_is_made_again() -> None:
    ours = agent(kind=Kind.TCP)
    call, invite = placed(ours)
    ours.receive(bare(invite, 200, TO_ELSEWHERE, body=SDP), FIRST, 1.0)
    ours.on_lost(ELSEWHERE, "the far end closed the connection", 1.1)
    sent(ours)
    ours.hang_up(call, 2.0)
    assert destinations(ours) == [("BYE", ELSEWHERE)]


def test_a_second_phone_without_a_contact_is_hung_up_where_the_invite_went() -> None:
    ours = agent(ODD)
    _, invite = placed_at_an_address(ours)
    ours.receive(bare(invite, 200, body=SDP), ODD, 1.0)
    ours.receive(bare(invite, 200, body=SDP, tag="other"), ODD, 1.1)
    assert [(message.method, where) for message, where in sent(ours)] == [("ACK", ODD), ("ACK", ODD), ("BYE", ODD)]


def test_a_call_by_the_second_server_ends_there() -> None:
    ours = agent(FIRST, ODD)
    call, _ = placed(ours)
    ours.poll(4.0)
    invite = sent(ours)[-1][0]
    ours.receive(bare(invite, 200, body=SDP), ODD, 4.1)
    ours.servers.found([SECOND])  # the names were looked up anew
    ours.hang_up(call, 5.0)
    assert {where for _, where in sent(ours)} == {ODD}


def test_a_contact_of_the_early_dialog_is_kept_where_the_answer_has_none() -> None:
    ours = agent(ODD)
    call, invite = placed(ours)
    ours.receive(bare(invite, 183, ("contact", "<sip:far@192.0.2.77:5077>"), body=SDP), ODD, 0.5)
    ours.receive(bare(invite, 200), ODD, 1.0)
    ours.hang_up(call, 2.0)
    assert {where for _, where in sent(ours)} == {("192.0.2.77", 5077)}


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
    assert [each.theirs.key[:1] for each in audio if each.theirs is not None] == [b"\x00", b"\x04"]


# --- what is refused (8.2) ---------------------------------------------------------------------------------


def stranger(method: str, *headers: tuple[str, str], uri: str = "sip:gw@192.0.2.9", via: str = "") -> bytes:
    kept = (
        ("via", via or "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs"),
        ("from", "<sip:a@b>;tag=1"),
        ("to", "<sip:c@d>"),
        ("call-id", "x"),
        ("cseq", f"1 {method}"),
    )
    return Message((*kept, *headers), method=method, uri=uri).encode()


def told(ours: UserAgent, data: bytes, source: Address = FIRST) -> Message:
    ours.receive(data, source, 2.0)
    ((response, _),) = sent(ours)
    return response


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "BYE", "INFO"])
def test_a_request_that_requires_what_we_cannot_do_is_refused(method: str, inside: bool) -> None:
    ours = agent()
    call, _ = answered(ours)
    required = ("require", "nothingSupportsThis, timer, preconditions")
    data = asked(call, method, 1, required) if inside else stranger(method, required)
    response = told(ours, data)
    assert (response.status, response.get("unsupported")) == (420, "nothingSupportsThis, preconditions")
    assert [type(event) for event in call.events] == [Answered]


def test_what_we_can_do_may_be_required_and_a_cancel_may_require_anything() -> None:
    ours = agent()
    call, _ = answered(ours)
    assert told(ours, asked(call, "UPDATE", 1, ("require", "timer, 100rel"))).status == 200
    assert told(ours, stranger("OPTIONS", ("require", "TIMER"))).status == 200
    assert told(ours, asked(call, "CANCEL", 1, ("require", "x"))).status == 481


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("method", ["NEWMETHOD", "PUBLISH", "X-1.%*_+`'~"])
def test_an_unknown_method_is_not_implemented(method: str, inside: bool) -> None:
    ours = agent()
    call, _ = answered(ours)
    response = told(ours, asked(call, method, 1) if inside else stranger(method))
    assert response.status == 501
    assert {"INVITE", "BYE", "CANCEL"} < set(response.all("allow"))


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("content-type", "application/isup"),), 415),
        ((("content-type", "text/plain"), ("content-disposition", "session;handling=required")), 415),
        ((("content-type", "application/sdp"), ("content-encoding", "gzip")), 415),
        ((("content-type", "multipart/mixed;boundary=b"),), 415),
        ((("content-type", "application/x-private"), ("content-disposition", "signal; handling = Optional")), 200),
        ((("content-type", "Application/SDP; charset=utf-8"),), 200),
        ((("content-type", "application/sdp"), ("content-encoding", "Identity")), 200),
    ],
)
def test_an_offer_that_is_no_description_is_refused(
    method: str, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    ours = agent()
    call, _ = answered(ours)
    request = with_headers(parse(asked(call, method, 1, body=described(4444))), *headers)
    response = told(ours, request.encode())
    assert response.status == status
    if status == 415:
        assert response.get("accept") + response.get("accept-encoding") in ("application/sdp", "identity")
        assert ports(call) == [40000]


def test_an_offer_among_other_parts_is_read() -> None:
    ours = agent()
    call, _ = answered(ours)
    isup, sdp = (b"--b\r\nContent-Type: application/%s\r\n\r\n" % kind for kind in (b"isup", b"sdp"))
    body = isup + b"c=IN IP4 10.0.0.1\r\n" + sdp + described(4444) + b"\r\n--b--\r\n"
    request = with_headers(parse(asked(call, "INVITE", 1, body=body)), ("content-type", 'multipart/mixed;boundary="b"'))
    assert told(ours, request.encode()).status == 200
    assert ports(call) == [40000, 4444]


@pytest.mark.parametrize("method", ["INFO", "UPDATE", "PRACK", "NOTIFY", "BYE", "CANCEL"])
def test_a_request_of_no_call_is_told_so(method: str) -> None:
    assert told(agent(), stranger(method)).status == 481


@pytest.mark.parametrize(
    ("to", "more"),
    [
        ("<sip:c@d>", ";tag=pinwheel"),
        ('"tag=1" <sip:c@d>', ";tag=pinwheel"),
        ("<sip:c@d;tag=1>;x=y", ";tag=pinwheel"),
        ("<sip:c@d>;tag=1", ""),
        ("<sip:c@d>;Tag=1", ""),
        ("<sip:c@d> ; tag = 1", ""),
    ],
)
def test_a_response_has_one_tag_of_ours(to: str, more: str) -> None:
    """There used to be two where the far end wrote "Tag", and none where "tag=" stood in a name (8.2.6.2)."""
    request = with_headers(parse(stranger("OPTIONS")), ("to", to))
    assert told(agent(), request.encode()).get("to") == to + more


def test_options_say_what_we_can_do() -> None:
    response = told(agent(), stranger("OPTIONS"))
    assert {"INVITE", "UPDATE", "CANCEL"} < set(response.all("allow"))
    assert (response.all("supported"), response.get("accept")) == (["timer", "100rel"], "application/sdp")


# --- the way back (18.2.2, RFC 3581) -----------------------------------------------------------------------

NAT = ("198.51.100.7", 31000)


@pytest.mark.parametrize(
    ("via", "stamp", "where"),
    [
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport", ("198.51.100.7", "31000"), NAT),
        ("SIP/2.0/UDP 10.0.0.1:5070;RPORT;branch=z9hG4bK1", ("198.51.100.7", "31000"), NAT),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5070)),
        ("SIP/2.0/UDP pbx.example;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5060)),
        ("SIP/2.0/UDP 10.0.0.1;rport=9;received=10.9.9.9;branch=z9hG4bK1", ("198.51.100.7", "31000"), NAT),
        ("SIP/2.0/UDP 10.0.0.1;received=10.9.9.9;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5060)),
        ("SIP/2.0/UDP 10.0.0.1:5070;maddr=203.0.113.9;branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5070)),
        ("SIP / 2.0 / UDP 10.0.0.1 : 5070 ; branch=z9hG4bK1", ("198.51.100.7", None), ("198.51.100.7", 5070)),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_response_goes_where_the_via_asks_for_it(
    via: str, stamp: tuple[str, str | None], where: Address, inside: bool
) -> None:
    """There used to be a bug: rport was not filled in, and a sent-by port was not looked at."""
    ours = agent()
    call, _ = answered(ours)
    within = with_headers(parse(asked(call, "OPTIONS", 1)), ("via", via)).encode()
    data = within if inside else stranger("OPTIONS", via=via)
    for _ in range(2):
        ours.receive(data, NAT, 2.0)
        ((response, destination),) = sent(ours)
        found = parameters(response.all("via")[0])
        assert (found.get("received"), found.get("rport")) == stamp
        assert found["branch"] == "z9hG4bK1"
        assert destination == where


def test_over_a_connection_a_response_goes_back_by_it() -> None:
    ours = agent(kind=Kind.TCP)
    ours.receive(stranger("OPTIONS", via="SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bK1"), NAT, 2.0)
    assert [where for _, where in sent(ours)] == [NAT]


# --- session timers of the far end (RFC 4028 9, table 2) ---------------------------------------------------


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
    """There used to be a bug: it was always said to be the far end, whatever it asked for."""
    ours = agent()
    call, _ = answered(ours, ("session-expires", "200;refresher=uac"), ("allow", "UPDATE"))
    headers = [("session-expires", asks)] if asks else []
    response = told(ours, asked(call, method, 1, *headers, ("supported", supported), body=SDP))
    assert (response.get("session-expires"), response.get("require")) == told_
    ours.receive(asked(call, "ACK", 1, branch="ack"), FIRST, 2.1)
    ours.poll(101.1)  # half of what was agreed before
    before = [message for message, _ in sent(ours) if message.method == "UPDATE"]
    ours.poll(152.0)
    after = [message.get("session-expires") for message, _ in sent(ours) if message.method == "UPDATE"]
    assert bool(before) is (ours_to_keep is None)
    assert (after[:1] == ["300;refresher=uac"]) is (ours_to_keep is True)


# --- what a mutation would not have shown ------------------------------------------------------------------


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
    """There used to be a bug: an unregister and OPTIONS were not, and each kind of request had its own rules."""
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


def test_a_lost_connection_lets_the_call_go_to_the_next_server() -> None:
    ours = agent(FIRST, SECOND, kind=Kind.TCP)
    call, _ = placed(ours)
    ours.on_lost(FIRST, "refused", 0.1)
    assert [(message.method, where) for message, where in sent(ours)] == [("INVITE", SECOND)]
    ours.on_lost(SECOND, "refused", 0.2)
    assert [event.reason for event in call.events if isinstance(event, Ended)] == ["refused"]


def test_a_call_that_is_to_end_or_was_heard_does_not_go_to_the_next_server() -> None:
    ours = agent(FIRST, SECOND)
    call, _ = placed(ours)
    ours.hang_up(call, 0.1)
    ours.poll(4.0)
    assert {where for _, where in sent(ours)} == {FIRST}


def test_an_ending_that_is_only_prepared_is_not_counted() -> None:
    ours = agent()
    call, ack = answered(ours)
    for _ in range(3):
        (ending,) = ours.endings(call)
    ending.requests.unreachable.add(FIRST)
    assert not call.requests.unreachable
    ours.hang_up(call, 2.0)
    ((bye, there),) = sent(ours)
    assert (ending.request.cseq, ending.destination) == (bye.cseq, there)
    assert bye.cseq[0] == ack.cseq[0] + 1


def test_a_call_that_is_given_up_does_not_ring_afterwards() -> None:
    """There used to be a bug: a 180 after our time was up made a call "no answer" that nobody had ever heard of."""
    ours = agent()
    call, invite = placed(ours)
    ours.hang_up(call, 1.0)
    ours.receive(reply(invite, 180), FIRST, 1.1)
    assert call.events == []
    assert [message.method for message, _ in sent(ours)] == ["CANCEL"]


def test_a_probe_that_nobody_answers_goes_to_the_next_server_the_next_time() -> None:
    ours = agent(FIRST, SECOND)
    ours.probe(0.0)
    assert ours.probing
    for second in range(1, 33):
        ours.poll(float(second))
    assert (ours.answers, ours.probing, ours.servers.first) == (False, False, SECOND)
    sent(ours)
    ours.probe(33.0)
    ((probe, where),) = sent(ours)
    assert where == SECOND
    ours.receive(reply(probe, 404), SECOND, 33.1)
    assert ours.answers


def test_a_registrar_that_nobody_hears_is_asked_at_the_next_server() -> None:
    ours = agent(FIRST, SECOND)
    ours.registration = Registration(ours.identity, "sip:trunk.example")
    for second in range(40):
        ours.poll(float(second))
    assert sent(ours)[-1][1] == SECOND


def test_a_call_under_way_is_not_moved_when_its_reinvite_is_not_answered() -> None:
    ours = agent(FIRST, SECOND)
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"))
    for second in range(45, 90):
        ours.poll(float(second))
    messages = sent(ours)
    assert {(message.method, where) for message, where in messages} == {("INVITE", FIRST), ("BYE", FIRST)}
    assert [event.status for event in call.events if isinstance(event, Ended)] == [408]


def test_an_ended_call_is_refreshed_no_more() -> None:
    ours = agent()
    call, _ = answered(ours, ("session-expires", "90;refresher=uac"), ("allow", "UPDATE"))
    ours.receive(asked(call, "BYE", 1), FIRST, 40.0)
    assert statuses(ours) == [200]
    ours.poll(46.1)
    assert sent(ours) == []
