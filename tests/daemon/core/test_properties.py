"""What holds for any request, begun at any moment, and any list of events.

Each request is kept in the rows of a real database between two events, as the daemon keeps it. There used to be two
units: a timer was rounded to whole milliseconds there, and the PIN's death was not, so half of the requests sent a PIN
that died in that millisecond.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.attempt_states import MAX_TRIES
from daemon.core.batch import Changes, Needs
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    Action,
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
    DeliveryEvent,
    Event,
    GivenUp,
    Interrupted,
    NextRequested,
    RecordCheck,
    Refund,
    Reply,
    Reported,
    Request,
    Requested,
    SetTimer,
    Status,
    StepDue,
    Verdict,
)
from daemon.core.request_states import advance
from daemon.core.workflows import WORKFLOWS
from daemon.store.sqlite.library import connect
from daemon.store.sqlite.loading import load
from daemon.store.sqlite.migrations import migrate
from daemon.store.sqlite.saving import save
from tests.daemon.core.story import request
from tests.examples import examples

waits = st.none() | st.integers(60, 900)
plans = st.builds(
    lambda workflow, pin_expiry, wait, own: request(workflow, pin_expiry=pin_expiry, next_event_wait=wait, own_pin=own),
    st.sampled_from(sorted(WORKFLOWS)),
    st.none() | st.integers(60, 3600),
    waits,
    st.booleans(),
)
starts = st.floats(0, 4e9).map(s)  # a clock shows fractions of a second
requests = st.builds(lambda plan, at: replace(plan, created_at=at), plans, starts)


# --- event sequences: each event is made from the request, so that most of them change it ---------------------

Happening = Callable[[Request, Ms], tuple[Event, Ms]]
"""The next event after a time, and when it happens."""


def _timer(late: float) -> Happening:
    def happening(request: Request, now: Ms) -> tuple[Event, Ms]:
        at = max(now, now if request.due_at is None else request.due_at + s(late))
        return StepDue(request.step, at), at

    return happening


def _after(gap: float, event: Callable[[Request, Ms], Event]) -> Happening:
    def happening(request: Request, now: Ms) -> tuple[Event, Ms]:
        return event(request, now + s(gap)), now + s(gap)

    return happening


def _began(back: int) -> Callable[[Request, Ms], Event]:
    """A device begins the newest event, or an older one."""
    return lambda request, at: AttemptStarted(request.step - 1 - back, at, "sim1")


def _answered(back: int, verdict: Verdict, parts: int, *, resend: bool, move_on: bool) -> Callable[..., Event]:
    return lambda request, at: AttemptAnswered(
        request.step - 1 - back, verdict, at, "sim1", "7", parts=parts, resend=resend, move_on=move_on
    )


def _answered_late(back: int, verdict: Verdict, *, move_on: bool) -> Callable[..., Event]:
    return lambda request, at: AnsweredLate(request.step - 1 - back, verdict, at, "sim1", "7", move_on=move_on)


def _reported(back: int, delivered: bool) -> Callable[..., Event]:
    return lambda request, at: Reported(request.step - 1 - back, delivered, at, "sim1", "7")


def _given_up(back: int, verdict: Verdict, *, move_on: bool) -> Callable[..., Event]:
    return lambda request, at: GivenUp(request.step - 1 - back, verdict, at, "why", move_on)


def _interrupted(back: int, *, resend: bool) -> Callable[..., Event]:
    return lambda request, at: Interrupted(request.step - 1 - back, at, resend)


gaps = st.sampled_from([0.0, 0.001, 1.0]) | st.floats(0, 200)
verdicts, flags = st.sampled_from(Verdict), st.booleans()
given_up = st.sampled_from([Verdict.WITHDRAWN, Verdict.FAILED, Verdict.REFUSED])
older = st.sampled_from([0, 0, 0, 1, 2])
deliveries = st.one_of(
    st.builds(_answered, older, verdicts, st.integers(0, 3), resend=flags, move_on=flags),
    st.builds(_answered_late, older, verdicts, move_on=flags),
    st.builds(_reported, older, flags),
    st.builds(_given_up, older, given_up, move_on=flags),
    st.builds(_interrupted, older, resend=flags),
)
happenings = st.one_of(
    st.builds(_timer, st.sampled_from([-0.001, 0.0, 0.0, 0.05, 5.0, 5.001]) | st.floats(-10, 400)),
    st.builds(_after, gaps, st.builds(_began, older)),
    st.builds(_after, gaps, deliveries),
    st.builds(_after, gaps, st.booleans().map(lambda right: lambda _, at: CodeSubmitted(right, at))),
    st.builds(_after, gaps, st.sampled_from([0, 2]).map(lambda n: lambda _, at: CancelRequested(at, s(30), n))),
    st.builds(_after, gaps, st.just(lambda _, at: NextRequested(at))),
)
stories = st.lists(happenings, max_size=30)

Trace = list[tuple[Request, Event, Request, tuple[Action, ...]]]


class Rows:
    """A database in memory."""

    def __init__(self) -> None:
        self._connection = connect(Path(":memory:"))
        migrate(self._connection)
        self._last = 0

    def insert(self, new: Request) -> int:
        self._last += 1
        attempts = [(self._last, attempt) for attempt in new.attempts]
        save(self._connection, Changes(inserted=[(self._last, new)], attempts=attempts))
        return self._last

    def update(self, row: int, after: Request) -> None:
        known = {attempt.step for attempt in self.request(row).attempts}
        new = [(row, attempt) for attempt in after.attempts if attempt.step not in known]
        old = [(row, attempt) for attempt in after.attempts if attempt.step in known]
        save(self._connection, Changes(updated=[(row, after)], attempts=new, changed_attempts=old))

    def request(self, row: int) -> Request:
        return load(self._connection, Needs(rows=frozenset((row,))))[row]


ROWS, IDS = Rows(), itertools.count()


def told(request: Request, story: list[Happening]) -> Trace:
    """Every step of a sequence: before, event, after, actions; `before` is what the rows had kept."""
    now, request = request.created_at, replace(request, id=f"{next(IDS):032x}")
    after, actions = advance(request, Requested(now))
    trace: Trace = [(request, Requested(now), after, actions)]
    row = ROWS.insert(after)
    for happening in story:
        before = ROWS.request(row)
        event, now = happening(before, now)
        after, actions = advance(before, event)
        ROWS.update(row, after)
        trace.append((before, event, after, actions))
    return trace


# --- what holds -----------------------------------------------------------------------------------------------

everything = examples(50)


@everything
@given(requests, stories)
def test_a_request_comes_back_from_its_rows_as_it_was_decided(request: Request, story: list[Happening]) -> None:
    trace = told(request, story)
    for (*_, decided, _), (kept, *_) in itertools.pairwise(trace):
        assert kept == decided


@everything
@given(requests, stories)
def test_a_pin_is_sent_again_exactly_while_it_is_younger_than_its_life(
    request: Request, story: list[Happening]
) -> None:
    generated: dict[int, Ms] = {}
    for before, event, after, _ in told(request, story):
        if after.step == before.step or after.last_event_at is None:
            continue
        withdrawn = isinstance(event, AttemptAnswered | GivenUp) and event.verdict is Verdict.WITHDRAWN
        never_out = all(a.tries == 0 for a in after.attempts if a.generation == before.generation)
        if withdrawn and not request.own_pin and never_out:
            assert after.generation == before.generation + 1  # nobody has it, and little of its life is left
            generated[after.generation] = after.last_event_at
            continue
        age = after.last_event_at - generated.get(before.generation, Ms(0))
        kept_to_the_end = before.pin_until - generated.get(before.generation, Ms(0)) > request.pin_expiry
        same = before.generation > 0 and (request.own_pin or age < request.pin_expiry or kept_to_the_end)
        assert (after.generation == before.generation) == same
        generated.setdefault(after.generation, after.last_event_at)


@everything
@given(requests, stories)
def test_what_is_sent_has_a_pin_that_lives_until_the_next_timer_or_to_its_whole_life(
    request: Request, story: list[Happening]
) -> None:
    for _, _, after, actions in told(request, story):
        for delivery in (action for action in actions if isinstance(action, Deliver)):
            attempt = after.attempt(delivery.step)
            assert attempt is not None
            assert attempt.not_after == delivery.not_after > attempt.queued_at
            assert attempt.generation == after.generation


@everything
@given(requests, stories)
def test_there_is_one_timer_while_it_runs_and_none_afterwards(request: Request, story: list[Happening]) -> None:
    for before, _, after, actions in told(request, story):
        timers = [action for action in actions if isinstance(action, SetTimer)]
        assert len(timers) <= 1
        assert (after.due_at is None) == after.finished
        if timers:
            assert (timers[0].step, timers[0].at) == (after.step, after.due_at)
        assert (ClearTimer() in actions) == (after.finished and not before.finished)


@everything
@given(requests, stories)
def test_nothing_happens_after_the_end(request: Request, story: list[Happening]) -> None:
    for before, event, after, actions in told(request, story):
        if before.finished:
            assert not [action for action in actions if isinstance(action, Deliver | SetTimer)]
            assert after.status is before.status
            assert isinstance(event, DeliveryEvent) or after == before


@everything
@given(requests, stories)
def test_news_of_an_old_event_starts_no_other_and_repeats_no_message(request: Request, story: list[Happening]) -> None:
    for before, event, after, actions in told(request, story):
        nothing_sent = isinstance(event, AttemptAnswered) and event.verdict is Verdict.NOT_SENT
        if isinstance(event, DeliveryEvent) and event.step + 1 != before.step and not nothing_sent:
            assert after.step == before.step
            assert not [action for action in actions if isinstance(action, Deliver | SetTimer)]


@everything
@given(requests, stories)
def test_there_are_never_more_deliveries_than_steps(request: Request, story: list[Happening]) -> None:
    trace = told(request, story)
    delivered = {action.step for *_, actions in trace for action in actions if isinstance(action, Deliver)}
    last = trace[-1][2]
    assert delivered == set(range(last.step))
    assert last.step <= len(last.steps)
    assert all(0 <= attempt.tries <= MAX_TRIES for attempt in last.attempts)


ENDED = {AttemptState.DELIVERED, AttemptState.REFUSED, AttemptState.FAILED, AttemptState.DROPPED}


@everything
@given(requests, stories)
def test_an_attempt_that_has_ended_never_moves_back(request: Request, story: list[Happening]) -> None:
    for before, _, after, _ in told(request, story):
        for was, now in zip(before.attempts, after.attempts, strict=False):
            assert was.state is now.state or was.state not in ENDED
            assert was.state is not AttemptState.SENT or now.state not in WAITS | {AttemptState.SENDING}


WAITS = {AttemptState.QUEUED, AttemptState.REQUEUED}


@everything
@given(requests, stories)
def test_a_refund_never_exceeds_its_charge_and_only_sms_are_charged(request: Request, story: list[Happening]) -> None:
    charged: Counter[int] = Counter()
    for _, event, after, actions in told(request, story):
        for action in (a for a in actions if isinstance(a, Charge | Refund)):
            assert isinstance(event, DeliveryEvent)
            assert after.steps[event.step].channel is Channel.SMS
            charged[event.step] += action.count if isinstance(action, Charge) else -action.count
        for attempt in after.attempts:
            if attempt.channel is Channel.SMS:
                assert charged[attempt.step] >= attempt.tries >= 0


@everything
@given(requests, stories)
def test_what_waits_again_is_told_from_what_never_went_out(request: Request, story: list[Happening]) -> None:
    for _, _, after, _ in told(request, story):
        for attempt in after.attempts:
            assert attempt.state is not AttemptState.QUEUED or attempt.tries == 0
            assert attempt.state not in (AttemptState.REQUEUED, AttemptState.UNCERTAIN) or attempt.tries > 0


@everything
@given(requests, stories)
def test_a_code_counts_exactly_while_its_pin_lives(request: Request, story: list[Happening]) -> None:
    for before, event, after, actions in told(request, story):
        if not isinstance(event, CodeSubmitted) or before.finished:
            continue
        lives = event.at < before.pin_until
        assert (after.status is Status.SUCCESS) == (lives and event.correct)
        assert after.wrong == before.wrong + (lives and not event.correct)
        assert [a.valid for a in actions if isinstance(a, RecordCheck)] == [lives and event.correct]


@everything
@given(requests, stories)
def test_three_wrong_codes_for_one_pin_end_it(request: Request, story: list[Happening]) -> None:
    wrong: dict[int, int] = {}
    for before, event, after, _ in told(request, story):
        if isinstance(event, CodeSubmitted) and after.wrong > before.wrong:
            wrong[before.generation] = wrong.get(before.generation, 0) + 1
            assert (wrong[before.generation] == 3) == (after.status is Status.FAILED)
    assert all(count <= 3 for count in wrong.values())


@everything
@given(requests, stories)
def test_every_caller_gets_one_answer(request: Request, story: list[Happening]) -> None:
    for _, event, _, actions in told(request, story):
        answers = [action for action in actions if isinstance(action, Reply)]
        if isinstance(event, Requested | CodeSubmitted | CancelRequested | NextRequested):
            assert len(answers) == 1


@everything
@given(requests)
def test_a_pin_that_goes_out_is_valid_until_the_next_timer_or_the_caller_set_its_life(request: Request) -> None:
    running, _ = advance(request, Requested(request.created_at))
    while not running.finished:
        assert running.due_at is not None
        assert running.attempts[-1].not_after == running.pin_until > running.last_event_at  # type: ignore[operator]
        if running.step == len(running.steps):
            assert running.due_at <= running.pin_until
        running, _ = advance(running, StepDue(running.step, running.due_at))
