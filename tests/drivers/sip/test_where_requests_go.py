"""Where the requests of a dialog go (RFC 3261 12.2.1.1), also over connections that are lost."""

import pytest

from drivers.sip.address import Address, TransportKind
from drivers.sip.agent import UserAgent
from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Answered, Ended, Ringing
from drivers.sip.message import Message
from tests.drivers.sip.agents import (
    FIRST,
    RELIABLE,
    SDP,
    SECOND,
    agent,
    answered,
    bare,
    placed,
    reply,
    sent,
)

ODD = ("192.0.2.1", 5099)  # a server at another port than 5060
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
@pytest.mark.parametrize("kind", [TransportKind.UDP, TransportKind.TLS])
def test_without_a_usable_contact_what_follows_goes_where_the_invite_went(contact: str, kind: TransportKind) -> None:
    """There used to be a bug: the BYE went to port 5060, and the call never ended at the far end."""
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


@pytest.mark.parametrize("kind", [TransportKind.TCP, TransportKind.TLS])
def test_what_cannot_be_connected_to_is_reached_where_the_invite_went(kind: TransportKind) -> None:
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
    ours = agent(kind=TransportKind.TCP)
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
    """Phones used to ring on beside those of the next try, and calls were answered that nobody spoke in."""
    ours = agent(kind=TransportKind.TLS)
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
    ours = agent(FIRST, SECOND, kind=TransportKind.TCP)
    call, invite = placed(ours)
    ours.poll(4.0)
    ((second, _),) = sent(ours)
    ours.receive(reply(invite, 180), FIRST, 4.5)
    ours.on_lost(FIRST, "gone", 5.0)
    ours.receive(reply(second, 200, body=SDP), SECOND, 6.0)
    assert [type(event) for event in call.events] == [Answered]


def test_a_bye_whose_connection_is_lost_goes_out_over_the_next_until_its_time_is_over() -> None:
    """There used to be calls that never ended for the callee, as the connection was lost just before."""
    ours = agent(kind=TransportKind.TCP)
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
    ours = agent(kind=TransportKind.TCP)
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
    ours.servers.found([SECOND])  # the names were looked up again
    ours.hang_up(call, 5.0)
    assert {where for _, where in sent(ours)} == {ODD}


def test_a_contact_of_the_early_dialog_is_kept_where_the_answer_has_none() -> None:
    ours = agent(ODD)
    call, invite = placed(ours)
    ours.receive(bare(invite, 183, ("contact", "<sip:far@192.0.2.77:5077>"), body=SDP), ODD, 0.5)
    ours.receive(bare(invite, 200), ODD, 1.0)
    ours.hang_up(call, 2.0)
    assert {where for _, where in sent(ours)} == {("192.0.2.77", 5077)}


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
