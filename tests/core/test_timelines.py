"""The schedule of every workflow, and the table of the reference on pin_expiry and next_event_wait."""

import pytest

from daemon.core.machine import advance
from daemon.core.model import Channel, NextRequested, Status, Step, StepDue
from tests.core.story import due, request, started, timeline

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


# pin_expiry, next_event_wait -> the story; the first three rows are the guide "Changing default timings"
REFERENCE = [
    (360, 120, "0 sms A | 120 tts A | 240 tts A | 360 expired"),
    (240, 120, "0 sms A | 120 tts A | 240 tts B | 360 expired"),
    (120, 120, "0 sms A | 120 tts B | 240 tts C | 360 expired"),
    (90, 120, "0 sms A | 120 tts B | 240 tts C | 360 expired"),
    (200, 120, "0 sms A | 120 tts B | 240 tts C | 360 expired"),
    (None, 120, "0 sms A | 120 tts A | 240 tts A | 360 expired"),
    (None, 200, "0 sms A | 200 tts A | 400 tts B | 600 expired"),
    (None, 900, "0 sms A | 900 tts B | 1800 tts C | 2700 expired"),
    (60, None, "0 sms A | 125 tts B | 305 tts C | 365 expired"),
    (300, None, "0 sms A | 125 tts A | 305 tts B | 605 expired"),
    (600, None, "0 sms A | 125 tts A | 305 tts A | 600 expired"),
    (3600, None, "0 sms A | 125 tts A | 305 tts A | 605 expired"),
]


@pytest.mark.parametrize(("pin_expiry", "next_event_wait", "story"), REFERENCE)
def test_pin_expiry_and_next_event_wait_act_as_the_reference_says(
    pin_expiry: int | None, next_event_wait: int | None, story: str
) -> None:
    assert timeline(request(1, pin_expiry=pin_expiry, next_event_wait=next_event_wait)) == story


def test_a_pin_lasts_until_the_request_ends_when_no_expiry_was_given() -> None:
    assert advance(started(request(5)), StepDue(1, 125.0))[0].pin_until == 425


def test_a_given_expiry_ends_the_request_with_its_last_pin() -> None:
    assert timeline(request(5, pin_expiry=300)) == "0 sms A | 125 tts A | 300 expired"


def test_a_callers_own_code_is_never_replaced() -> None:
    assert timeline(request(1, own_pin=True)) == "0 sms A | 125 tts A | 305 tts A | 605 expired"


def test_a_callers_own_code_with_a_given_life_ends_the_request() -> None:
    assert timeline(request(1, own_pin=True, pin_expiry=300)) == "0 sms A | 125 tts A | 300 expired"


def test_a_custom_workflow_keeps_its_waits() -> None:
    steps = (Step(Channel.TTS, 30), Step(Channel.SMS, 400), Step(Channel.SMS, 10))
    assert timeline(request(steps=steps)) == "0 tts A | 30 sms A | 430 sms B | 440 expired"


def test_a_triggered_event_runs_now_and_the_schedule_goes_on_from_there() -> None:
    story = timeline(request(1), now=NextRequested(at=40.0))
    assert story == "0 sms A | 40 tts A | 220 tts A | 520 expired"


def test_two_triggers_use_up_the_workflow() -> None:
    story = timeline(request(1), first=NextRequested(at=10.0), second=NextRequested(at=20.0))
    assert story == "0 sms A | 10 tts A | 20 tts A | 320 expired"


def test_a_timer_that_is_a_little_late_does_not_make_the_schedule_drift() -> None:
    late, _ = advance(started(request(1)), StepDue(1, 126.5))
    assert late.due_at == 305
    assert late.last_event_at == 125


def test_after_an_outage_the_schedule_goes_on_from_now() -> None:
    back, _ = advance(started(request(1)), StepDue(1, 400.0))
    assert (back.due_at, back.generation) == (580, 2)


def test_after_an_outage_past_its_end_a_request_only_expires() -> None:
    assert due(started(request(1))).at == 125
    back, _ = advance(started(request(1)), StepDue(1, 605.0))
    assert back.status is Status.EXPIRED
    assert back.step == 1
