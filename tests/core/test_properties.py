"""What holds for any request and any list of events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.machine import MAX_TRIES, advance
from daemon.core.model import (
    Action,
    Answer,
    AttemptSettled,
    AttemptStarted,
    AttemptState,
    CancelRequested,
    ClearTimer,
    CodeSubmitted,
    Deliver,
    Event,
    NextRequested,
    Request,
    Requested,
    SetTimer,
    Status,
    StepDue,
)
from daemon.core.workflows import WORKFLOWS
from tests.core.story import request

waits = st.none() | st.integers(60, 900)
requests = st.builds(
    lambda workflow, pin_expiry, wait, own: request(workflow, pin_expiry=pin_expiry, next_event_wait=wait, own_pin=own),
    st.sampled_from(sorted(WORKFLOWS)),
    st.none() | st.integers(60, 3600),
    waits,
    st.booleans(),
)
steps = st.integers(0, 3)
moments = st.floats(0, 400)


def happenings(gap: float) -> st.SearchStrategy[Event]:
    """Any event, `gap` seconds after the one before; its time is set when it is used."""
    return st.one_of(
        st.builds(StepDue, steps, st.just(gap)),
        st.builds(CodeSubmitted, st.booleans(), st.just(gap)),
        st.builds(CancelRequested, st.just(gap), st.just(30.0), st.sampled_from([0, 2])),
        st.builds(NextRequested, st.just(gap)),
        st.builds(AttemptStarted, steps, st.just(gap)),
        st.builds(
            AttemptSettled,
            steps,
            st.sampled_from(sorted(set(AttemptState) - {AttemptState.SENDING})),
            st.just(gap),
            resend=st.booleans(),
            move_on=st.booleans(),
        ),
    )


stories = st.lists(moments.flatmap(happenings), max_size=40)

Trace = list[tuple[Request, Event, Request, tuple[Action, ...]]]


def told(request: Request, story: list[Event]) -> Trace:
    """Every step of a story: before, event, after, actions. The gaps become times."""
    now = 0.0
    trace: Trace = []
    for event in [Requested(0.0), *story]:
        now += event.at
        moved = _at(event, now)
        after, actions = advance(request, moved)
        trace.append((request, moved, after, actions))
        request = after
    return trace


def _at(event: Event, at: float) -> Event:
    fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
    return type(event)(**{**fields, "at": at})


@settings(max_examples=150, deadline=None)
@given(requests, stories)
def test_there_is_one_timer_while_it_runs_and_none_afterwards(request: Request, story: list[Event]) -> None:
    for before, _, after, actions in told(request, story):
        timers = [action for action in actions if isinstance(action, SetTimer)]
        assert len(timers) <= 1
        assert (after.due_at is None) == after.finished
        if timers:
            assert (timers[0].step, timers[0].at) == (after.step, after.due_at)
        assert (ClearTimer() in actions) == (after.finished and not before.finished)


@settings(max_examples=150, deadline=None)
@given(requests, stories)
def test_nothing_happens_after_the_end(request: Request, story: list[Event]) -> None:
    for before, event, after, actions in told(request, story):
        if before.finished:
            assert not [action for action in actions if isinstance(action, Deliver | SetTimer)]
            assert after.status is before.status
            assert isinstance(event, AttemptSettled) or after == before


@settings(max_examples=150, deadline=None)
@given(requests, stories)
def test_there_are_never_more_deliveries_than_steps(request: Request, story: list[Event]) -> None:
    trace = told(request, story)
    delivered = {action.step for *_, actions in trace for action in actions if isinstance(action, Deliver)}
    last = trace[-1][2]
    assert delivered == set(range(last.step))
    assert last.step <= len(last.steps)
    assert all(0 <= attempt.tries <= MAX_TRIES for attempt in last.attempts)


@settings(max_examples=150, deadline=None)
@given(requests, stories)
def test_an_expired_pin_is_never_accepted(request: Request, story: list[Event]) -> None:
    for before, event, after, _ in told(request, story):
        if isinstance(event, CodeSubmitted) and event.at >= before.pin_until:
            assert after.status is before.status
            assert after.wrong == before.wrong


@settings(max_examples=150, deadline=None)
@given(requests, stories)
def test_three_wrong_codes_for_one_pin_end_it(request: Request, story: list[Event]) -> None:
    wrong: dict[int, int] = {}
    for before, event, after, _ in told(request, story):
        if isinstance(event, CodeSubmitted) and after.wrong > before.wrong:
            wrong[before.generation] = wrong.get(before.generation, 0) + 1
            assert (wrong[before.generation] == 3) == (after.status is Status.FAILED)
    assert all(count <= 3 for count in wrong.values())


@settings(max_examples=150, deadline=None)
@given(requests, stories)
def test_every_caller_gets_one_answer(request: Request, story: list[Event]) -> None:
    for _, event, _, actions in told(request, story):
        answers = [action for action in actions if isinstance(action, Answer)]
        if isinstance(event, Requested | CodeSubmitted | CancelRequested | NextRequested):
            assert len(answers) == 1


@settings(max_examples=120, deadline=None)
@given(requests)
def test_a_pin_that_goes_out_is_valid_until_the_next_timer_or_the_caller_set_its_life(request: Request) -> None:
    running, _ = advance(request, Requested(0.0))
    while not running.finished:
        assert running.due_at is not None
        assert running.attempts[-1].not_after == running.pin_until > running.last_event_at  # type: ignore[operator]
        if running.step == len(running.steps):
            assert running.due_at <= running.pin_until
        running, _ = advance(running, StepDue(running.step, running.due_at))
