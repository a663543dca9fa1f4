"""What an operator reads of a call."""

from dataclasses import replace

import pytest

from daemon.core.model import Verdict
from daemon.lanes.voice.call_record import judged, sip_class
from daemon.prompts.library import Speech
from drivers import Audio, CallOutcome, CallResult
from drivers.pyvoip.call_outcome import presentable

SPEECH = Speech("en-us", Audio(b"", b""), first_end_s=5.0, second_end_s=9.0)
A, O = Verdict, CallOutcome  # noqa: E741


def answered(played_s: float, *, keys: str = "", machine: bool = False) -> CallResult:
    return CallResult(O.ANSWERED, 200, "OK", 2.0, 10.0, played_s, keys=keys, machine=machine)


@pytest.mark.parametrize(
    ("result", "verdict", "story"),
    [
        (answered(9.0), A.HEARD, "answered, rang 2.0 s, talked 10.0 s"),
        (answered(9.0, keys="1"), A.HEARD, "answered, rang 2.0 s, talked 10.0 s, keys 1"),
        (answered(8.9), A.HEARD, "answered, rang 2.0 s, talked 10.0 s, hung up before the PIN was spoken twice"),
        (answered(4.9), A.FAILED, "answered, rang 2.0 s, talked 10.0 s, hung up before the PIN was spoken"),
        (answered(0.0, machine=True), A.FAILED, "answered, rang 2.0 s, talked 10.0 s, a machine answered"),
        (
            CallResult(O.BUSY, 486, "Busy Here", 1.5, cause=17),
            A.FAILED,
            "busy (486 Busy Here), Q.850 cause 17, rang 1.5 s",
        ),
        (CallResult(O.NOT_FOUND, 404), A.REFUSED, "not found (404), rang 0.0 s"),
        (CallResult(O.CANCELLED), A.WITHDRAWN, "cancelled, rang 0.0 s"),
    ],
)
def test_a_call_is_told_in_a_sentence(result: CallResult, verdict: Verdict, story: str) -> None:
    assert judged(result, SPEECH, "en-us", asked=False) == (verdict, story)


def test_a_call_in_which_nobody_pressed_the_key_says_so() -> None:
    verdict, story = judged(answered(0.0), SPEECH, "en-us", asked=True)
    assert (verdict, story.rpartition(", ")[2]) == (A.FAILED, "nobody pressed 1")


def test_a_call_in_which_the_callee_was_never_heard_says_so() -> None:
    """There used to be calls "delivered" to a dead port."""
    one_way = ", one-way: nothing was heard from the callee"
    verdict, story = judged(replace(answered(9.0), one_way=True), SPEECH, "en-us", asked=False)
    assert (verdict, story) == (A.HEARD, f"answered, rang 2.0 s, talked 10.0 s{one_way}")
    verdict, story = judged(replace(answered(0.0), one_way=True), SPEECH, "en-us", asked=True)
    assert (verdict, story) == (A.FAILED, f"answered, rang 2.0 s, talked 10.0 s{one_way}, nobody pressed 1")


def test_a_call_in_another_language_says_so() -> None:
    _, story = judged(answered(9.0), SPEECH, "fr-fr", asked=False)
    assert story.endswith("in en-us, as there are no prompts for fr-fr")


@pytest.mark.parametrize(
    ("code", "found"),
    [(None, "none"), (0, "none"), (99, "none"), (100, "1xx"), (486, "4xx"), (699, "6xx"), (700, "none")],
)
def test_a_response_is_counted_by_its_class_and_by_none_that_does_not_exist(code: int | None, found: str) -> None:
    assert sip_class(code) == found


@pytest.mark.parametrize("outcome", CallOutcome)
def test_every_outcome_has_a_verdict(outcome: CallOutcome) -> None:
    assert judged(CallResult(outcome), SPEECH, "en-us", asked=False)[0] in Verdict


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Busy Here", "Busy Here"),
        ("Number +44 7700 900123 not in service", "Number (number) not in service"),
        ("447700900123", "(number)"),
        ("line\x1b[31m 12", "line[31m 12"),
        ("x" * 30_000, "x" * 80),
    ],
)
def test_a_far_ends_reason_is_short_printable_and_names_no_number(said: str, kept: str) -> None:
    assert presentable(said) == kept
