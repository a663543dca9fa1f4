"""What becomes of a call, by when it rang, was answered and ended; the clock is in the hand."""

from dataclasses import replace
from typing import Any

import pytest

from drivers import Audio, Call, CallOutcome, CallResult
from drivers.figures import NO_PACKETS, Lateness
from drivers.pyvoip.call_outcome import PLAYED_S, Course
from drivers.pyvoip.conversation import Say
from drivers.pyvoip.speech import Speech, conversation
from drivers.rtp.messages import Finished, Stopped
from drivers.sip.call_events import Ended
from drivers.sip.sdp import PCMA

ORDER = Call("447700900123", Audio(b"u", b"a"), question=Audio(b"q", b"q"), again=Audio(b"g", b"g"), repeats=2)
BYE, BUSY, TIMEOUT = Ended(200, "OK"), Ended(486, "Busy Here"), Ended(408, "")


def course(**at: Any) -> Course:
    return replace(Course(30.0, 120.0, 100.0), **at)


def result(made: Course, **heard: Any) -> CallResult:
    return made.result(replace(Speech(ORDER, conversation(ORDER)), **heard))


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (course(ended=BUSY), CallOutcome.BUSY),
        (course(ended=BYE, answered_at=105.0), CallOutcome.ANSWERED),
        (course(ended=BYE, answered_at=105.0, broken="no audio process"), CallOutcome.FAILED),
        (course(ended=TIMEOUT, rang_at=101.0), CallOutcome.NO_ANSWER),
        (course(ended=TIMEOUT), CallOutcome.UNREACHABLE),
        (course(ended=Ended(487, "", by_us=True), rang_at=101.0, timed_out=True), CallOutcome.NO_ANSWER),
        (course(ended=Ended(487, "", by_us=True), timed_out=True), CallOutcome.UNREACHABLE),
        (course(ended=Ended(487, "", by_us=True), rang_at=101.0), CallOutcome.CANCELLED),
    ],
)
def test_a_call_has_the_outcome_that_an_operator_would_name(made: Course, outcome: CallOutcome) -> None:
    assert result(made).outcome is outcome


def test_times_run_from_the_ringing_to_what_decided_and_from_the_answer_to_the_end() -> None:
    ended = result(course(ended=BYE, rang_at=101.0, answered_at=105.0, ended_at=109.0), received=True)
    assert (ended.ring_s, ended.talk_s, ended.one_way) == (4.0, 4.0, False)
    cancelled = result(course(ended=Ended(487, ""), rang_at=101.0, given_up_at=103.0, ended_at=109.0))
    assert (cancelled.ring_s, cancelled.talk_s) == (2.0, 0.0)


@pytest.mark.parametrize(("talk_s", "one_way"), [(0.9, False), (1.0, True)])
def test_a_call_of_a_second_in_which_no_packet_came_is_one_way(talk_s: float, one_way: bool) -> None:
    assert result(course(ended=BYE, answered_at=105.0, ended_at=105.0 + talk_s)).one_way is one_way


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (Ended(486, "Busy +44 7700 900123"), "Busy (number)"),
        (Ended(486, ""), "Busy Here"),
        (Ended(699, ""), ""),
        (Ended(503, "Later", retry_after_s=30), "Later, try again after 30 s"),
    ],
)
def test_a_reason_is_fit_for_a_log(ended: Ended, reason: str) -> None:
    assert result(course(ended=ended)).reason == reason


def test_audio_that_went_to_a_foreign_host_is_in_the_reason() -> None:
    said = result(course(ended=Ended(200, "OK"), answered_at=105.0), latched=True).reason
    assert said == "OK, audio went to a host that the signalling does not name"


def test_deadlines_follow_each_other() -> None:
    made = course()
    assert (made.ring_deadline, made.talk_deadline, made.forget_at) == (130.0, float("inf"), float("inf"))
    made.rang_at = 110.0
    assert made.ring_deadline == 140.0
    made.answered_at = 120.0
    assert (made.ring_deadline, made.talk_deadline) == (float("inf"), 240.0)
    made.end(BYE, 130.0)
    assert made.forget_at == 130.0 + PLAYED_S


def test_the_first_end_counts_and_the_first_fault() -> None:
    made = course()
    made.end(BYE, 110.0, "")
    made.end(BUSY, 120.0, "no audio process")
    made.end(BUSY, 130.0, "another")
    assert (made.ended, made.ended_at, made.broken) == (BYE, 110.0, "no audio process")


def test_speech_is_said_in_the_law_of_the_answer_and_only_the_pin_counts_as_played() -> None:
    speech = Speech(ORDER, conversation(ORDER), payload_type=PCMA)
    assert [speech.say(say) for say in (Say.NOTHING, Say.QUESTION, Say.SPEECH, Say.BYE)] == [b"", b"q", b"a", b""]
    assert not speech.played(Finished(1, 2, 1.0))
    assert speech.played_s == 0.0
    assert not speech.played(Stopped(1, 3, 2.0))
    assert speech.played(Finished(1, 4, 9.0))
    assert speech.played_s == 2.0
    assert (speech.failed("why").outcome, speech.failed("why").played_s) == (CallOutcome.FAILED, 2.0)


def test_the_last_that_the_audio_process_says_of_late_packets_counts_for_the_call() -> None:
    speech = Speech(ORDER, conversation(ORDER), said=[Say.QUESTION, Say.SPEECH])
    for packets in (3, 5):
        speech.played(Finished(1, 2, 1.0, late=(packets, *NO_PACKETS[1:]), late_s=packets / 1000))
    late = Lateness((5, *NO_PACKETS[1:]), 0.005)
    for made in (speech.failed("why"), course(ended=BYE).result(speech)):
        assert made.late == late


@pytest.mark.parametrize(("again", "repeats"), [(None, 0), (Audio(b"g", b"g"), 2)])
def test_a_pin_is_repeated_only_where_there_is_audio_for_it(again: Audio | None, repeats: int) -> None:
    assert conversation(replace(ORDER, again=again)).repeats == repeats
