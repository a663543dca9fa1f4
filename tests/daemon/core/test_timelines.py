"""The schedule of every workflow, and the table of the reference on pin_expiry and next_event_wait."""

import pytest

from daemon.core.milliseconds import seconds as s
from daemon.core.model import Channel, NextRequested, Status, Step, StepDue
from daemon.core.request_states import advance
from tests.daemon.core.story import REFERENCE, due, request, started, timeline

SEED = {
    1: "0 sms A | 125 tts A | 305 tts B | 605 expired",
    2: "0 sms A | 125 sms A | 305 tts B | 605 expired",
    3: "0 tts A | 150 tts A | 300 expired",
    4: "0 sms A | 120 sms A | 300 expired",
    5: "0 sms A | 125 tts A | 425 expired",
    6: "0 sms A | 300 expired",
    7: "0 tts A | 300 expired",
}


@pytest.mark.parametrize(("workflow", "story"), SEED.items())
def test_a_workflow_keeps_the_timeline_of_the_seed(workflow: int, story: str) -> None:
    assert timeline(request(workflow)) == story


@pytest.mark.parametrize(("pin_expiry", "next_event_wait", "story"), REFERENCE)
def test_pin_expiry_and_next_event_wait_act_as_the_reference_says(
    pin_expiry: int | None, next_event_wait: int | None, story: str
) -> None:
    assert timeline(request(1, pin_expiry=pin_expiry, next_event_wait=next_event_wait)) == story


def test_a_pin_lasts_until_the_request_ends_when_no_expiry_was_given() -> None:
    assert advance(started(request(5)), StepDue(1, s(125)))[0].pin_until == s(425)


def test_a_given_expiry_ends_the_request_with_its_last_pin() -> None:
    assert timeline(request(5, pin_expiry=300)) == "0 sms A | 125 tts A | 300 expired"


def test_a_callers_own_code_is_never_replaced() -> None:
    assert timeline(request(1, own_pin=True)) == "0 sms A | 125 tts A | 305 tts A | 605 expired"


def test_a_callers_own_code_with_a_given_life_ends_the_request() -> None:
    assert timeline(request(1, own_pin=True, pin_expiry=300)) == "0 sms A | 125 tts A | 300 expired"


def test_a_custom_workflow_keeps_its_waits() -> None:
    steps = (Step(Channel.TTS, s(30)), Step(Channel.SMS, s(400)), Step(Channel.SMS, s(10)))
    assert timeline(request(steps=steps)) == "0 tts A | 30 sms A | 430 sms B | 440 expired"


def test_a_triggered_event_runs_now_and_the_schedule_goes_on_from_there() -> None:
    story = timeline(request(1), now=NextRequested(at=s(40)))
    assert story == "0 sms A | 40 tts A | 220 tts A | 520 expired"


def test_two_triggers_use_up_the_workflow() -> None:
    story = timeline(request(1), first=NextRequested(at=s(10)), second=NextRequested(at=s(20)))
    assert story == "0 sms A | 10 tts A | 20 tts A | 320 expired"


def test_a_timer_that_is_a_little_late_does_not_make_the_schedule_drift() -> None:
    late, _ = advance(started(request(1)), StepDue(1, s(126.5)))
    assert late.due_at == s(305)
    assert late.last_event_at == s(125)


def test_after_an_outage_the_schedule_goes_on_from_now() -> None:
    back, _ = advance(started(request(1)), StepDue(1, s(400)))
    assert (back.due_at, back.generation) == (s(580), 2)


def test_after_an_outage_past_its_end_a_request_only_expires() -> None:
    assert due(started(request(1))).at == s(125)
    back, _ = advance(started(request(1)), StepDue(1, s(605)))
    assert back.status is Status.EXPIRED
    assert back.step == 1
