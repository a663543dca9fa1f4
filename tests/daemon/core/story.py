"""Requests as one readable line each: "0 sms A | 125 tts A | 305 tts B | 605 expired"."""

from dataclasses import replace

from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, Deliver, Event, Request, Requested, Status, Step, StepDue
from daemon.core.pin_expiry import effective_expiry
from daemon.core.request_states import advance, pin_letter
from daemon.core.workflows import WORKFLOWS, with_wait

ABROAD, NATIONAL, OTHER = "447700900123", "07700900123", "447700900199"
"""A number, the same in its national form, and another one."""

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


def request(
    workflow: int = 1,
    *,
    pin_expiry: int | None = None,
    next_event_wait: int | None = None,
    own_pin: bool = False,
    steps: tuple[Step, ...] = (),
) -> Request:
    """A new request at time 0, before its first event; pin_expiry and next_event_wait in seconds."""
    return Request(
        id="0" * 32,
        number=ABROAD,
        brand="Acme",
        locale="en-gb",
        code_length=4,
        workflow_id=workflow,
        steps=with_wait(steps or WORKFLOWS[workflow], given(next_event_wait)),
        pin_expiry=effective_expiry(given(pin_expiry), given(next_event_wait)),
        expiry_given=pin_expiry is not None,
        created_at=s(0),
        sealed_pin="sealed" if own_pin else "",
    )


def of(row: int, number: str = ABROAD, *attempts: Attempt, status: Status = Status.IN_PROGRESS) -> Request:
    """A request that its id puts into this row."""
    return replace(request(1), id=f"{row:032x}", number=number, attempts=attempts, status=status)


def given(wish: int | None) -> Ms | None:
    """Seconds as a caller gives them."""
    return None if wish is None else s(wish)


def started(request: Request) -> Request:
    return advance(request, Requested(at=s(0)))[0]


def due(request: Request) -> StepDue:
    """The timer of a request that is in progress, on time."""
    assert request.due_at is not None
    return StepDue(request.step, request.due_at)


def timeline(request: Request, **events_at: Event) -> str:
    """A whole request as a line; nobody enters a code. `events_at` come just before the timer that they precede."""
    story: list[str] = []
    event: Event = Requested(at=s(0))
    pending = sorted(events_at.values(), key=lambda e: int(e.at))
    while True:
        request, actions = advance(request, event)
        for action in actions:
            if isinstance(action, Deliver):
                story.append(f"{in_seconds(event.at):g} {action.channel} {pin_letter(action.generation)}")
        if request.finished:
            return " | ".join([*story, f"{in_seconds(request.finalized_at or s(0)):g} {request.status.lower()}"])
        event = pending.pop(0) if pending and pending[0].at < due(request).at else due(request)
