"""The fate of a delivery, by state and event, and the account of the SIM that goes with it."""

from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.attempt_states import INTERRUPTED, MAX_TRIES, STATES, TRANSITIONS
from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    Action,
    AnsweredLate,
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    Channel,
    Charge,
    CodeSubmitted,
    Deliver,
    DeliveryEvent,
    Event,
    GivenUp,
    Interrupted,
    Note,
    Refund,
    Reported,
    Request,
    Step,
    StepDue,
    Verdict,
)
from daemon.core.request_states import advance
from tests.daemon.core.story import request, started
from tests.examples import examples

A, V = AttemptState, Verdict
NUMBER = "447700900123"
BEGUN = AttemptStarted(0, s(1), "sim1")
LOST = AttemptAnswered(0, V.UNCERTAIN, s(2), "sim1", detail="no answer")
AGAIN = AttemptAnswered(0, V.UNCERTAIN, s(2), "sim1", detail="no answer", resend=True)
ELSEWHERE = AttemptStarted(0, s(3), "sim2")
LATE_TAKEN = AnsweredLate(0, V.TAKEN, s(5), "sim1", "7")
FAILED_FIRST = Reported(0, False, s(5), "sim1", "7")
LATE_NO = AnsweredLate(0, V.NOT_SENT, s(5), "sim1", detail="CMS 350")
LATE_REFUSED = AnsweredLate(0, V.REFUSED, s(5), "sim1", detail="CMS 1")


def after(*events: Event, workflow: int = 1) -> tuple[Request, tuple[Action, ...]]:
    """The request, and the actions of the last event."""
    running, actions = started(request(workflow)), tuple[Action, ...]()
    for event in events:
        running, actions = advance(running, event)
    return running, actions


def fate(*events: Event) -> tuple[AttemptState, int]:
    """State and tries of the first attempt."""
    attempt = after(*events)[0].attempts[0]
    return attempt.state, attempt.tries


def balance(*events: Event) -> dict[str, int]:
    """SMS that count for the quota, by device."""
    running, spent = started(request(1)), dict[str, int]()
    for event in events:
        running, actions = advance(running, event)
        for action in actions:
            if isinstance(action, Charge | Refund):
                sign = 1 if isinstance(action, Charge) else -1
                spent[action.device] = spent.get(action.device, 0) + sign * action.count
    return spent


# --- the table ---


def test_nothing_follows_a_drop_and_every_other_state_can_be_left_or_counted() -> None:
    assert {state for state, _ in TRANSITIONS} == set(A) - {A.DROPPED}
    assert {kind for _, kind in TRANSITIONS} == set(get_args(DeliveryEvent))
    assert set(STATES) == set(V)


REACHED: dict[AttemptState, tuple[Event, ...]] = {
    A.QUEUED: (),
    A.REQUEUED: (BEGUN, AGAIN),
    A.SENDING: (BEGUN,),
    A.SENT: (BEGUN, AttemptAnswered(0, V.TAKEN, s(2), "sim1", "7")),
    A.DELIVERED: (BEGUN, Reported(0, True, s(2), "sim1", "7")),
    A.REFUSED: (BEGUN, AttemptAnswered(0, V.REFUSED, s(2), "sim1", parts=0)),
    A.UNCERTAIN: (BEGUN, LOST),
    A.FAILED: (BEGUN, Reported(0, False, s(2), "sim1", "7")),
    A.DROPPED: (GivenUp(0, V.WITHDRAWN, s(2)),),
}
EVENTS: dict[type[DeliveryEvent], DeliveryEvent] = {
    AttemptStarted: ELSEWHERE,
    AttemptAnswered: AttemptAnswered(0, V.TAKEN, s(5), "sim1", "7"),
    AnsweredLate: LATE_TAKEN,
    Reported: Reported(0, True, s(5), "sim1", "7"),
    Interrupted: Interrupted(0, s(5)),
    GivenUp: GivenUp(0, V.WITHDRAWN, s(5)),
}
BECAME = {
    (A.QUEUED, AttemptStarted): A.SENDING,
    (A.QUEUED, GivenUp): A.DROPPED,
    (A.REQUEUED, AttemptStarted): A.SENDING,
    (A.REQUEUED, GivenUp): A.UNCERTAIN,
    (A.REQUEUED, AnsweredLate): A.SENT,
    (A.REQUEUED, Reported): A.DELIVERED,
    (A.SENDING, AttemptAnswered): A.SENT,
    (A.SENDING, Interrupted): A.UNCERTAIN,
    (A.SENDING, AnsweredLate): A.SENT,
    (A.SENDING, Reported): A.DELIVERED,
    (A.SENT, Reported): A.DELIVERED,
    (A.UNCERTAIN, AnsweredLate): A.SENT,
    (A.UNCERTAIN, Reported): A.DELIVERED,
}


@pytest.mark.parametrize("state", A)
@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_changes_only_the_states_that_it_is_for(state: AttemptState, kind: type[DeliveryEvent]) -> None:
    """There used to be three places that judged it, and a table of moves that only filtered."""
    before, _ = after(*REACHED[state])
    now, actions = advance(before, EVENTS[kind])
    assert before.attempts[0].state is state
    assert now.attempts[0].state is BECAME.get((state, kind), state)
    assert bool(actions) == ((state, kind) in BECAME)
    assert (now == before) == ((state, kind) not in BECAME)


# --- what the daemon did not see ---


@pytest.mark.parametrize(("resend", "state"), [(False, A.UNCERTAIN), (True, A.REQUEUED)])
def test_what_was_being_sent_when_the_daemon_stopped_is_uncertain(resend: bool, state: AttemptState) -> None:
    found, actions = after(BEGUN, Interrupted(0, s(9), resend))
    assert (found.attempts[0].state, found.attempts[0].detail) == (state, INTERRUPTED)
    assert Note("uncertain", 0, INTERRUPTED) in actions
    assert any(isinstance(action, Deliver) for action in actions) is resend


# --- late answers ---


def test_a_late_refusal_of_the_only_try_ends_it() -> None:
    assert fate(BEGUN, LOST, LATE_NO) == (A.FAILED, 0)
    assert fate(BEGUN, LOST, LATE_REFUSED) == (A.REFUSED, 0)
    assert balance(BEGUN, LOST, LATE_NO) == {"sim1": 0}


def test_a_late_refusal_moves_on_where_the_operator_wants_that() -> None:
    moved, actions = after(BEGUN, LOST, AnsweredLate(0, V.REFUSED, s(5), "sim1", move_on=True))
    assert moved.step == 2
    assert any(isinstance(action, Deliver) and action.step == 1 for action in actions)


def test_a_late_answer_without_news_changes_nothing() -> None:
    lost, _ = after(BEGUN, LOST)
    assert advance(lost, AnsweredLate(0, V.UNCERTAIN, s(5), "sim1")) == (lost, ())


def test_a_late_refusal_of_what_waits_again_leaves_a_message_that_never_went_out() -> None:
    """It used to be ignored, and its SMS to count for the quota."""
    assert fate(BEGUN, AGAIN, LATE_NO) == (A.QUEUED, 0)
    assert balance(BEGUN, AGAIN, LATE_NO) == {"sim1": 0}
    assert after(BEGUN, AGAIN, LATE_NO)[1] == (Refund("sim1", NUMBER),)
    assert fate(BEGUN, AGAIN, LATE_NO, GivenUp(0, V.WITHDRAWN, s(9))) == (A.DROPPED, 0)


def test_a_late_refusal_takes_no_try_away_that_a_report_has_shown() -> None:
    events = (BEGUN, AGAIN, ELSEWHERE, FAILED_FIRST, LATE_NO)
    assert fate(*events) == fate(*events, LATE_NO) == (A.SENDING, 1)
    assert balance(*events) == balance(*events, LATE_NO)


def test_a_late_refusal_of_the_first_try_while_the_second_is_under_way_leaves_the_second() -> None:
    assert fate(BEGUN, AGAIN, ELSEWHERE, LATE_NO) == (A.SENDING, 1)
    assert balance(BEGUN, AGAIN, ELSEWHERE, LATE_NO) == {"sim1": 0, "sim2": 1}
    refused = AttemptAnswered(0, V.REFUSED, s(6), "sim2", parts=0)
    assert fate(BEGUN, AGAIN, ELSEWHERE, LATE_NO, refused) == (A.REFUSED, 0)
    assert fate(BEGUN, AGAIN, ELSEWHERE, refused) == (A.UNCERTAIN, 1)


def test_two_late_refusals_of_two_tries_end_both() -> None:
    """The second used to leave it uncertain for ever."""
    lost_too = AttemptAnswered(0, V.UNCERTAIN, s(4), "sim2")
    assert fate(BEGUN, AGAIN, ELSEWHERE, lost_too, LATE_NO) == (A.UNCERTAIN, 1)
    assert fate(BEGUN, AGAIN, ELSEWHERE, lost_too, LATE_NO, AnsweredLate(0, V.NOT_SENT, s(6), "sim2")) == (A.FAILED, 0)


def test_a_late_answer_that_comes_before_the_time_out_is_recorded_is_believed() -> None:
    """A disk that is full for a second makes the two come in the other order."""
    assert fate(BEGUN, LATE_TAKEN, LOST) == (A.SENT, 1)
    assert fate(BEGUN, LATE_NO, LOST) == (A.FAILED, 0)
    assert balance(BEGUN, LATE_NO, LOST) == {"sim1": 0}


def test_what_ended_by_its_first_try_still_counts_what_the_second_cost() -> None:
    several = AttemptAnswered(0, V.TAKEN, s(6), "sim2", "9", parts=3)
    not_sent = AttemptAnswered(0, V.NOT_SENT, s(6), "sim2", parts=0)
    for news in (LATE_TAKEN, FAILED_FIRST):
        assert balance(BEGUN, AGAIN, ELSEWHERE, news, not_sent) == {"sim1": 1, "sim2": 0}
        assert balance(BEGUN, AGAIN, ELSEWHERE, news, several) == {"sim1": 1, "sim2": 3}
        lost = AttemptAnswered(0, V.UNCERTAIN, s(6), "sim2")
        late = AnsweredLate(0, V.NOT_SENT, s(7), "sim2")
        assert balance(BEGUN, AGAIN, ELSEWHERE, news, lost, late, late) == {"sim1": 1, "sim2": 0}
        assert balance(BEGUN, AGAIN, ELSEWHERE, news, not_sent, not_sent) == {"sim1": 1, "sim2": 0}


def test_a_first_try_that_failed_says_nothing_of_the_second() -> None:
    """The message used to be failed, and to stay so, though the second try arrived."""
    taken = AttemptAnswered(0, V.TAKEN, s(6), "sim2", "9")
    assert fate(BEGUN, AGAIN, ELSEWHERE, FAILED_FIRST) == (A.SENDING, 2)
    assert fate(BEGUN, AGAIN, ELSEWHERE, FAILED_FIRST, taken) == (A.SENT, 2)
    assert fate(BEGUN, AGAIN, ELSEWHERE, FAILED_FIRST, taken, Reported(0, True, s(7), "sim2", "9")) == (A.DELIVERED, 2)
    assert fate(BEGUN, AGAIN, ELSEWHERE, Reported(0, True, s(5), "sim1", "7")) == (A.DELIVERED, 2)
    assert fate(BEGUN, FAILED_FIRST) == (A.FAILED, 1)
    lost, late = AttemptAnswered(0, V.UNCERTAIN, s(6), "sim2"), AnsweredLate(0, V.NOT_SENT, s(7), "sim2")
    assert fate(BEGUN, AGAIN, ELSEWHERE, FAILED_FIRST, lost, late) == (A.FAILED, 1)


# --- withdrawn before the device had it, after a slow disk ---


def test_what_is_withdrawn_at_the_last_moment_is_dropped_unless_an_earlier_try_may_have_arrived() -> None:
    """The second try of an uncertain message used to make it "dropped", although the first may have arrived."""
    withdrawn = AttemptAnswered(0, V.WITHDRAWN, s(4), "sim2", parts=0)
    assert fate(BEGUN, withdrawn) == (A.DROPPED, 0)
    assert fate(BEGUN, AGAIN, ELSEWHERE, withdrawn) == (A.UNCERTAIN, 1)


# --- the account ---


def test_every_part_is_charged_to_its_device_and_calls_are_not() -> None:
    assert balance(BEGUN, AttemptAnswered(0, V.TAKEN, s(2), "sim1", "7", parts=3)) == {"sim1": 3}
    assert balance(BEGUN, AttemptAnswered(0, V.UNCERTAIN, s(2), "sim1", parts=2)) == {"sim1": 2}
    assert balance(BEGUN, AttemptAnswered(0, V.NOT_SENT, s(2), "sim1", parts=0)) == {"sim1": 0}
    call = (AttemptStarted(0, s(1), "voice"), AttemptAnswered(0, V.NOT_SENT, s(2)))
    running, actions = after(*call, workflow=7)
    assert (running.attempts[0].state, running.attempts[0].tries) == (A.QUEUED, 0)
    assert not [action for action in actions if isinstance(action, Charge | Refund)]


@dataclass
class World:
    """What really happened to the SMS of a request, whatever was reported of it and when."""

    request: Request
    at: Ms = EPOCH
    counted: int = 0
    gone: int = 0  # SMS that went out or may have, by what is known
    on_wire: list[int] = field(default_factory=list)  # the step of each try that was not answered
    unknown: list[int] = field(default_factory=list)  # the step of each try that timed out, and no late answer came

    def feed(self, event: Event) -> None:
        self.request, actions = advance(self.request, event)
        for action in actions:
            if isinstance(action, Charge | Refund):
                self.counted += action.count if isinstance(action, Charge) else -action.count

    def begin(self, step: int) -> None:
        attempt = self.request.attempt(step)
        self.feed(AttemptStarted(step, self.at, "sim1"))
        now = self.request.attempt(step)
        if attempt and now and attempt.state.waits and now.state is A.SENDING:
            self.on_wire.append(step)
            self.gone += 1

    def answer(self, data: st.DataObject, step: int) -> None:
        self.on_wire.remove(step)
        verdict = data.draw(st.sampled_from([V.TAKEN, V.UNCERTAIN, V.UNCERTAIN, V.NOT_SENT, V.REFUSED, V.WITHDRAWN]))
        went_out = verdict in (V.TAKEN, V.UNCERTAIN)
        parts = data.draw(st.integers(1, 3)) if went_out else 0
        early = verdict is V.UNCERTAIN and data.draw(st.booleans())
        self.gone += parts - 1
        if early:
            self.unknown.append(step)
            self.answer_late(data, step)
        elif verdict is V.UNCERTAIN:
            self.unknown.append(step)
        resend, reference = data.draw(st.booleans()), "7" if verdict is V.TAKEN else ""
        self.feed(AttemptAnswered(step, verdict, self.at, "sim1", reference, parts=parts, resend=resend))

    def answer_late(self, data: st.DataObject, step: int) -> None:
        self.unknown.remove(step)
        verdict = data.draw(st.sampled_from([V.TAKEN, V.NOT_SENT, V.REFUSED]))
        self.gone -= verdict is not V.TAKEN
        self.feed(AnsweredLate(step, verdict, self.at, "sim1", "7" if verdict is V.TAKEN else ""))

    def report(self, data: st.DataObject, step: int) -> None:
        """Of a try that timed out: it went out, so no late refusal follows."""
        self.unknown.remove(step)
        self.feed(Reported(step, data.draw(st.booleans()), self.at, "sim1", "7"))


HAPPENS = ("begin", "begin", "answer", "answer", "late", "report", "timer", "give up", "code")
STEPS = (Step(Channel.SMS, s(200)), Step(Channel.SMS, s(200)), Step(Channel.SMS, s(300)))


@examples(100)
@given(st.data())
def test_charges_less_refunds_are_what_may_have_gone_out(data: st.DataObject) -> None:
    """The quota used to be counted twice, in memory and in rows, with guesses that were undone later."""
    world = World(started(request(steps=STEPS)))
    for _ in range(data.draw(st.integers(1, 25))):
        world.at = world.at + s(data.draw(st.sampled_from([0, 1, 20])))
        step = data.draw(st.sampled_from(range(3)))
        does = data.draw(st.sampled_from(HAPPENS))
        if does == "begin":
            world.begin(step)
        elif does == "answer" and step in world.on_wire:
            world.answer(data, step)
        elif does == "late" and step in world.unknown:
            world.answer_late(data, step)
        elif does == "report" and step in world.unknown:
            world.report(data, step)
        elif does == "timer" and world.request.due_at is not None:
            world.at = max(world.at, world.request.due_at)
            world.feed(StepDue(world.request.step, world.at))
        elif does == "give up":
            world.feed(GivenUp(step, V.WITHDRAWN, world.at))
        elif does == "code":
            world.feed(CodeSubmitted(data.draw(st.sampled_from([False, False, True])), world.at))
        assert world.counted == world.gone
        assert all(0 <= attempt.tries <= MAX_TRIES for attempt in world.request.attempts)
