"""What became of a call: the verdict, and the record that an operator reads."""

from daemon.core.model import Verdict
from daemon.prompts.library import Speech
from drivers import CallOutcome, CallResult

CALL_VERDICTS: dict[CallOutcome, Verdict] = {
    CallOutcome.ANSWERED: Verdict.HEARD,
    CallOutcome.BUSY: Verdict.FAILED,
    CallOutcome.DECLINED: Verdict.FAILED,
    CallOutcome.NO_ANSWER: Verdict.FAILED,
    CallOutcome.NOT_FOUND: Verdict.REFUSED,
    CallOutcome.UNREACHABLE: Verdict.FAILED,
    CallOutcome.REJECTED: Verdict.REFUSED,
    CallOutcome.CANCELLED: Verdict.WITHDRAWN,
    CallOutcome.FAILED: Verdict.FAILED,
}

NO_RESPONSE = "none"
SIP_CLASSES: dict[CallOutcome, tuple[str, ...]] = {
    CallOutcome.ANSWERED: ("2xx",),
    CallOutcome.BUSY: ("4xx", "6xx"),
    CallOutcome.DECLINED: ("6xx",),
    CallOutcome.NO_ANSWER: (NO_RESPONSE, "4xx"),
    CallOutcome.NOT_FOUND: ("4xx", "6xx"),
    CallOutcome.UNREACHABLE: (NO_RESPONSE, "4xx", "5xx"),
    CallOutcome.REJECTED: ("3xx", "4xx", "6xx"),
    CallOutcome.CANCELLED: (NO_RESPONSE, "4xx"),
    CallOutcome.FAILED: (NO_RESPONSE,),
}
"""The classes of responses (RFC 3261 7.2) that usually go with an outcome: monitoring has these from the start."""


def sip_class(code: int | None) -> str:
    """Of a final response, such as "4xx"; "none" where there was none."""
    return f"{code // 100}xx" if code is not None and 100 <= code < 700 else NO_RESPONSE


def judged(result: CallResult, speech: Speech, wanted: str, *, asked: bool) -> tuple[Verdict, str]:
    """The verdict and the record of the call; a call counts once the PIN was spoken."""
    verdict = CALL_VERDICTS[result.outcome]
    text = f"{result.outcome}"
    if result.sip_code is not None and result.outcome is not CallOutcome.ANSWERED:
        text += f" ({result.sip_code} {result.reason})".replace(" )", ")")
    if result.cause is not None:
        text += f", Q.850 cause {result.cause}"
    text += f", rang {result.ring_s:.1f} s"
    if result.outcome is not CallOutcome.ANSWERED:
        return verdict, text
    text += f", talked {result.talk_s:.1f} s" + (f", keys {result.keys}" if result.keys else "")
    text += f", in {speech.locale}, as there are no prompts for {wanted}" if speech.locale != wanted else ""
    text += ", one-way: nothing was heard from the callee" if result.one_way else ""
    if result.machine:
        return Verdict.FAILED, text + ", a machine answered"
    if asked and not result.played_s:
        return Verdict.FAILED, text + ", nobody pressed 1"
    if not times_spoken(result, speech):
        return Verdict.FAILED, text + ", hung up before the PIN was spoken"
    if times_spoken(result, speech) < 2:
        text += ", hung up before the PIN was spoken twice"
    return verdict, text


def times_spoken(result: CallResult, speech: Speech) -> int:
    """How often the digits were said to the end, 0 to 2."""
    return sum(result.played_s >= end_s for end_s in (speech.first_end_s, speech.second_end_s))
