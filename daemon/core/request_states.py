"""Every state change of a request that there is: `advance(request, event) -> (request, actions)`.

Rules. A finished request changes no more, but for the truth about a delivery that was under way. A timer that was
set for another step, or fired too early, is ignored. A request has at most one timer, and its row is the truth
about it. An event that comes late by no more than PUNCTUAL counts as on time, so that a schedule does not drift;
one that comes later goes on from now, and one after the planned end only closes the request.
What becomes of a delivery is decided by the table in `daemon.core.attempt_states`, how long a PIN is valid in
`daemon.core.pin_expiry`, what a submitted code leads to in `daemon.core.code_check`.
"""

from collections.abc import Callable
from typing import assert_never

from daemon.core.attempt_states import fire
from daemon.core.code_check import checked
from daemon.core.fast_replace import replace
from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import (
    Action,
    AnsweredLate,
    Attempt,
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    CancelRequested,
    ClearTimer,
    CodeSubmitted,
    Deliver,
    DeliveryEvent,
    Event,
    GivenUp,
    Interrupted,
    NextRequested,
    Note,
    RecordCheck,
    Reply,
    Reported,
    Request,
    Requested,
    SetTimer,
    Status,
    StepDue,
    StopDelivery,
    Verdict,
)
from daemon.core.outcomes import Accepted, CodeExpired, EventHasRun, Gone, NothingMore, TooEarly
from daemon.core.pin_expiry import own_code_expired, pin_and_timer

PUNCTUAL = seconds(5)
Advanced = tuple[Request, tuple[Action, ...]]
"""The request as it is now, and what is to be done."""


def advance(request: Request, event: Event) -> Advanced:
    """Apply one event. Never raises; an event that no longer matters returns the request itself and no action."""
    match event:
        case Requested():
            return _run_step(request, event.at)
        case StepDue():
            return _step_due(request, event)
        case CodeSubmitted():
            return _code_submitted(request, event)
        case CancelRequested():
            return _cancel_requested(request, event)
        case NextRequested():
            return _next_requested(request, event)
        case AttemptStarted() | AttemptAnswered() | AnsweredLate() | Reported() | Interrupted() | GivenUp():
            return _delivery(request, event)
        case _:
            assert_never(event)


# --- the schedule ------------------------------------------------------------------------------------------


def _step_due(request: Request, event: StepDue) -> Advanced:
    if request.due_at is None or event.step != request.step or event.at < request.due_at:
        return request, ()
    at = request.due_at if event.at - request.due_at <= PUNCTUAL else event.at
    planned_end = sum((step.wait for step in request.steps[request.step :]), request.due_at)
    if own_code_expired(request, at) or at >= planned_end:
        return _finish(request, Status.EXPIRED, at)
    return _run_step(request, at)


def _run_step(request: Request, at: Ms, *, renew: bool = False) -> Advanced:
    """Run the next event at `at`; there is one. renew: with another PIN."""
    step = request.steps[request.step]
    generation, wrong, pin_until, due_at = pin_and_timer(request, at, renew=renew)
    attempt = Attempt(request.step, step.channel, generation, pin_until, queued_at=at)
    cleared, dropped = _withdraw_waiting(request, at, lambda a: a.channel is step.channel or a.generation != generation)
    running = replace(
        cleared,
        step=request.step + 1,
        generation=generation,
        wrong=wrong,
        pin_until=pin_until,
        due_at=due_at,
        first_event_at=at if request.first_event_at is None else request.first_event_at,
        last_event_at=at,
        created_at=at if request.first_event_at is None else request.created_at,  # it begins with its first event
        attempts=(*cleared.attempts, attempt),
    )
    return running, (
        *dropped,
        Note("event", attempt.step, f"{step.channel} {pin_letter(generation)}"),
        Deliver(attempt.step, step.channel, attempt.generation, attempt.not_after),
        SetTimer(running.step, due_at),
        Reply(Accepted()),
    )


def _next_requested(request: Request, event: NextRequested) -> Advanced:
    if request.finished:
        return request, (Reply(Gone()),)
    if request.step == len(request.steps):
        return request, (Reply(NothingMore()),)
    if own_code_expired(request, event.at):
        return request, (Reply(CodeExpired()),)
    return _run_step(request, event.at)


def _cancel_requested(request: Request, event: CancelRequested) -> Advanced:
    if request.finished:
        return request, (Reply(Gone()),)
    if event.at < request.created_at + event.after:
        return request, (Reply(TooEarly(event.after)),)
    if event.before_event and request.step >= event.before_event:
        return request, (Reply(EventHasRun(event.before_event)),)
    return _finish(request, Status.CANCELLED, event.at, Reply(Accepted()))


def _finish(request: Request, status: Status, at: Ms, *answer: Action) -> Advanced:
    cleared, dropped = _withdraw_waiting(request, at, lambda _: True)
    finished = replace(cleared, status=status, due_at=None, finalized_at=at)
    return finished, (*dropped, *answer, Note(status.lower()), ClearTimer(), StopDelivery())


# --- the code ----------------------------------------------------------------------------------------------


def _code_submitted(request: Request, event: CodeSubmitted) -> Advanced:
    if request.finished:
        return request, (Reply(Gone()),)
    check = checked(request, event)
    right = check.ends is Status.SUCCESS
    notes = (Note("check", detail=check.detail),) if check.detail else ()
    actions: tuple[Action, ...] = (Reply(check.outcome), RecordCheck(right, event.ip_address), *notes)
    if check.ends is None:
        return check.request, actions
    return _finish(check.request, check.ends, event.at, *actions)


# --- deliveries --------------------------------------------------------------------------------------------


def _delivery(request: Request, event: DeliveryEvent) -> Advanced:
    """What the transition of an attempt (see `daemon.core.attempt_states`) means for its request."""
    fired = fire(request, event)
    if fired is None:
        return request, ()
    changed = _with_attempt(request, fired.attempt)
    current = not request.finished and request.step == event.step + 1
    left = request.step < len(request.steps) and not own_code_expired(request, event.at)
    if not (fired.moves_on and current and left):
        return changed, fired.actions
    renew = fired.attempt.state is AttemptState.DROPPED and _never_out(changed)
    moved, actions = _run_step(changed, event.at, renew=renew)
    return moved, (*fired.actions, *actions)


def _never_out(request: Request) -> bool:
    """Whether nobody can have the current PIN: it has waited for a device, and may soon expire."""
    return all(attempt.tries == 0 for attempt in request.attempts if attempt.generation == request.generation)


def _with_attempt(request: Request, changed: Attempt) -> Request:
    return replace(request, attempts=tuple(changed if a.step == changed.step else a for a in request.attempts))


def _withdraw_waiting(request: Request, at: Ms, condition: Callable[[Attempt], bool]) -> Advanced:
    """Drop the attempts that wait for a device and meet the condition."""
    notes: tuple[Action, ...] = ()
    for attempt in request.attempts:
        fired = fire(request, GivenUp(attempt.step, Verdict.WITHDRAWN, at)) if condition(attempt) else None
        if fired is not None:
            request, notes = _with_attempt(request, fired.attempt), (*notes, *fired.actions)
    return request, notes


def pin_letter(generation: int) -> str:
    """How people name the PINs of a request: A, B, C... (a workflow has never more than 26 events)."""
    return chr(ord("A") + generation - 1)
