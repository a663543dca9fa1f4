"""The values of the core. Nobody changes one (`core.values`); every time and every span is an `Ms`."""

from dataclasses import field
from enum import StrEnum

from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.outcomes import Outcome
from daemon.core.values import value


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

    QUEUED = "queued"  # waits for a device; nothing has gone out
    REQUEUED = "requeued"  # waits for a device again; what an earlier try became is unknown
    SENDING = "sending"  # durable before the device acts; after a crash it means: unknown
    SENT = "sent"  # the network took it
    DELIVERED = "delivered"  # the handset has it, or the callee heard the PIN
    REFUSED = "refused"  # said no for good
    UNCERTAIN = "uncertain"  # may or may not have gone out
    FAILED = "failed"  # did not go out or did not arrive
    DROPPED = "dropped"  # withdrawn before the device had it

    @property
    def waits(self) -> bool:
        """Whether it waits for a device."""
        return self in (AttemptState.QUEUED, AttemptState.REQUEUED)


class Verdict(StrEnum):
    """What a device, or the lane in front of it, says of one try. What that makes of the attempt, the core decides."""

    TAKEN = "taken"  # the network took it
    HEARD = "heard"  # the callee heard the PIN
    REFUSED = "refused"  # it would be refused again
    NOT_SENT = "not sent"  # nothing has gone out; another try may succeed
    UNCERTAIN = "uncertain"  # it may have gone out
    FAILED = "failed"  # it did not arrive, and is not tried again
    WITHDRAWN = "withdrawn"  # the lane took it back before the device had it


@value
class Step:
    """One event of a workflow and the wait after it."""

    channel: Channel
    wait: Ms


@value
class Attempt:
    """The delivery of one event. not_after is when its PIN expires.

    tries counts those that may have gone out, the one under way included; each is charged for one SMS.
    """

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


@value
class Request:
    """One verification: what was asked for, and where it stands.

    step counts the events that have run, so it is also the index of the next one; `due_at` is its one timer, set
    for that step (after the last event: for the end). The PIN itself is never here: `generation` numbers it from 1, and
    `key_number` the master key under which it was made.
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
    key_number: int = 1
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
        for attempt in self.attempts:
            if attempt.step == step:
                return attempt
        return None


# --- events: what happened ---------------------------------------------------------------------------------


@value
class Requested:
    """The request was made; its first event runs."""

    at: Ms


@value
class StepDue:
    """A timer fired that was set for this step."""

    step: int
    at: Ms


@value
class CodeSubmitted:
    """The person's code came in and was compared with the PIN of the current generation. ip_address: the person's."""

    correct: bool
    at: Ms
    ip_address: str = ""


@value
class CancelRequested:
    """The caller wants to stop. after, before_event: the limits in force (0: no limit)."""

    at: Ms
    after: Ms
    before_event: int


@value
class NextRequested:
    """The caller does not want to wait for the next event."""

    at: Ms


@value
class AttemptStarted:
    """A device is about to be given the delivery of this step."""

    step: int
    at: Ms
    device: str = ""


@value
class AttemptAnswered:
    """What the device made of the try that is under way.

    parts: SMS of it that may have gone out. resend: an uncertain one may go out once more. move_on: one that was
    refused or withdrawn starts the next event at once.
    """

    step: int
    verdict: Verdict
    at: Ms
    device: str = ""
    reference: str = ""
    detail: str = ""
    parts: int = 1
    resend: bool = False
    move_on: bool = False


@value
class AnsweredLate:
    """A driver learned later what the network said of a try that had ended as uncertain."""

    step: int
    verdict: Verdict
    at: Ms
    device: str = ""
    reference: str = ""
    detail: str = ""
    move_on: bool = False


@value
class Reported:
    """A status report came: the handset has the message, or never gets it."""

    step: int
    delivered: bool
    at: Ms
    device: str = ""
    reference: str = ""
    detail: str = ""


@value
class Interrupted:
    """The daemon stopped while the device had the delivery. resend: as of an uncertain one; parts: of its message."""

    step: int
    at: Ms
    resend: bool = False
    parts: int = 1


@value
class GivenUp:
    """A delivery that waits for a device is not wanted any more, or cannot be made. move_on: as in AttemptAnswered."""

    step: int
    verdict: Verdict
    at: Ms
    detail: str = ""
    move_on: bool = False


DeliveryEvent = AttemptStarted | AttemptAnswered | AnsweredLate | Reported | Interrupted | GivenUp
Event = Requested | StepDue | CodeSubmitted | CancelRequested | NextRequested | DeliveryEvent


# --- actions: what to do -----------------------------------------------------------------------------------


@value
class Deliver:
    """Give the PIN of this generation to the lane of this channel."""

    step: int
    channel: Channel
    generation: int
    not_after: Ms


@value
class SetTimer:
    """Replace the request's timer."""

    step: int
    at: Ms


@value
class ClearTimer:
    """The request has no timer any more."""


@value
class StopDelivery:
    """Drop what is queued, cancel what rings, hang up what speaks."""


@value
class RecordCheck:
    """Keep that a code was judged."""

    valid: bool
    ip_address: str = ""


@value
class Reply:
    """The answer to the caller: how the command ended."""

    outcome: Outcome


@value
class Charge:
    """So many SMS to this number may go out, or may have gone out, by this device: they count for its quota."""

    at: Ms
    device: str
    number: str = field(repr=False)
    count: int = 1


@value
class Refund:
    """So many SMS to this number that were charged to this device have not gone out."""

    device: str
    number: str = field(repr=False)
    count: int = 1


@value
class Note:
    """One line of the history. logged: in the log, too."""

    kind: str
    step: int | None = None
    detail: str = ""
    logged: bool = True


@value
class Remember:
    """Set a lasting setting that is not the configuration's."""

    name: str
    value: str


Accounting = Charge | Refund
Action = Deliver | SetTimer | ClearTimer | StopDelivery | RecordCheck | Reply | Note | Remember | Accounting
