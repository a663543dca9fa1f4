"""The fate of one delivery: every change of an attempt that there is, in one table.

`TRANSITIONS` is keyed by the state of the attempt and the kind of event. What is not in the table came too late, or
is about nothing, and changes nothing. An attempt that has ended moves no more; only the count of its tries, and with
it the account of the SIM, may still be corrected.

The account: a try is charged for one SMS when it begins, and for each further part when the device has answered. It
is refunded when it is known that nothing went out. So charges less refunds are what may have gone out, and `tries` is
the part of it that can still be refunded.
"""

from collections.abc import Callable, Mapping
from typing import Any

from daemon.core.fast_replace import replace
from daemon.core.milliseconds import Ms
from daemon.core.model import (
    Action,
    AnsweredLate,
    Attempt,
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    Channel,
    Charge,
    Deliver,
    DeliveryEvent,
    GivenUp,
    Interrupted,
    Note,
    Refund,
    Reported,
    Request,
    Verdict,
)
from daemon.core.pin_expiry import expires_at
from daemon.core.values import value

AFTER_EXPIRY = "after the PIN had expired"  # in the detail of what came too late to be of use
INTERRUPTED = "the daemon stopped meanwhile"
MAX_TRIES = 2  # an uncertain delivery goes out once more at most

A = AttemptState
STATES: Mapping[Verdict, AttemptState] = {
    Verdict.TAKEN: A.SENT,
    Verdict.HEARD: A.DELIVERED,
    Verdict.REFUSED: A.REFUSED,
    Verdict.NOT_SENT: A.QUEUED,
    Verdict.UNCERTAIN: A.UNCERTAIN,
    Verdict.FAILED: A.FAILED,
    Verdict.WITHDRAWN: A.DROPPED,
}
"""What a verdict makes of an attempt with one try."""
ARRIVED = frozenset({A.SENT, A.DELIVERED})
WENT_OUT = frozenset({Verdict.TAKEN, Verdict.HEARD, Verdict.UNCERTAIN})  # or may have
MOVES_ON = frozenset({Verdict.REFUSED, Verdict.WITHDRAWN})


@value
class Fired:
    """What a transition made of the attempt. moves_on: the next event of the request may start at once."""

    attempt: Attempt
    actions: tuple[Action, ...] = ()
    moves_on: bool = False


def fire(request: Request, event: DeliveryEvent) -> Fired | None:
    """Apply what happened to an attempt of the request; None where it changes nothing."""
    attempt = request.attempt(event.step)
    if attempt is None:
        return None
    handler = TRANSITIONS.get((attempt.state, type(event)))
    return handler(request, attempt, event) if handler else None


# --- a try begins and is answered --------------------------------------------------------------------------


def _begin(request: Request, attempt: Attempt, event: AttemptStarted) -> Fired:
    if event.at >= attempt.not_after:
        expired = "the PIN expired before a device was free"
        return _give_up(request, attempt, GivenUp(event.step, Verdict.WITHDRAWN, event.at, expired))
    sending = replace(attempt, state=A.SENDING, tries=attempt.tries + 1, device=event.device)
    return Fired(sending, (*_charge(request, attempt, event, 1), Note("sending", event.step, event.device)))


def _answer(request: Request, attempt: Attempt, event: AttemptAnswered) -> Fired:
    counted, account = _account(request, attempt, event)
    others_unknown = attempt.tries > 1
    state = STATES[event.verdict]
    if others_unknown and state not in ARRIVED:
        state = A.REQUEUED if state is A.QUEUED else A.UNCERTAIN  # this try did not arrive; another may have
    settled = _settled(request, counted, event, state)
    again = event.verdict is Verdict.NOT_SENT or (
        event.verdict is Verdict.UNCERTAIN and event.resend and _current(request, attempt) and counted.tries < MAX_TRIES
    )
    if again:
        return _again(request, settled, event.at, account)
    return Fired(settled, (*account, Note(str(state), event.step, settled.detail)), _moves_on(event))


def _interrupt(request: Request, attempt: Attempt, event: Interrupted) -> Fired:
    unknown = AttemptAnswered(
        event.step, Verdict.UNCERTAIN, event.at, detail=INTERRUPTED, parts=event.parts, resend=event.resend
    )
    return _answer(request, attempt, unknown)


def _again(request: Request, attempt: Attempt, at: Ms, account: tuple[Action, ...]) -> Fired:
    """Let the attempt wait for a device once more, unless the request is over or the PIN has expired meanwhile."""
    note = Note("uncertain" if attempt.state is A.UNCERTAIN else "queued", attempt.step, attempt.detail)
    if request.finished or at >= attempt.not_after:
        why = attempt.detail if request.finished else attempt.detail or "the PIN expired first"
        return Fired(replace(attempt, state=_ended(attempt), detail=why), (*account, note))
    queued = replace(attempt, state=_waiting(attempt), settled_at=None)
    deliver = Deliver(queued.step, queued.channel, queued.generation, queued.not_after)
    return Fired(queued, (*account, note, deliver))


def _moves_on(event: AttemptAnswered | GivenUp | AnsweredLate) -> bool:
    return event.move_on and event.verdict in MOVES_ON


# --- it is withdrawn while it waits ------------------------------------------------------------------------


def _give_up(_: Request, attempt: Attempt, event: GivenUp) -> Fired:
    state = STATES[event.verdict] if attempt.state is A.QUEUED else A.UNCERTAIN
    ended = replace(attempt, state=state, detail=event.detail or attempt.detail, settled_at=event.at)
    return Fired(ended, (Note(str(state), event.step, event.detail),), _moves_on(event))


# --- news of a try whose fate was unknown ------------------------------------------------------------------


def _report(request: Request, attempt: Attempt, event: Reported) -> Fired:
    if attempt.state is A.SENDING and attempt.tries > 1 and not event.delivered:  # the try under way may yet arrive
        first_failed = replace(attempt, reference=event.reference)
        return Fired(first_failed, (Note("uncertain", event.step, event.detail),))
    settled = _settled(request, attempt, event, A.DELIVERED if event.delivered else A.FAILED)
    return Fired(settled, (Note(str(settled.state), event.step, settled.detail),))


def _answer_late(request: Request, attempt: Attempt, event: AnsweredLate) -> Fired | None:
    """The network took one try after all, or did not: then the others are what is left."""
    if event.verdict is Verdict.UNCERTAIN:
        return None
    if event.verdict not in WENT_OUT and attempt.tries <= _least_tries(attempt):
        return None
    if event.verdict in WENT_OUT:
        settled = _settled(request, attempt, event, STATES[event.verdict])
        return Fired(settled, (Note(str(settled.state), event.step, settled.detail),))
    fewer, refund = _refunded(request, attempt, event)
    if attempt.state is A.REQUEUED:
        return Fired(replace(fewer, state=_waiting(fewer)), refund)
    if attempt.state is A.SENDING and fewer.tries:
        return Fired(fewer, refund)
    failed = A.REFUSED if event.verdict is Verdict.REFUSED else A.FAILED  # by now another event may be under way
    state = A.UNCERTAIN if fewer.tries > _least_tries(fewer) else failed
    settled = _settled(request, fewer, event, state)
    return Fired(settled, (*refund, Note(str(state), event.step, settled.detail)), _moves_on(event))


def _only_count(request: Request, attempt: Attempt, event: AttemptAnswered | AnsweredLate) -> Fired | None:
    """The attempt has ended by news of another try; what this one cost is still counted."""
    if isinstance(event, AttemptAnswered):
        counted, account = _account(request, attempt, event)
    elif event.verdict in WENT_OUT or attempt.tries <= _least_tries(attempt):
        return None
    else:
        counted, account = _refunded(request, attempt, event)
    return Fired(counted, account) if account else None


# --- the account of the SIM --------------------------------------------------------------------------------


def _account(request: Request, attempt: Attempt, event: AttemptAnswered) -> tuple[Attempt, tuple[Action, ...]]:
    """The attempt with the try counted as what it was, and the charges for it beyond the one of its begin."""
    parts = max(event.parts, 1) if event.verdict in WENT_OUT else event.parts
    if parts and event.verdict is not Verdict.NOT_SENT:
        return attempt, _charge(request, attempt, event, parts - 1)
    if attempt.tries <= _least_tries(attempt):
        return attempt, ()
    return _refunded(request, attempt, event)


def _refunded(
    request: Request, attempt: Attempt, event: AttemptAnswered | AnsweredLate
) -> tuple[Attempt, tuple[Action, ...]]:
    fewer = replace(attempt, tries=attempt.tries - 1)
    if attempt.channel is not Channel.SMS:
        return fewer, ()
    return fewer, (Refund(event.device or attempt.device, request.number),)


def _charge(
    request: Request, attempt: Attempt, event: AttemptStarted | AttemptAnswered, count: int
) -> tuple[Action, ...]:
    if not count or attempt.channel is not Channel.SMS:
        return ()
    return (Charge(event.at, event.device or attempt.device, request.number, count),)


def _least_tries(attempt: Attempt) -> int:
    """The tries that have gone out for certain."""
    return 1 if attempt.state in ARRIVED or attempt.reference else 0


# --- what is left --------------------------------------------------------------------------------------------


def _settled(
    request: Request, attempt: Attempt, event: AttemptAnswered | AnsweredLate | Reported, state: AttemptState
) -> Attempt:
    detail = event.detail
    if state in ARRIVED and _taken_at(attempt, event.at) >= expires_at(request, attempt):
        detail = f"{detail}, {AFTER_EXPIRY}" if detail else AFTER_EXPIRY
    return replace(
        attempt,
        state=state,
        reference=event.reference or attempt.reference,
        device=event.device if event.reference and event.device else attempt.device,
        detail=detail,
        settled_at=event.at,
    )


def _taken_at(attempt: Attempt, at: Ms) -> Ms:
    """When the network, or the callee, had the PIN. A report may come much later, say from a phone that was off."""
    return at if attempt.state is not A.SENT or attempt.settled_at is None else attempt.settled_at


def _current(request: Request, attempt: Attempt) -> bool:
    return not request.finished and request.step == attempt.step + 1


def _waiting(attempt: Attempt) -> AttemptState:
    return A.REQUEUED if attempt.tries else A.QUEUED


def _ended(attempt: Attempt) -> AttemptState:
    """What becomes of an attempt that is not sent again: what may have gone out stays uncertain."""
    return A.UNCERTAIN if attempt.tries else A.DROPPED


Handler = Callable[[Request, Attempt, Any], Fired | None]

TRANSITIONS: Mapping[tuple[AttemptState, type[DeliveryEvent]], Handler] = {
    (A.QUEUED, AttemptStarted): _begin,
    (A.QUEUED, GivenUp): _give_up,
    (A.REQUEUED, AttemptStarted): _begin,
    (A.REQUEUED, GivenUp): _give_up,
    (A.REQUEUED, AnsweredLate): _answer_late,
    (A.REQUEUED, Reported): _report,
    (A.SENDING, AttemptAnswered): _answer,
    (A.SENDING, Interrupted): _interrupt,
    (A.SENDING, AnsweredLate): _answer_late,
    (A.SENDING, Reported): _report,
    (A.UNCERTAIN, AnsweredLate): _answer_late,
    (A.UNCERTAIN, Reported): _report,
    (A.SENT, Reported): _report,
    (A.SENT, AttemptAnswered): _only_count,
    (A.SENT, AnsweredLate): _only_count,
    (A.DELIVERED, AttemptAnswered): _only_count,
    (A.DELIVERED, AnsweredLate): _only_count,
    (A.FAILED, AttemptAnswered): _only_count,
    (A.FAILED, AnsweredLate): _only_count,
    (A.REFUSED, AttemptAnswered): _only_count,
}
"""State and kind of event -> what happens. After DROPPED, nothing does."""
