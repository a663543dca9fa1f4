"""One call as its owner sees it: what rings, what answers, how it ends and who ended it."""

import pytest

from drivers.sip.call import OutgoingCall
from drivers.sip.call_events import Answered, CallEvent, Ended, Keyed, Moved, Ringing, q850_cause
from drivers.sip.message import Message, parse
from tests.drivers.sip.agents import FIRST, SDP, agent, answered, asked, described, placed, reply, sent, with_headers

RELIABLE = (("require", "100rel"), ("rseq", "7"))


def kinds(call: OutgoingCall) -> list[type[CallEvent]]:
    return [type(event) for event in call.events]


def end(call: OutgoingCall) -> Ended:
    (found,) = [event for event in call.events if isinstance(event, Ended)]
    return found


# --- ringing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "rings"),
    [([100], 0), ([180], 1), ([181], 1), ([182], 1), ([183], 1), ([199], 0), ([100, 183, 180], 1)],
)
def test_a_call_rings_once_and_only_by_what_says_so(statuses: list[int], rings: int) -> None:
    ours = agent()
    call, invite = placed(ours)
    for at, status in enumerate(statuses):
        ours.receive(reply(invite, status), FIRST, at + 0.1)
    assert kinds(call) == [Ringing] * rings


def test_a_call_that_is_to_end_does_not_ring() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 100), FIRST, 0.1)
    ours.hang_up(call, 0.2)
    ours.receive(reply(invite, 180), FIRST, 0.3)
    assert kinds(call) == []


# --- provisional responses that must not be lost (RFC 3262) --------------------------------------------------


def pracks(*headers: tuple[str, str]) -> list[str]:
    """What RAck says of a 183 with these headers."""
    ours = agent()
    _, invite = placed(ours)
    ours.receive(reply(invite, 183, *headers), FIRST, 0.1)
    return [message.get("rack") for message, _ in sent(ours) if message.method == "PRACK"]


def test_only_what_must_not_be_lost_is_acknowledged() -> None:
    assert pracks(*RELIABLE) == ["7 1 INVITE"]
    assert pracks(("rseq", "7")) == []
    assert pracks(("require", "100rel"), ("rseq", "x")) == []
    assert pracks(("require", "timer, 100rel"), ("rseq", "4294967295")) == ["4294967295 1 INVITE"]
    assert pracks(("require", "timer"), ("rseq", "7")) == []


def test_each_is_acknowledged_once_and_in_its_order() -> None:
    ours = agent()
    _, invite = placed(ours)
    acknowledged = []
    for at, rseq in enumerate(("7", "7", "9", "8", "8")):
        ours.receive(reply(invite, 183, ("require", "100rel"), ("rseq", rseq)), FIRST, at + 0.1)
        racks = [message.get("rack") for message, _ in sent(ours) if message.method == "PRACK"]
        acknowledged.append(racks)
    assert acknowledged == [["7 1 INVITE"], [], [], ["8 1 INVITE"], []]


def test_an_unreliable_one_after_a_reliable_one_still_tells_where_the_audio_goes() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 183, *RELIABLE), FIRST, 0.1)
    ours.receive(reply(invite, 183, body=described(4000)), FIRST, 0.2)
    ours.receive(reply(invite, 200), FIRST, 0.3)
    assert [event.audio.port for event in call.events if isinstance(event, Answered)] == [4000]


def test_after_the_answer_nothing_early_counts() -> None:
    ours = agent()
    _, invite = placed(ours)
    ours.receive(reply(invite, 200, body=SDP), FIRST, 0.1)
    sent(ours)
    ours.receive(reply(invite, 183, *RELIABLE, tag="other"), FIRST, 0.2)
    assert sent(ours) == []


# --- session timers (RFC 4028 6) ------------------------------------------------------------------------------


def test_a_session_that_is_too_short_is_offered_again_as_long_as_the_far_end_wants() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 422, ("min-se", "3600;x=y")), FIRST, 0.1)
    again = [message for message, _ in sent(ours) if message.method == "INVITE"]
    assert [message.cseq for message in again] == [(2, "INVITE")]
    assert again[0].get("session-expires").partition(";")[0] == "3600"
    assert again[0].get("min-se") == "3600"
    ours.receive(reply(again[0], 422, ("min-se", "7200")), FIRST, 0.2)
    assert end(call).status == 422


@pytest.mark.parametrize(("status", "least"), [(422, ""), (422, "x"), (422, "1234567"), (488, "3600"), (423, "3600")])
def test_nothing_else_is_offered_again(status: int, least: str) -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, status, ("min-se", least)), FIRST, 0.1)
    assert [message.method for message, _ in sent(ours)] == ["ACK"]
    assert end(call).status == status


def test_a_call_that_is_to_end_is_not_offered_again() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 100), FIRST, 0.1)
    ours.hang_up(call, 0.2)
    sent(ours)
    ours.receive(reply(invite, 422, ("min-se", "3600")), FIRST, 0.3)
    assert (end(call).status, end(call).by_us) == (422, True)
    assert "INVITE" not in [message.method for message, _ in sent(ours)]


# --- the end --------------------------------------------------------------------------------------------------


def test_a_refusal_says_why_and_that_it_was_not_us() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 486, ("reason", "Q.850;cause=17"), ("retry-after", "5")), FIRST, 0.1)
    assert end(call) == Ended(486, "Whatever", by_us=False, cause=17, retry_after_s=5)


def test_a_cancelled_call_was_ended_by_us() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.1)
    ours.hang_up(call, 0.2)
    assert [message.method for message, _ in sent(ours)] == ["CANCEL"]
    ours.receive(reply(invite, 487), FIRST, 0.3)
    assert (end(call).status, end(call).by_us) == (487, True)


def test_a_call_that_is_answered_while_it_is_cancelled_is_ended_at_once_by_us() -> None:
    ours = agent()
    call, invite = placed(ours)
    ours.receive(reply(invite, 180), FIRST, 0.1)
    ours.hang_up(call, 0.2)
    sent(ours)
    ours.receive(reply(invite, 200, body=SDP), FIRST, 0.3)
    assert [message.method for message, _ in sent(ours)] == ["ACK", "BYE"]
    assert kinds(call) == [Ringing, Ended]
    assert end(call) == Ended(487, "Request Terminated", by_us=True)


def test_a_call_that_we_hang_up_was_ended_by_us() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    assert [message.method for message, _ in sent(ours)] == ["BYE"]
    assert end(call) == Ended(200, "", by_us=True)


def test_a_call_that_the_far_end_hangs_up_was_not() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "BYE", 5, ("reason", "Q.850;cause=16")), FIRST, 2.0)
    assert [message.status for message, _ in sent(ours)] == [200]
    assert end(call) == Ended(200, "", by_us=False, cause=16)


def test_a_call_that_is_gone_at_the_far_end_is_over() -> None:
    ours = agent()
    call, _ = answered(ours)
    call.on_gone()
    assert end(call) == Ended(481, "the call was gone")


def test_a_call_that_is_abandoned_says_why_and_that_it_was_not_us() -> None:
    ours = agent()
    call, _ = answered(ours)
    assert [message.method for message, _ in call.abandon("no ACK")] == ["BYE"]
    assert end(call) == Ended(408, "no ACK", by_us=False)
    assert call.abandon("again") == []
    assert end(call)


# --- within the dialog ----------------------------------------------------------------------------------------


def info(call: OutgoingCall, key: str, cseq: int) -> bytes:
    typed = ("content-type", "application/dtmf-relay")
    return asked(call, "INFO", cseq, typed, body=f"Signal={key}\r\n".encode())


def test_a_key_counts_while_the_call_stands() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(info(call, "1", 5), FIRST, 2.0)
    ours.receive(asked(call, "INFO", 6, ("content-type", "text/plain"), body=b"hello"), FIRST, 2.1)
    ours.hang_up(call, 2.2)
    ours.receive(info(call, "2", 7), FIRST, 2.3)
    assert [event.digit for event in call.events if isinstance(event, Keyed)] == ["1"]


@pytest.mark.parametrize("header", ["call-id", "from", "to"])
def test_a_request_of_another_dialog_is_not_obeyed(header: str) -> None:
    ours = agent()
    call, _ = answered(ours)
    foreign = with_headers(parse(asked(call, "BYE", 5)), (header, "<sip:x@y>;tag=other"))
    ours.receive(foreign.encode(), FIRST, 2.0)
    assert [message.status for message, _ in sent(ours)] == [481]
    assert kinds(call) == [Answered]


def test_a_new_description_moves_the_audio_once() -> None:
    ours = agent()
    call, _ = answered(ours)
    for cseq, port in ((5, 4000), (6, 4000), (7, 4002)):
        ours.receive(asked(call, "UPDATE", cseq, body=described(port)), FIRST, cseq)
    assert [event.audio.port for event in call.events if isinstance(event, Moved)] == [4000, 4002]


def test_an_offer_for_a_call_that_is_over_is_for_none() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.hang_up(call, 2.0)
    sent(ours)
    ours.receive(asked(call, "UPDATE", 5, body=described(4000)), FIRST, 2.1)
    assert [message.status for message, _ in sent(ours)] == [481]


def test_an_invite_without_an_offer_is_answered_by_one_and_its_ack_has_the_answer() -> None:
    ours = agent()
    call, _ = answered(ours)
    ours.receive(asked(call, "INVITE", 5), FIRST, 2.0)
    assert [(message.status, b"m=audio" in message.body) for message, _ in sent(ours)] == [(200, True)]
    for at, port in ((2.1, 4004), (2.2, 4006)):
        ours.receive(asked(call, "ACK", 5, body=described(port), branch="ack"), FIRST, at)
    assert [event.audio.port for event in call.events if isinstance(event, Moved)] == [4004]


@pytest.mark.parametrize(
    ("reasons", "cause"),
    [
        (("SIP;cause=486", "Q.850 ;cause=34"), 34),
        (("Q.850;cause=1000", "q.850;cause=17"), 17),
        (("SIP;cause=486",), None),
    ],
)
def test_the_cause_of_a_gateway_is_found_among_other_reasons(reasons: tuple[str, ...], cause: int | None) -> None:
    assert q850_cause(Message(tuple(("reason", value) for value in reasons), status=486)) == cause
