"""What each event does to a request, and what it no longer does."""

from dataclasses import replace

import pytest

from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    AnsweredLate,
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    CancelRequested,
    Channel,
    Charge,
    ClearTimer,
    CodeSubmitted,
    Deliver,
    Event,
    GivenUp,
    NextRequested,
    Note,
    RecordCheck,
    Reply,
    Reported,
    Request,
    Requested,
    SetTimer,
    Status,
    Step,
    StepDue,
    StopDelivery,
    Verdict,
)
from daemon.core.outcomes import (
    Accepted,
    CodeExpired,
    EventHasRun,
    Gone,
    NothingMore,
    Outcome,
    TooEarly,
    WrongCode,
    WrongTooOften,
)
from daemon.core.request_states import advance
from tests.daemon.core.story import due, request, started

A = AttemptState
V = Verdict


def state(request: Request, step: int = 0) -> AttemptState:
    return request.attempts[step].state


def reply(actions: tuple[object, ...]) -> Outcome:
    (outcome,) = [action.outcome for action in actions if isinstance(action, Reply)]
    return outcome


def after(request: Request, *events: Event) -> Request:
    for event in events:
        request, _ = advance(request, event)
    return request


def sent(request: Request, step: int = 0) -> Request:
    return after(request, AttemptStarted(step, s(1)), AttemptAnswered(step, V.TAKEN, s(1)))


# --- start, timers ---


def test_a_start_delivers_sets_its_timer_and_is_accepted() -> None:
    running, actions = advance(request(1), Requested(at=s(0)))
    assert actions == (
        Note("event", 0, "sms A"),
        Deliver(0, Channel.SMS, 1, s(300)),
        SetTimer(1, s(125)),
        Reply(Accepted()),
    )
    assert running.status is Status.IN_PROGRESS


def test_a_timer_that_lost_the_race_is_ignored() -> None:
    moved = after(started(request(1)), NextRequested(at=s(100)))
    assert advance(moved, StepDue(1, s(125))) == (moved, ())


def test_a_timer_that_fires_early_is_ignored() -> None:
    running = started(request(1))
    assert advance(running, StepDue(1, s(124.9))) == (running, ())


def test_a_timer_of_an_older_event_is_ignored_however_late_it_comes() -> None:
    moved_on = after(started(request(1)), NextRequested(s(60)))
    assert advance(moved_on, StepDue(1, s(999))) == (moved_on, ())


@pytest.mark.parametrize(("late", "next_due"), [(0.0, 305.0), (4.999, 305.0), (5.0, 305.0), (5.001, 310.001)])
def test_a_timer_that_is_late_by_5_seconds_is_on_time_and_a_later_one_goes_on_from_now(
    late: float, next_due: float
) -> None:
    running = after(started(request(1)), StepDue(1, s(125 + late)))
    assert (running.step, running.due_at) == (2, s(next_due))
    assert (running.first_event_at, running.last_event_at) == (s(0), s(next_due - 180))


def test_a_timer_of_a_finished_request_is_ignored() -> None:
    done = after(started(request(1)), CodeSubmitted(True, s(5)))
    assert advance(done, StepDue(1, s(125))) == (done, ())


# --- codes ---


def test_the_right_code_ends_everything() -> None:
    done, actions = advance(started(request(1)), CodeSubmitted(True, s(5)))
    assert (done.status, done.due_at, done.finalized_at) == (Status.SUCCESS, None, s(5))
    assert state(done) is A.DROPPED
    assert actions == (
        Note("dropped", 0),
        Reply(Accepted()),
        RecordCheck(valid=True),
        Note("success"),
        ClearTimer(),
        StopDelivery(),
    )


def test_a_wrong_code_changes_the_count_and_nothing_else() -> None:
    running = started(request(1))
    wrong, actions = advance(running, CodeSubmitted(False, s(5)))
    assert wrong == replace(running, wrong=1)
    assert reply(actions) == WrongCode()


@pytest.mark.parametrize(
    ("correct", "at", "note"),
    [
        (False, 10, Note("check", detail="wrong code 1 of 3")),
        (True, 300, Note("check", detail="no valid PIN at this time")),
        (False, 300, Note("check", detail="no valid PIN at this time")),
    ],
)
def test_the_history_says_how_a_code_was_judged_and_not_the_code(*, correct: bool, at: float, note: Note) -> None:
    running = started(request(1, pin_expiry=300))
    assert note in advance(running, CodeSubmitted(correct, s(at)))[1]


def test_the_third_wrong_code_fails_the_request() -> None:
    twice = after(started(request(1)), CodeSubmitted(False, s(5)), CodeSubmitted(False, s(6)))
    failed, actions = advance(twice, CodeSubmitted(False, s(7)))
    assert failed.status is Status.FAILED
    assert reply(actions) == WrongTooOften()
    assert StopDelivery() in actions


def test_a_new_pin_starts_a_new_count() -> None:
    twice = after(started(request(1)), CodeSubmitted(False, s(5)), CodeSubmitted(False, s(6)), StepDue(1, s(125)))
    assert twice.wrong == 2
    assert after(twice, StepDue(2, s(305))).wrong == 0


def test_a_code_while_no_pin_is_valid_is_wrong_but_not_counted() -> None:
    running = started(request(1, pin_expiry=60))
    same, actions = advance(running, CodeSubmitted(True, s(60)))
    assert same is running
    assert reply(actions) == WrongCode()
    assert RecordCheck(valid=False) in actions


@pytest.mark.parametrize(("correct", "at"), [(True, 5), (False, 5), (True, 300), (False, 300)])
def test_every_code_is_recorded_as_it_was_judged(correct: bool, at: float) -> None:
    """There used to be no test of it: a wrong code could be recorded as valid, or none at all."""
    _, actions = advance(started(request(1)), CodeSubmitted(correct, s(at)))
    assert [a for a in actions if isinstance(a, RecordCheck)] == [RecordCheck(valid=correct and at < 300)]


@pytest.mark.parametrize("event", [CodeSubmitted(True, s(9)), NextRequested(s(9)), CancelRequested(s(9), s(0), 0)])
def test_nothing_can_be_asked_of_a_finished_request(event: Event) -> None:
    done = after(started(request(1)), CodeSubmitted(True, s(5)))
    assert advance(done, event) == (done, (Reply(Gone()),))


# --- control ---


@pytest.mark.parametrize(("at", "outcome"), [(29.9, TooEarly(s(30))), (30.0, Accepted()), (124.9, Accepted())])
def test_a_cancel_waits_for_30_seconds(at: float, outcome: Outcome) -> None:
    assert reply(advance(started(request(1)), CancelRequested(s(at), s(30), 2))[1]) == outcome


def test_a_cancel_comes_too_late_after_the_second_event() -> None:
    second = after(started(request(1)), StepDue(1, s(125)))
    assert reply(advance(second, CancelRequested(s(126), s(30), 2))[1]) == EventHasRun(2)
    assert after(second, CancelRequested(s(126), s(30), 0)).status is Status.CANCELLED


def test_a_cancel_drops_what_is_queued() -> None:
    cancelled, actions = advance(started(request(1)), CancelRequested(s(40), s(30), 2))
    assert (cancelled.status, state(cancelled)) == (Status.CANCELLED, A.DROPPED)
    assert actions[-2:] == (ClearTimer(), StopDelivery())


def test_a_trigger_without_events_left_is_refused() -> None:
    only = started(request(6))
    assert reply(advance(only, NextRequested(s(5)))[1]) == NothingMore()


@pytest.mark.parametrize(
    ("pin_expiry", "own_pin", "at"), [(60, True, 59.999), (None, True, 400), (60, False, 60), (None, False, 124)]
)
def test_a_trigger_is_done_where_there_can_be_a_code(pin_expiry: int | None, own_pin: bool, at: float) -> None:
    running = started(request(1, pin_expiry=pin_expiry, own_pin=own_pin))
    moved, actions = advance(running, NextRequested(s(at)))
    assert (reply(actions), moved.step) == (Accepted(), 2)


def test_a_trigger_for_a_dead_code_of_the_caller_is_refused() -> None:
    dead = started(request(1, own_pin=True, pin_expiry=60))
    assert reply(advance(dead, NextRequested(s(60)))[1]) == CodeExpired()


# --- deliveries ---


def test_an_attempt_is_counted_when_it_starts() -> None:
    sending, actions = advance(started(request(1)), AttemptStarted(0, s(1), "sim1"))
    attempt = sending.attempts[0]
    assert (attempt.state, attempt.tries, attempt.device) == (A.SENDING, 1, "sim1")
    assert actions == (Charge(s(1), "sim1", "447700900123"), Note("sending", 0, "sim1"))


def test_an_attempt_starts_only_once() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    assert advance(sending, AttemptStarted(0, s(2))) == (sending, ())


def test_an_attempt_whose_pin_died_in_the_queue_is_dropped() -> None:
    late = after(started(request(1)), AttemptStarted(0, s(300)))
    assert (state(late), late.attempts[0].tries) == (A.DROPPED, 0)


def test_an_attempt_that_does_not_exist_is_ignored() -> None:
    running = started(request(1))
    assert advance(running, AttemptStarted(2, s(1))) == (running, ())


def test_a_delivery_report_completes_what_was_sent() -> None:
    done = after(sent(started(request(1))), Reported(0, True, s(3)))
    assert state(done) is A.DELIVERED
    assert advance(done, Reported(0, False, s(4))) == (done, ())


def test_what_was_not_sent_is_queued_again_without_costing_a_try() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    again, actions = advance(sending, AttemptAnswered(0, V.NOT_SENT, s(2), detail="no network"))
    assert (state(again), again.attempts[0].tries) == (A.QUEUED, 0)
    assert Deliver(0, Channel.SMS, 1, s(300)) in actions


def test_what_was_not_sent_before_its_pin_died_is_given_up() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    given_up, actions = advance(sending, AttemptAnswered(0, V.NOT_SENT, s(300)))
    assert state(given_up) is A.DROPPED
    assert not [a for a in actions if isinstance(a, Deliver)]


def test_what_was_not_sent_before_the_end_is_given_up() -> None:
    done = after(started(request(1)), AttemptStarted(0, s(1)), CodeSubmitted(True, s(2)))
    given_up, actions = advance(done, AttemptAnswered(0, V.NOT_SENT, s(3)))
    assert state(given_up) is A.DROPPED
    assert not [a for a in actions if isinstance(a, Deliver)]


def test_an_uncertain_attempt_goes_out_once_more_if_the_policy_says_so() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    again, actions = advance(sending, AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True))
    assert state(again) is A.REQUEUED
    assert Deliver(0, Channel.SMS, 1, s(300)) in actions
    twice = after(again, AttemptStarted(0, s(3)), AttemptAnswered(0, V.UNCERTAIN, s(4), resend=True))
    assert (state(twice), twice.attempts[0].tries) == (A.UNCERTAIN, 2)


@pytest.mark.parametrize(
    ("news", "became"),
    [
        (AnsweredLate(0, V.TAKEN, s(3), "sim1", "7"), A.SENT),
        (Reported(0, True, s(3), "sim1", "7"), A.DELIVERED),
        (Reported(0, False, s(3), "sim1", "7"), A.FAILED),
    ],
)
def test_late_news_of_the_first_try_spares_the_second(news: Event, became: A) -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    again = after(sending, AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True))
    settled = after(again, news)
    assert (state(settled), settled.attempts[0].reference) == (became, "7")
    assert after(settled, AttemptStarted(0, s(4))) == settled


@pytest.mark.parametrize(
    "given_up",
    [
        AttemptStarted(0, s(300)),  # its PIN has died
        GivenUp(0, V.WITHDRAWN, s(300)),
        CodeSubmitted(True, s(4)),
        StepDue(1, s(125)),  # another message goes out instead
    ],
)
def test_what_may_have_gone_out_stays_uncertain_when_its_second_try_is_given_up(given_up: Event) -> None:
    sending = after(started(request(4)), AttemptStarted(0, s(1)))
    again = after(sending, AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True))
    done = after(again, given_up)
    assert done.attempts[0].state is A.UNCERTAIN
    assert after(done, Reported(0, True, s(310))).attempts[0].state is A.DELIVERED


def test_what_may_have_gone_out_stays_uncertain_when_its_second_try_is_refused() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    again = after(sending, AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True), AttemptStarted(0, s(3)))
    refused = after(again, AttemptAnswered(0, V.REFUSED, s(4), detail="CMS 197"))
    assert (state(refused), refused.attempts[0].detail) == (A.UNCERTAIN, "CMS 197")
    assert state(after(refused, Reported(0, True, s(5)))) is A.DELIVERED


def test_what_may_have_gone_out_fails_only_by_a_report() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1), "sim1"))
    again = after(sending, AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True), AttemptStarted(0, s(3), "sim2"))
    given_up = after(again, AttemptAnswered(0, V.FAILED, s(4), detail="given up"))
    assert state(given_up) is A.UNCERTAIN
    assert state(after(given_up, Reported(0, False, s(5), "sim2", "7"))) is A.FAILED


def test_a_reference_belongs_to_the_modem_whose_word_it_is() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1), "sim1"))
    again = after(sending, AttemptAnswered(0, V.UNCERTAIN, s(2), device="sim1", resend=True))
    elsewhere = after(again, AttemptStarted(0, s(3), "sim2"))
    late = after(elsewhere, AnsweredLate(0, V.TAKEN, s(4), "sim1", "7"))
    assert (late.attempts[0].device, late.attempts[0].reference) == ("sim1", "7")
    unanswered = after(elsewhere, AttemptAnswered(0, V.UNCERTAIN, s(4), device="sim1"))
    assert unanswered.attempts[0].device == "sim2"


def test_there_is_no_news_of_what_was_never_tried() -> None:
    queued = started(request(1))
    assert after(queued, Reported(0, True, s(3))) == queued


def test_an_uncertain_attempt_stays_uncertain_if_the_policy_says_never() -> None:
    uncertain = after(started(request(1)), AttemptStarted(0, s(1)), AttemptAnswered(0, V.UNCERTAIN, s(2)))
    assert state(uncertain) is A.UNCERTAIN
    assert state(after(uncertain, Reported(0, True, s(9)))) is A.DELIVERED


def test_an_uncertain_attempt_is_not_repeated_once_its_pin_died() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    assert state(after(sending, AttemptAnswered(0, V.UNCERTAIN, s(300), resend=True))) is A.UNCERTAIN


def test_an_uncertain_attempt_is_not_repeated_once_the_next_event_ran() -> None:
    moved = after(started(request(1)), AttemptStarted(0, s(1)), StepDue(1, s(125)))
    assert state(after(moved, AttemptAnswered(0, V.UNCERTAIN, s(130), resend=True))) is A.UNCERTAIN


def test_a_refusal_keeps_the_schedule() -> None:
    refused = after(started(request(1)), AttemptStarted(0, s(1)), AttemptAnswered(0, V.REFUSED, s(2)))
    assert (state(refused), refused.step, refused.due_at) == (A.REFUSED, 1, s(125))


def test_a_refusal_starts_the_next_event_where_the_operator_wants_that() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)))
    moved, actions = advance(sending, AttemptAnswered(0, V.REFUSED, s(2), move_on=True))
    assert (moved.step, moved.due_at) == (2, s(182))
    assert Deliver(1, Channel.TTS, 1, s(300)) in actions


def test_a_refusal_of_the_last_event_waits_for_the_end() -> None:
    last = after(started(request(6)), AttemptStarted(0, s(1)), AttemptAnswered(0, V.REFUSED, s(2), move_on=True))
    assert (last.step, last.due_at) == (1, s(300))


def test_a_dropped_message_keeps_the_schedule() -> None:
    dropped = after(started(request(1)), GivenUp(0, V.WITHDRAWN, s(45)))
    assert (state(dropped), dropped.step, dropped.due_at) == (A.DROPPED, 1, s(125))


def test_a_dropped_message_starts_the_next_event_with_a_pin_that_lives_where_the_operator_wants_that() -> None:
    """The dropped PIN would expire soon, and nobody has it."""
    moved, actions = advance(
        started(request(1, pin_expiry=60)), GivenUp(0, V.WITHDRAWN, s(45), detail="overloaded", move_on=True)
    )
    assert (moved.step, moved.due_at) == (2, s(225))
    assert Deliver(1, Channel.TTS, 2, s(105)) in actions
    late = after(moved, GivenUp(0, V.WITHDRAWN, s(46), move_on=True))
    assert late == moved


def test_a_refused_message_keeps_its_pin_for_the_next_event() -> None:
    refused = AttemptAnswered(0, V.REFUSED, s(2), parts=0, move_on=True)
    assert after(started(request(1)), AttemptStarted(0, s(1)), refused).generation == 1


def test_a_pin_that_another_message_has_brought_is_not_replaced_by_a_dropped_one() -> None:
    twice = after(sent(started(request(2))), NextRequested(s(60)))
    moved_on = after(twice, GivenUp(1, V.WITHDRAWN, s(61), move_on=True))
    assert (moved_on.step, moved_on.generation) == (3, 1)


def test_a_pin_that_nobody_has_is_replaced_though_an_older_one_went_out() -> None:
    second = after(sent(started(request(2, pin_expiry=60))), StepDue(1, s(125)))
    assert (second.step, second.generation) == (2, 2)
    moved_on = after(second, GivenUp(1, V.WITHDRAWN, s(126), move_on=True))
    assert (moved_on.step, moved_on.generation) == (3, 3)


def test_a_pin_that_may_be_out_is_not_replaced_by_a_dropped_message() -> None:
    sending = after(started(request(1)), AttemptStarted(0, s(1)), AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True))
    moved, actions = advance(sending, GivenUp(0, V.WITHDRAWN, s(45), move_on=True))
    assert state(moved) is A.UNCERTAIN
    assert Deliver(1, Channel.TTS, 1, s(300)) in actions


def test_a_callers_own_pin_is_never_replaced() -> None:
    _, actions = advance(started(request(1, own_pin=True)), GivenUp(0, V.WITHDRAWN, s(45), move_on=True))
    assert any(isinstance(action, Deliver) and action.generation == 1 for action in actions)


def test_what_may_have_gone_out_stays_uncertain_when_the_network_takes_no_second_try() -> None:
    again = after(started(request(1)), AttemptStarted(0, s(1)), AttemptAnswered(0, V.UNCERTAIN, s(2), resend=True))
    assert state(after(again, GivenUp(0, V.FAILED, s(290), detail="given up"))) is A.UNCERTAIN


@pytest.mark.parametrize(
    ("news", "at", "detail"),
    [
        (V.TAKEN, 59, ""),
        (V.TAKEN, 60, "after the PIN had expired"),
        (V.HEARD, 60, "after the PIN had expired"),
        (V.UNCERTAIN, 60, ""),
    ],
)
def test_a_message_that_arrives_after_its_pins_death_says_so(news: V, at: int, detail: str) -> None:
    """It used to count as delivered, though nobody can use it."""
    sending = after(started(request(1, pin_expiry=60)), AttemptStarted(0, s(1)))
    arrived, actions = advance(sending, AttemptAnswered(0, news, s(at), reference="7"))
    assert arrived.attempts[0].detail == detail
    assert Note(str(state(arrived)), 0, detail) in actions


def test_a_report_that_comes_late_says_nothing_of_when_the_message_was_taken() -> None:
    sending = after(started(request(1, pin_expiry=60)), AttemptStarted(0, s(1)))
    in_time = after(sending, AttemptAnswered(0, V.TAKEN, s(59), reference="7"), Reported(0, True, s(70), reference="7"))
    late = after(sending, AttemptAnswered(0, V.TAKEN, s(61), reference="7"), Reported(0, True, s(70), reference="7"))
    assert [told.attempts[0].detail for told in (in_time, late)] == ["", "after the PIN had expired"]


def test_the_story_of_a_call_that_ends_after_its_pins_death_is_kept() -> None:
    sending = after(started(request(7, pin_expiry=60)), AttemptStarted(0, s(50)))
    answered = after(sending, AttemptAnswered(0, V.HEARD, s(61), detail="answered"))
    assert answered.attempts[0].detail == "answered, after the PIN had expired"


def test_a_pin_whose_life_a_later_event_prolonged_is_not_dead() -> None:
    steps = (Step(Channel.SMS, s(200)), Step(Channel.SMS, s(300)))
    second = after(started(request(steps=steps)), AttemptStarted(0, s(1)), StepDue(1, s(200)))
    assert second.pin_until == s(500)
    assert after(second, AttemptAnswered(0, V.TAKEN, s(310), reference="7")).attempts[0].detail == ""


@pytest.mark.parametrize("end", [CodeSubmitted(True, s(2)), CancelRequested(s(40), s(30), 2)])
def test_a_refusal_after_the_end_starts_nothing(end: Event) -> None:
    """There used to be no test of it: another SMS or call would have followed a success or a cancel."""
    done = after(started(request(1)), AttemptStarted(0, s(1)), end)
    refused, actions = advance(done, AttemptAnswered(0, V.REFUSED, s(50), move_on=True))
    assert (refused.status, refused.step, refused.due_at, state(refused)) == (done.status, 1, None, A.REFUSED)
    assert actions == (Note("refused", 0),)


def test_a_refusal_starts_nothing_once_the_callers_own_code_is_dead() -> None:
    """There used to be a call with a code that had expired; tests/daemon/core/test_properties.py found it."""
    sending = after(started(request(1, own_pin=True, pin_expiry=60)), AttemptStarted(0, s(1)))
    refused, actions = advance(sending, AttemptAnswered(0, V.REFUSED, s(60), move_on=True))
    assert (refused.step, actions) == (1, (Note("refused", 0),))


def test_a_refusal_of_an_older_event_starts_no_other() -> None:
    """There used to be no test of it: the late answer to the first event would have started the third."""
    second = after(started(request(1)), AttemptStarted(0, s(1)), StepDue(1, s(125)))
    refused, actions = advance(second, AttemptAnswered(0, V.REFUSED, s(130), move_on=True))
    assert (refused.step, refused.due_at, state(refused)) == (2, s(305), A.REFUSED)
    assert actions == (Note("refused", 0),)


def test_a_message_still_queued_is_dropped_when_the_next_one_is() -> None:
    second = after(started(request(4)), StepDue(1, s(120)))
    assert [a.state for a in second.attempts] == [A.DROPPED, A.QUEUED]


def test_a_message_still_queued_with_the_same_pin_stands_beside_a_call() -> None:
    second = after(started(request(1)), StepDue(1, s(125)))
    assert [a.state for a in second.attempts] == [A.QUEUED, A.QUEUED]


def test_a_message_with_an_old_pin_is_dropped() -> None:
    third = after(started(request(1)), StepDue(1, s(125)), StepDue(2, s(305)))
    assert [a.state for a in third.attempts] == [A.DROPPED, A.DROPPED, A.QUEUED]


def test_what_was_on_the_wire_at_the_end_is_still_recorded() -> None:
    done = after(started(request(1)), AttemptStarted(0, s(1)), CodeSubmitted(True, s(2)))
    assert state(done) is A.SENDING
    assert state(after(done, AttemptAnswered(0, V.TAKEN, s(3)))) is A.SENT


def test_the_end_of_the_last_wait_expires_the_request() -> None:
    only = started(request(6))
    assert after(only, due(only)).status is Status.EXPIRED
