"""Which server is tried next, on its own: see test_agent.py for calls that go to the next one."""

import pytest

from drivers.sip.address import TransportKind
from drivers.sip.call_events import Answered, Ended, Ringing
from drivers.sip.failover import Servers
from drivers.sip.registration import Registration
from tests.drivers.sip.agents import (
    FIRST,
    SDP,
    SECOND,
    agent,
    placed,
    reply,
    sent,
)

A, B, C, D = (("192.0.2.1", port) for port in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("failed", "order"),
    [(A, [B, C, A]), (B, [A, B, C]), (D, [A, B, C])],
    ids=["in use", "not in use", "unknown"],
)
def test_only_the_server_in_use_loses_its_place(failed: tuple[str, int], order: list[tuple[str, int]]) -> None:
    servers = Servers([A, B, C])
    servers.demote(failed)
    assert servers.addresses == order


@pytest.mark.parametrize(("tried", "following"), [(A, B), (B, C), (C, A), (D, A)])
def test_the_next_server_is_the_one_after_that_which_was_tried(
    tried: tuple[str, int], following: tuple[str, int]
) -> None:
    assert Servers([A, B, C]).next_after(tried) == following


def test_the_order_that_was_found_by_trying_outlives_a_look_up_with_the_same_addresses() -> None:
    servers = Servers([A, B, C])
    servers.demote(A)
    servers.found((A, C, B))
    assert servers.first == B
    servers.found((A, C))
    assert servers.addresses == [A, C]


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


def test_a_registrar_that_cannot_serve_is_passed_over() -> None:
    ours = agent(FIRST, SECOND)
    ours.registration = Registration(ours.identity, "sip:trunk.example")
    ours.poll(0.0)
    ((register, _),) = sent(ours)
    ours.receive(reply(register, 503), FIRST, 0.1)
    ours.poll(ours.deadline())
    assert [(m.method, where) for m, where in sent(ours)] == [("REGISTER", SECOND)]


def test_a_lost_connection_lets_the_call_go_to_the_next_server() -> None:
    ours = agent(FIRST, SECOND, kind=TransportKind.TCP)
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
