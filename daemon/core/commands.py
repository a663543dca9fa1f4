"""Commands: what is asked of the engine, as values; and `decide`, what each makes of the state that it needs.

A command names what it needs (`Loaded` says what that can be), `decide` applies it in memory, and the `Decision` is all
that follows: the request as it is now, what is to be stored, what is to be done once that is durable, and how it ended
for whoever asked. Nothing else of a command reads or writes.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, assert_never

from daemon.core.active_per_number import too_many
from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import (
    Action,
    AnsweredLate,
    Attempt,
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    CancelRequested,
    Charge,
    CodeSubmitted,
    Event,
    GivenUp,
    Interrupted,
    NextRequested,
    Note,
    Refund,
    Remember,
    Reply,
    Reported,
    Request,
    Requested,
    StepDue,
    Verdict,
)
from daemon.core.outcomes import Outcome, Unknown
from daemon.core.ownership import Caller
from daemon.core.request_states import advance
from daemon.core.values import value

CANCEL_AFTER = seconds(30)  # the rule of the Verify reference


@value
class Policy:
    """What the operator decided about requests. move_on: verdicts after which the next event runs at once.

    resend: by modem, whether an uncertain message may go out once more.
    """

    max_active_per_number: int = 1
    cancel_after: Ms = CANCEL_AFTER
    cancel_before_event: int = 2
    move_on: frozenset[Verdict] = frozenset()
    resend: Mapping[str, bool] = field(default_factory=dict)

    def resends(self, request: Request, step: int) -> bool:
        """Whether the message of this event may go out once more, where its fate is unknown."""
        attempt = request.attempt(step)
        return attempt is not None and self.resend.get(attempt.device, False)


# --- of callers: they need the request, if it is the caller's; a start needs what runs for its number -------


@value
class Start:
    """Store a new request and run its first event."""

    insist: ClassVar[bool] = False
    caller: Caller
    request: Request


@value
class Check:
    """Judge a code against the PIN of the request. ip_address: the person's."""

    insist: ClassVar[bool] = False
    caller: Caller
    request_id: str
    code: str = field(repr=False)
    ip_address: str = ""


@value
class Cancel:
    """Stop the request."""

    insist: ClassVar[bool] = False
    caller: Caller
    request_id: str


@value
class Next:
    """Run the next event now."""

    insist: ClassVar[bool] = False
    caller: Caller
    request_id: str


# --- of lanes: they need the request -----------------------------------------------------------------------


@value
class Begin:
    """A device is about to be used; `Decision.begun` says for what."""

    insist: ClassVar[bool] = False
    request_id: str
    step: int
    device: str


@value
class Settle:
    """What the device made of the try that it had. parts: SMS that may have gone out."""

    insist: ClassVar[bool] = True
    request_id: str
    step: int
    verdict: Verdict
    device: str = ""
    reference: str = ""
    detail: str = ""
    parts: int = 1


@value
class SettleLate:
    """What the network said of a try, as the driver learned later."""

    insist: ClassVar[bool] = True
    request_id: str
    step: int
    verdict: Verdict
    device: str
    reference: str = ""
    detail: str = ""


@value
class GiveUp:
    """A delivery that waits is not made."""

    insist: ClassVar[bool] = True
    request_id: str
    step: int
    verdict: Verdict
    detail: str


@value
class Interrupt:
    """The daemon stopped while a device had the delivery. parts: SMS that may have gone out."""

    insist: ClassVar[bool] = True
    request_id: str
    step: int
    parts: int = 1


@value
class Report:
    """A status report for the newest message since a time that it can mean. insist: the device gives it only once.

    ending: the last digits of the number, the same in every form of it; "" for a short code.
    """

    number: str = field(repr=False)
    reference: str
    device: str
    since: Ms
    delivered: bool
    detail: str
    insist: bool = True
    ending: str = field(default="", repr=False)


@value
class Fire:
    """A timer of the request with this row id may be due."""

    insist: ClassVar[bool] = True
    row: int


# --- of no request, or of one that they do not change: they need nothing ------------------------------------


@value
class ChargeTest:
    """A message that belongs to no request is about to go out."""

    insist: ClassVar[bool] = False
    device: str
    number: str = field(repr=False)


@value
class RefundTest:
    """It has not gone out."""

    insist: ClassVar[bool] = True
    device: str
    number: str = field(repr=False)


@value
class AddNote:
    """Add a line to the history that changes nothing. request_id: "" for what belongs to no request."""

    request_id: str
    step: int | None
    kind: str
    detail: str = field(default="", repr=False)
    insist: bool = False


@value
class SetMeta:
    """Set a lasting setting that is not the configuration's."""

    insist: ClassVar[bool] = False
    name: str
    value: str


OfCaller = Check | Cancel | Next
OfDelivery = Begin | Settle | SettleLate | GiveUp | Interrupt
Command = Start | OfCaller | OfDelivery | Report | Fire | ChargeTest | RefundTest | AddNote | SetMeta


# --- what they make of the state ---------------------------------------------------------------------------


@value
class Loaded:
    """What a command needs, as it stands; what it does not need is left out.

    row, request: the one that it names, or that its report means, by the event of `step`. active: those that run for
    the number of a start, the oldest first. right: whether the code is the PIN that the request has now.
    """

    row: int = 0
    request: Request | None = None
    step: int = 0
    active: tuple[Request, ...] = ()
    right: bool = False


@value
class Decision:
    """What a command led to. before: the request as it was loaded, None for a new one; after: as it is to be stored.

    row is 0 while nothing is stored. request_id: whose the notes are.
    """

    actions: tuple[Action, ...] = ()
    row: int = 0
    before: Request | None = None
    after: Request | None = None
    request_id: str = ""

    def of_row(self, row: int) -> "Decision":
        """The same, of a request that has this row id now."""
        return Decision(self.actions, row, self.before, self.after, self.request_id)

    @property
    def changed(self) -> bool:
        """Whether anything follows from the command."""
        return bool(self.actions)

    @property
    def outcome(self) -> Outcome:
        """How it ended for the caller."""
        return next((a.outcome for a in self.actions if isinstance(a, Reply)), Unknown())

    def begun(self, step: int) -> tuple[Request, Attempt] | None:
        """What a device may send now; None if the delivery is no longer wanted."""
        if self.after is None or not self.actions:
            return None
        attempt = self.after.attempt(step)
        return (self.after, attempt) if attempt and attempt.state is AttemptState.SENDING else None


NOTHING = Decision()


def decide(command: Command, loaded: Loaded, at: Ms, policy: Policy) -> Decision:
    """What a command makes of what it needs, at a time."""
    match command:
        case Start():
            return _start(command, loaded.active, at, policy)
        case Check() | Cancel() | Next():
            if loaded.request is None or not command.caller.owns(loaded.request):
                return Decision((Reply(Unknown()),))
            return _advanced(loaded, _callers_event(command, loaded, at, policy))
        case Begin() | Settle() | SettleLate() | GiveUp() | Interrupt():
            if loaded.request is None:
                return NOTHING
            return _advanced(loaded, _delivery_event(command, loaded.request, at, policy))
        case Report():
            said = (command.delivered, at, command.device, command.reference, command.detail)
            return _advanced(loaded, Reported(loaded.step, *said))
        case Fire():
            step = 0 if loaded.request is None else loaded.request.step
            return _advanced(loaded, StepDue(step, at))
        case ChargeTest():
            return Decision((Charge(at, command.device, command.number),))
        case RefundTest():
            return Decision((Refund(command.device, command.number),))
        case AddNote():
            note = Note(command.kind, command.step, command.detail, logged=False)
            return Decision((note,), request_id=command.request_id)
        case SetMeta():
            return Decision((Remember(command.name, command.value),))
        case _:
            assert_never(command)


def _start(command: Start, active: tuple[Request, ...], at: Ms, policy: Policy) -> Decision:
    busy = too_many(active, policy.max_active_per_number, command.caller)
    if busy is not None:
        return Decision((Reply(busy),))
    request = command.request
    started = Note("started", None, f"workflow {request.workflow_id}, {request.locale}", logged=False)
    after, actions = advance(request, Requested(at))
    return Decision((started, *actions), 0, None, after, request.id)


def _advanced(loaded: Loaded, event: Event) -> Decision:
    if loaded.request is None:
        return NOTHING
    after, actions = advance(loaded.request, event)
    return Decision(actions, loaded.row, loaded.request, after, after.id)


def _callers_event(command: OfCaller, loaded: Loaded, at: Ms, policy: Policy) -> Event:
    match command:
        case Check():
            return CodeSubmitted(loaded.right, at, command.ip_address)
        case Cancel():
            return CancelRequested(at, policy.cancel_after, policy.cancel_before_event)
        case Next():
            return NextRequested(at)
        case _:
            assert_never(command)


def _delivery_event(command: OfDelivery, request: Request, at: Ms, policy: Policy) -> Event:
    match command:
        case Begin(step=step):
            return AttemptStarted(step, at, command.device)
        case Settle(step=step, verdict=verdict):
            said = (command.device, command.reference, command.detail, command.parts)
            policies = (policy.resends(request, step), verdict in policy.move_on)
            return AttemptAnswered(step, verdict, at, *said, *policies)
        case SettleLate(step=step, verdict=verdict):
            late = (command.device, command.reference, command.detail)
            return AnsweredLate(step, verdict, at, *late, verdict in policy.move_on)
        case GiveUp(step=step, verdict=verdict):
            return GivenUp(step, verdict, at, command.detail, verdict in policy.move_on)
        case Interrupt(step=step, parts=parts):
            return Interrupted(step, at, policy.resends(request, step), parts)
        case _:
            assert_never(command)
