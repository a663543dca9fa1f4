"""How the calls of a user agent that is lost are ended by the next one."""

from drivers.sip.agent import UserAgent
from drivers.sip.call import OutgoingCall
from tests.drivers.sip.agents import FIRST, SDP, SECOND, agent, answered, placed, reply, sent


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
    """An INVITE that had no response yet when its user agent was lost used to be cancelled by nobody."""
    lost = agent(FIRST, SECOND)
    call, invite = placed(lost)
    ours = taken_over(lost, call, 1.0)
    for tenth in range(10, 60):
        ours.poll(tenth / 10)
    assert sent(ours) == []
    ours.receive(reply(invite, 180), FIRST, 6.0)
    assert [message.method for message, _ in sent(ours)] == ["CANCEL"]


def test_what_ends_the_call_of_a_lost_user_agent_is_sent_until_it_is_answered() -> None:
    """The BYE used to be sent once, so that the call stayed up if that datagram was lost."""
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
