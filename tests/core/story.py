"""Requests told as one readable line: "0 sms A | 125 tts A | 305 tts B | 605 expired"."""

from daemon.core.machine import advance, pin_letter
from daemon.core.model import Deliver, Event, Request, Requested, Step, StepDue
from daemon.core.workflows import WORKFLOWS, effective_expiry, with_wait


def request(
    workflow: int = 1,
    *,
    pin_expiry: int | None = None,
    next_event_wait: int | None = None,
    own_pin: bool = False,
    steps: tuple[Step, ...] = (),
) -> Request:
    """A new request at time 0, before its first event."""
    return Request(
        id="0" * 32,
        number="447700900123",
        brand="Acme",
        locale="en-gb",
        code_length=4,
        workflow_id=workflow,
        steps=with_wait(steps or WORKFLOWS[workflow], next_event_wait),
        pin_expiry_s=effective_expiry(pin_expiry, next_event_wait),
        expiry_given=pin_expiry is not None,
        created_at=0.0,
        sealed_pin="sealed" if own_pin else "",
    )


def started(request: Request) -> Request:
    return advance(request, Requested(at=0.0))[0]


def due(request: Request) -> StepDue:
    """The timer of a request that is in progress, on time."""
    assert request.due_at is not None
    return StepDue(request.step, request.due_at)


def timeline(request: Request, **events_at: Event) -> str:
    """The whole life of a request as a line, nobody typing a code; `events_at` come just before the timer they beat."""
    story: list[str] = []
    event: Event = Requested(at=0.0)
    pending = sorted(events_at.values(), key=lambda e: e.at)
    while True:
        request, actions = advance(request, event)
        for action in actions:
            if isinstance(action, Deliver):
                story.append(f"{event.at:g} {action.channel} {pin_letter(action.generation)}")
        if request.finished:
            return " | ".join([*story, f"{request.finalized_at:g} {request.status.lower()}"])
        event = pending.pop(0) if pending and pending[0].at < due(request).at else due(request)
