"""What became of a call: the attempt's state, and the story that an operator reads."""

from daemon.core.model import AttemptState
from daemon.prompts.library import Speech
from drivers import CallOutcome, CallResult

CALL_STATES: dict[CallOutcome, AttemptState] = {
    CallOutcome.ANSWERED: AttemptState.DELIVERED,
    CallOutcome.BUSY: AttemptState.FAILED,
    CallOutcome.DECLINED: AttemptState.FAILED,
    CallOutcome.NO_ANSWER: AttemptState.FAILED,
    CallOutcome.NOT_FOUND: AttemptState.REFUSED,
    CallOutcome.UNREACHABLE: AttemptState.FAILED,
    CallOutcome.REJECTED: AttemptState.REFUSED,
    CallOutcome.CANCELLED: AttemptState.DROPPED,
    CallOutcome.FAILED: AttemptState.FAILED,
}


def judged(result: CallResult, speech: Speech, wanted: str, *, asked: bool) -> tuple[AttemptState, str]:
    """The attempt's state and the story of the call; a call counts once the PIN was spoken."""
    state = CALL_STATES[result.outcome]
    told = f"{result.outcome}"
    if result.sip_code is not None and result.outcome is not CallOutcome.ANSWERED:
        told += f" ({result.sip_code} {result.reason})".replace(" )", ")")
    if result.cause is not None:
        told += f", Q.850 cause {result.cause}"
    told += f", rang {result.ring_s:.1f} s"
    if result.outcome is not CallOutcome.ANSWERED:
        return state, told
    told += f", talked {result.talk_s:.1f} s" + (f", keys {result.keys}" if result.keys else "")
    told += f", in {speech.locale}, as there are no prompts for {wanted}" if speech.locale != wanted else ""
    told += ", one-way: nothing was heard from the callee" if result.one_way else ""
    if result.machine:
        return AttemptState.FAILED, told + ", a machine answered"
    if asked and not result.played_s:
        return AttemptState.FAILED, told + ", nobody pressed 1"
    if result.played_s < speech.first_end_s:
        return AttemptState.FAILED, told + ", hung up before the PIN was spoken"
    if result.played_s < speech.second_end_s:
        told += ", hung up before the PIN was spoken twice"
    return state, told
