"""Client transactions as figures 5 and 6 of RFC 3261 have them: state, event, next state."""

import pytest

from drivers.sip.address import Timers
from drivers.sip.client_transaction import ClientTransaction, State, acknowledge, cancel
from drivers.sip.message import Message

SERVER = ("192.0.2.1", 5060)


def transaction(method: str, *, reliable: bool = False) -> ClientTransaction:
    request = Message((("cseq", f"1 {method}"),), method=method, uri="sip:a@b")
    return ClientTransaction(request, SERVER, Timers(), 0.0, reliable)


def sent_at(made: ClientTransaction, until: float) -> list[float]:
    """When it is sent again."""
    moments = []
    while (now := made.deadline) <= until:
        moments += [now] * made.poll(now)
    return moments


@pytest.mark.parametrize(
    ("method", "moments"),
    [
        ("INVITE", [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),  # timer A
        ("OPTIONS", [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),  # timer E
    ],
)
def test_a_request_without_a_response_is_sent_again_and_times_out_after_32_s(method: str, moments: list[float]) -> None:
    made = transaction(method)
    assert sent_at(made, 40.0) == moments
    assert (made.state, made.final, made.deadline) == (State.TIMED_OUT, False, float("inf"))


def test_over_a_connection_nothing_is_sent_again() -> None:
    made = transaction("INVITE", reliable=True)
    assert sent_at(made, 40.0) == []
    assert made.state is State.TIMED_OUT


def test_an_invite_that_rings_waits_as_long_as_its_caller_likes() -> None:
    made = transaction("INVITE")
    assert made.receive(180, 1.0)
    assert (made.state, made.deadline) == (State.PROCEEDING, float("inf"))


def test_another_request_that_is_being_worked_on_is_sent_every_4_s_until_it_times_out() -> None:
    made = transaction("BYE")
    made.receive(100, 0.1)
    assert sent_at(made, 40.0) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert made.state is State.TIMED_OUT


@pytest.mark.parametrize(
    ("method", "reliable", "over_at"),
    [("INVITE", False, 33.0), ("INVITE", True, 33.0), ("BYE", False, 6.0), ("BYE", True, 1.0)],
)
def test_a_final_response_may_come_again_for_a_while(method: str, reliable: bool, over_at: float) -> None:
    made = transaction(method, reliable=reliable)
    assert made.receive(200, 1.0)
    assert (made.state, made.final) == (State.COMPLETED, True)
    assert not made.poll(over_at - 0.01)
    assert (made.state, made.deadline) == (State.COMPLETED, over_at)
    assert not made.poll(over_at)
    assert (made.state, made.final) == (State.TERMINATED, True)


@pytest.mark.parametrize(
    ("before", "status", "news"),
    [
        ([], 100, True),
        ([100], 100, False),
        ([180], 100, False),
        ([100], 183, True),
        ([180], 486, True),
        ([200], 200, False),
        ([486], 200, False),
        ([200], 180, False),
    ],
)
def test_a_response_is_news_once(before: list[int], status: int, news: bool) -> None:
    made = transaction("INVITE")
    for each in before:
        made.receive(each, 1.0)
    assert made.receive(status, 2.0) is news


def test_a_final_response_that_lost_the_race_against_the_time_out_changes_nothing() -> None:
    made = transaction("INVITE")
    made.poll(32.0)
    made.receive(200, 32.1)
    assert (made.state, made.deadline) == (State.TIMED_OUT, float("inf"))


def test_what_did_not_get_through_is_sent_again_after_ever_longer_pauses() -> None:
    made = transaction("BYE", reliable=True)
    moments = []
    for now in (0.0, 10.0, 20.0):
        made.repeat(now)
        moments += sent_at(made, now + 9)
    assert moments == [0.5, 11.0, 22.0]


def test_what_rests_is_not_sent_again_and_may_still_be_answered() -> None:
    made = transaction("INVITE")
    made.rest()
    assert sent_at(made, 31.0) == []
    assert made.receive(200, 31.5)


def test_what_is_answered_is_not_sent_again_though_its_connection_is_lost() -> None:
    made = transaction("BYE")
    made.receive(200, 1.0)
    made.repeat(1.0)
    assert sent_at(made, 3.0) == []
    assert made.state is State.COMPLETED


# --- the requests of a transaction of INVITE -------------------------------------------------------------------

INVITE = Message(
    (
        ("via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1, SIP/2.0/UDP other"),
        ("from", "<sip:gw@b>;tag=ours"),
        ("to", "<sip:a@b>"),
        ("call-id", "x@y"),
        ("cseq", "7 INVITE"),
        ("max-forwards", "70"),
        ("route", "<sip:edge;lr>"),
        ("contact", "<sip:gw@192.0.2.9>"),
        ("authorization", "Digest x"),
        ("content-type", "application/sdp"),
    ),
    b"v=0",
    method="INVITE",
    uri="sip:a@b",
)
SAME = {
    "via": "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1",
    "from": "<sip:gw@b>;tag=ours",
    "call-id": "x@y",
    "max-forwards": "70",
    "route": "<sip:edge;lr>",
}


def test_a_refusal_is_acknowledged_within_the_transaction() -> None:
    """17.1.1.3: the tag is the far end's, the branch is the INVITE's, and nothing else goes along."""
    ack = acknowledge(INVITE, Message((("to", "<sip:a@b>;tag=far"),), status=486))
    assert (ack.method, ack.uri, ack.body) == ("ACK", "sip:a@b", b"")
    assert dict(ack.headers) == {**SAME, "to": "<sip:a@b>;tag=far", "cseq": "7 ACK"}


def test_an_invite_is_cancelled_within_the_transaction() -> None:
    """9.1."""
    made = cancel(INVITE)
    assert (made.method, made.uri, made.body) == ("CANCEL", "sip:a@b", b"")
    assert dict(made.headers) == {**SAME, "to": "<sip:a@b>", "cseq": "7 CANCEL"}


def test_each_provisional_response_is_news_that_says_more_and_the_final_one_once() -> None:
    made = transaction("INVITE")
    assert [made.receive(status, 0.1) for status in (100, 100, 180, 100, 183, 180)] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert (made.state, made.final) == (State.PROCEEDING, False)
    assert [made.receive(status, 0.2) for status in (200, 486, 180)] == [True, False, False]
    assert (made.status, made.state, made.final) == (200, State.COMPLETED, True)


def test_the_highest_provisional_response_is_none_that_ends_it() -> None:
    made = transaction("OPTIONS")
    assert made.receive(199, 0.1)
    assert (made.state, sent_at(made, 5.0)) == (State.PROCEEDING, [0.5, 4.5])
    assert made.receive(200, 5.0)
    assert made.final
