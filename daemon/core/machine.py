"""Every state change of a request that there is: `advance(request, event) -> (request, actions)`.

Rules. A finished request changes no more, but for the truth about a delivery that was under way. A timer that was
set for another step, or fired too early, is ignored. A request has at most one timer, and its row is the truth
about it. An event that comes late by no more than PUNCTUAL counts as on time, so that a schedule does not drift;
one that comes later goes on from now, and one after the planned end only closes the request.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import (
    BY_EARLIER_TRY,
    MOVES,
    Action,
    Attempt,
    AttemptSettled,
    AttemptStarted,
    AttemptState,
    CancelRequested,
    ClearTimer,
    CodeSubmitted,
    Deliver,
    Event,
    NextRequested,
    Note,
    RecordCheck,
    Reply,
    Request,
    Requested,
    SetTimer,
    Status,
    StepDue,
    StopDelivery,
)
from daemon.core.outcomes import (
    Accepted,
    CodeExpired,
    EventHasRun,
    Gone,
    NothingMore,
    TooEarly,
    WrongCode,
    WrongTooOften,
)
from daemon.core.workflows import WRONG_CODES_ALLOWED

PUNCTUAL = seconds(5)
ARRIVED = frozenset({AttemptState.SENT, AttemptState.DELIVERED})
AFTER_DEATH = "after the PIN's death"  # in the detail of what came too late to be of use
MAX_TRIES = 2  # an uncertain delivery goes out once more at the most

Result = tuple[Request, tuple[Action, ...]]


def advance(request: Request, event: Event) -> Result:
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
        case AttemptStarted():
            return _attempt_started(request, event)
        case AttemptSettled():
            return _attempt_settled(request, event)
        case _:
            assert_never(event)


# --- the schedule ------------------------------------------------------------------------------------------


def _step_due(request: Request, event: StepDue) -> Result:
    if request.due_at is None or event.step != request.step or event.at < request.due_at:
        return request, ()
    at = request.due_at if event.at - request.due_at <= PUNCTUAL else event.at
    planned_end = sum((step.wait for step in request.steps[request.step :]), request.due_at)
    if _own_code_died(request, at) or at >= planned_end:
        return _finish(request, Status.EXPIRED, at)
    return _run_step(request, at)


def _run_step(request: Request, at: Ms, *, renew: bool = False) -> Result:
    """Run the next event at `at`; there is one. renew: with another PIN."""
    step = request.steps[request.step]
    pinned, due_at = _pin_and_timer(request, at, renew=renew)
    attempt = Attempt(request.step, step.channel, pinned.generation, pinned.pin_until, queued_at=at)
    kept, dropped = _drop_queued(
        request.attempts, at, lambda a: a.channel is step.channel or a.generation != pinned.generation
    )
    running = replace(
        pinned,
        step=request.step + 1,
        due_at=due_at,
        first_event_at=at if request.first_event_at is None else request.first_event_at,
        last_event_at=at,
        attempts=(*kept, attempt),
    )
    return running, (
        *dropped,
        Note("event", attempt.step, f"{step.channel} {pin_letter(pinned.generation)}"),
        Deliver(attempt.step, step.channel, attempt.generation, attempt.not_after),
        SetTimer(running.step, due_at),
        Reply(Accepted()),
    )


def _pin_and_timer(request: Request, at: Ms, *, renew: bool) -> tuple[Request, Ms]:
    """The request with the PIN that its next event sends, and when the timer after that event is due.

    The current PIN is sent while it is valid. Where no later event can make another, a life that the caller did not
    set lasts to the next timer, and one that he did set ends the request.
    """
    step = request.steps[request.step]
    until = request.pin_until
    due_at = at + step.wait
    generation, wrong = request.generation, request.wrong
    if generation == 0 or ((renew or at >= until) and not request.own_pin):
        generation, wrong, until = generation + 1, 0, at + request.pin_expiry
    if request.own_pin or request.step + 1 == len(request.steps):
        if request.expiry_given:
            due_at = min(due_at, until)
        else:
            until = max(until, due_at)
    return replace(request, generation=generation, wrong=wrong, pin_until=until), due_at


def _own_code_died(request: Request, at: Ms) -> bool:
    """Whether the caller's own code is over, which none can follow: no event may send it any more."""
    return request.own_pin and request.expiry_given and at >= request.pin_until


def _next_requested(request: Request, event: NextRequested) -> Result:
    if request.finished:
        return request, (Reply(Gone()),)
    if request.step == len(request.steps):
        return request, (Reply(NothingMore()),)
    if _own_code_died(request, event.at):
        return request, (Reply(CodeExpired()),)
    return _run_step(request, event.at)


def _cancel_requested(request: Request, event: CancelRequested) -> Result:
    if request.finished:
        return request, (Reply(Gone()),)
    if event.at < request.created_at + event.after:
        return request, (Reply(TooEarly(event.after)),)
    if event.before_event and request.step >= event.before_event:
        return request, (Reply(EventHasRun(event.before_event)),)
    return _finish(request, Status.CANCELLED, event.at, Reply(Accepted()))


def _finish(request: Request, status: Status, at: Ms, *answer: Action) -> Result:
    kept, dropped = _drop_queued(request.attempts, at, lambda _: True)
    finished = replace(request, status=status, due_at=None, finalized_at=at, attempts=kept)
    return finished, (*dropped, *answer, Note(status.lower()), ClearTimer(), StopDelivery())


# --- the code ----------------------------------------------------------------------------------------------


def _code_submitted(request: Request, event: CodeSubmitted) -> Result:
    if request.finished:
        return request, (Reply(Gone()),)
    if event.at >= request.pin_until:
        return request, (
            Reply(WrongCode()),
            RecordCheck(valid=False),
            Note("check", detail="no valid PIN at this time"),
        )
    if event.correct:
        return _finish(request, Status.SUCCESS, event.at, Reply(Accepted()), RecordCheck(valid=True))
    counted = replace(request, wrong=request.wrong + 1)
    record = (RecordCheck(valid=False), Note("check", detail=f"wrong code {counted.wrong} of {WRONG_CODES_ALLOWED}"))
    if counted.wrong < WRONG_CODES_ALLOWED:
        return counted, (Reply(WrongCode()), *record)
    return _finish(counted, Status.FAILED, event.at, Reply(WrongTooOften()), *record)


# --- deliveries --------------------------------------------------------------------------------------------


def _attempt_started(request: Request, event: AttemptStarted) -> Result:
    attempt = _attempt(request, event.step, AttemptState.SENDING)
    if attempt is None:
        return request, ()
    if event.at >= attempt.not_after:
        late = AttemptSettled(
            event.step, AttemptState.DROPPED, event.at, detail="the PIN expired before a device was free"
        )
        return _attempt_settled(request, late)
    sending = replace(attempt, state=AttemptState.SENDING, tries=attempt.tries + 1, device=event.device)
    return _with_attempt(request, sending), (Note("sending", event.step),)


def _attempt_settled(request: Request, event: AttemptSettled) -> Result:
    attempt = _attempt(request, event.step, event.state)
    if attempt is None:
        return request, ()
    state = _given_up(attempt) if event.state is AttemptState.DROPPED else event.state
    earlier_tries = attempt.tries - (attempt.state is not AttemptState.QUEUED)
    if event.state in (AttemptState.REFUSED, AttemptState.FAILED) and earlier_tries and not event.reference:
        state = AttemptState.UNCERTAIN  # one try was refused; the other may have arrived. A report knows which it means
    detail = event.detail
    if event.state in ARRIVED and _taken_at(attempt, event) >= _pin_dies_at(request, attempt):
        detail = f"{detail}, {AFTER_DEATH}" if detail else AFTER_DEATH
    settled = replace(
        attempt,
        state=state,
        reference=event.reference or attempt.reference,
        device=event.device if event.reference and event.device else attempt.device,
        detail=detail,
        settled_at=event.at,
    )
    note = Note(str(state), event.step, detail)
    current = not request.finished and request.step == event.step + 1
    left = request.step < len(request.steps) and not _own_code_died(request, event.at)
    match event.state:
        case AttemptState.QUEUED:
            settled = replace(settled, tries=attempt.tries - 1)
            return _again(request, settled, event.at, note)
        case AttemptState.UNCERTAIN if event.resend and current and settled.tries < MAX_TRIES:
            return _again(request, settled, event.at, note)
        case AttemptState.REFUSED | AttemptState.DROPPED if event.move_on and current and left:
            renew = event.state is AttemptState.DROPPED and _never_out(request)
            moved, actions = _run_step(_with_attempt(request, settled), event.at, renew=renew)
            return moved, (note, *actions)
        case _:
            return _with_attempt(request, settled), (note,)


def _taken_at(attempt: Attempt, event: AttemptSettled) -> Ms:
    """When the network, or the callee, had the PIN. A report may come much later, say from a phone that was off."""
    return event.at if attempt.state is not AttemptState.SENT or attempt.settled_at is None else attempt.settled_at


def _pin_dies_at(request: Request, attempt: Attempt) -> Ms:
    """When the PIN of an attempt dies, or died; a later event may have prolonged its life."""
    return request.pin_until if attempt.generation == request.generation else attempt.not_after


def _never_out(request: Request) -> bool:
    """Whether nobody can have the current PIN: it has waited for a device, and may have little of its life left."""
    return all(attempt.tries == 0 for attempt in request.attempts if attempt.generation == request.generation)


def _again(request: Request, attempt: Attempt, at: Ms, note: Note) -> Result:
    """Queue the attempt once more, unless the request is over or the PIN has died meanwhile."""
    if request.finished:
        return _with_attempt(request, replace(attempt, state=_given_up(attempt))), (note,)
    if at >= attempt.not_after:
        dead = replace(attempt, state=_given_up(attempt), detail=attempt.detail or "the PIN expired first")
        return _with_attempt(request, dead), (note,)
    queued = replace(attempt, state=AttemptState.QUEUED, settled_at=None)
    deliver = Deliver(queued.step, queued.channel, queued.generation, queued.not_after)
    return _with_attempt(request, queued), (note, deliver)


def _given_up(attempt: Attempt) -> AttemptState:
    """What an attempt is that is not sent again: the fate of an earlier try stays unknown."""
    tried = attempt.state is AttemptState.QUEUED and attempt.tries > 0
    return AttemptState.UNCERTAIN if tried or attempt.state is AttemptState.UNCERTAIN else AttemptState.DROPPED


def _attempt(request: Request, step: int, wanted: AttemptState) -> Attempt | None:
    """The attempt of a step, if it may go to the wanted state."""
    for attempt in request.attempts:
        if attempt.step == step and wanted in MOVES[attempt.state]:
            untried = attempt.state is AttemptState.QUEUED and not attempt.tries
            return None if untried and wanted in BY_EARLIER_TRY else attempt
    return None


def _with_attempt(request: Request, changed: Attempt) -> Request:
    return replace(request, attempts=tuple(changed if a.step == changed.step else a for a in request.attempts))


def _drop_queued(
    attempts: tuple[Attempt, ...], at: Ms, condition: Callable[[Attempt], bool]
) -> tuple[tuple[Attempt, ...], tuple[Note, ...]]:
    """The attempts with those still queued and meeting the condition given up, and a note for each of these."""
    kept: list[Attempt] = []
    notes: list[Note] = []
    for attempt in attempts:
        if attempt.state is AttemptState.QUEUED and condition(attempt):
            attempt = replace(attempt, state=_given_up(attempt), settled_at=at)
            notes.append(Note(str(attempt.state), attempt.step))
        kept.append(attempt)
    return tuple(kept), tuple(notes)


def pin_letter(generation: int) -> str:
    """How people name the PINs of a request: A, B, C... (a workflow has never more than 26 events)."""
    return chr(ord("A") + generation - 1)
