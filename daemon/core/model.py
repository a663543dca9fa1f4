"""The values of the core. All of them are frozen; every time and every span is an `Ms`."""

from dataclasses import dataclass, field
from enum import StrEnum

from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.outcomes import Outcome


class Channel(StrEnum):
    """How an event reaches the person."""

    SMS = "sms"
    TTS = "tts"


class Status(StrEnum):
    """Where a request stands, in the words of the Verify reference."""

    IN_PROGRESS = "IN PROGRESS"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class AttemptState(StrEnum):
    """Where the delivery of one event stands."""

    QUEUED = "queued"  # waits for a device
    SENDING = "sending"  # durable before the device acts; after a crash it means: unknown
    SENT = "sent"  # the network took it
    DELIVERED = "delivered"  # the handset has it, or the callee heard the PIN
    REFUSED = "refused"  # said no for good
    UNCERTAIN = "uncertain"  # may or may not have gone out
    FAILED = "failed"  # did not go out or did not arrive
    DROPPED = "dropped"  # withdrawn before the device had it


A = AttemptState
MOVES: dict[AttemptState, frozenset[AttemptState]] = {
    A.QUEUED: frozenset({A.SENDING, A.SENT, A.DELIVERED, A.REFUSED, A.UNCERTAIN, A.FAILED, A.DROPPED}),
    A.SENDING: frozenset({A.QUEUED, A.SENT, A.DELIVERED, A.REFUSED, A.UNCERTAIN, A.FAILED, A.DROPPED}),
    A.SENT: frozenset({A.DELIVERED, A.FAILED}),
    A.UNCERTAIN: frozenset({A.QUEUED, A.SENT, A.DELIVERED, A.REFUSED, A.FAILED}),
    A.DELIVERED: frozenset(),
    A.REFUSED: frozenset(),
    A.FAILED: frozenset(),
    A.DROPPED: frozenset(),
}
"""Every change of an attempt that there is; whatever else is asked for came too late and is ignored."""
BY_EARLIER_TRY = frozenset({A.SENT, A.DELIVERED, A.UNCERTAIN})
"""What a queued attempt can become only for the sake of an earlier try whose fate was unknown."""
del A


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a workflow and the wait after it."""

    channel: Channel
    wait: Ms


@dataclass(frozen=True, slots=True)
class Attempt:
    """The delivery of one event. tries counts how often it may have gone out; not_after is when its PIN dies."""

    step: int
    channel: Channel
    generation: int
    not_after: Ms
    queued_at: Ms
    state: AttemptState = AttemptState.QUEUED
    tries: int = 0
    device: str = ""
    reference: str = ""
    detail: str = ""
    settled_at: Ms | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One verification: what was asked for, and where it stands.

    step counts the events that have run, so it is also the index of the next one; `due_at` is its one timer, set
    for that step (after the last event: for the end). The PIN itself is never here: `generation` numbers it from 1.
    """

    id: str
    number: str = field(repr=False)
    brand: str
    locale: str
    code_length: int
    workflow_id: int
    steps: tuple[Step, ...]
    pin_expiry: Ms
    expiry_given: bool
    created_at: Ms
    sealed_pin: str = field(default="", repr=False)
    sender_id: str = "VERIFY"
    account: str = ""
    status: Status = Status.IN_PROGRESS
    step: int = 0
    generation: int = 0
    pin_until: Ms = EPOCH
    wrong: int = 0
    due_at: Ms | None = None
    first_event_at: Ms | None = None
    last_event_at: Ms | None = None
    finalized_at: Ms | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def finished(self) -> bool:
        return self.status is not Status.IN_PROGRESS

    @property
    def own_pin(self) -> bool:
        """The caller brought the code: no other is ever made."""
        return bool(self.sealed_pin)

    def attempt(self, step: int) -> Attempt | None:
        """The delivery of an event; None before there is one."""
        return next((attempt for attempt in self.attempts if attempt.step == step), None)

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that the workflow uses."""
        return frozenset(step.channel for step in self.steps)


# --- events: what happened ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requested:
    """The request was made; its first event runs."""

    at: Ms


@dataclass(frozen=True, slots=True)
class StepDue:
    """A timer fired that was set for this step."""

    step: int
    at: Ms


@dataclass(frozen=True, slots=True)
class CodeSubmitted:
    """The person's code came in and was compared with the PIN of the current generation."""

    correct: bool
    at: Ms


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The caller wants to stop. after, before_event: the limits in force (0: no limit)."""

    at: Ms
    after: Ms
    before_event: int


@dataclass(frozen=True, slots=True)
class NextRequested:
    """The caller does not want to wait for the next event."""

    at: Ms


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A device is about to be given the delivery of this step."""

    step: int
    at: Ms
    device: str = ""


@dataclass(frozen=True, slots=True)
class AttemptSettled:
    """What became of the delivery of this step.

    state QUEUED means that nothing has been sent and it shall be tried again. device: whose the reference is; it may
    be an earlier try's. resend: an uncertain one may go out once more. move_on: one that was refused or dropped starts
    the next event at once.
    """

    step: int
    state: AttemptState
    at: Ms
    reference: str = ""
    detail: str = ""
    device: str = ""
    resend: bool = False
    move_on: bool = False


Event = Requested | StepDue | CodeSubmitted | CancelRequested | NextRequested | AttemptStarted | AttemptSettled


# --- actions: what to do -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give the PIN of this generation to the lane of this channel."""

    step: int
    channel: Channel
    generation: int
    not_after: Ms


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Replace the request's timer."""

    step: int
    at: Ms


@dataclass(frozen=True, slots=True)
class ClearTimer:
    """The request has no timer any more."""


@dataclass(frozen=True, slots=True)
class StopDelivery:
    """Drop what is queued, cancel what rings, hang up what speaks."""


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """Keep that a code was judged."""

    valid: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Tell the caller how the command ended."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the request's history."""

    kind: str
    step: int | None = None
    detail: str = ""


Action = Deliver | SetTimer | ClearTimer | StopDelivery | RecordCheck | Reply | Note
