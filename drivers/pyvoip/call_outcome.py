"""How a call went: when it rang, was answered and ended, and what an operator calls that. Pure.

Times are arguments, in monotonic seconds.
"""

import re
from dataclasses import dataclass

import pyVoIP.VoIP  # noqa: F401  before pyVoIP.SIP, which it imports in a circle
from pyVoIP.SIP import SIPStatus

from drivers import CallOutcome, CallResult
from drivers.printable import printable
from drivers.pyvoip.speech import Speech
from drivers.sip.call_events import Ended

REASON_KEPT = 80  # characters
ONE_WAY_S = 1.0  # of a call in which no packet of the callee came; in a shorter one that says nothing
PLAYED_S = 0.5  # how long an ended call waits for the pacer to say how much it played

OUTCOMES: dict[int, CallOutcome] = {
    0: CallOutcome.UNREACHABLE,
    404: CallOutcome.NOT_FOUND,
    408: CallOutcome.UNREACHABLE,
    410: CallOutcome.NOT_FOUND,
    480: CallOutcome.NO_ANSWER,
    484: CallOutcome.NOT_FOUND,
    485: CallOutcome.NOT_FOUND,
    486: CallOutcome.BUSY,
    487: CallOutcome.NO_ANSWER,
    600: CallOutcome.BUSY,
    603: CallOutcome.DECLINED,
    604: CallOutcome.NOT_FOUND,
    607: CallOutcome.DECLINED,
    608: CallOutcome.DECLINED,
}
"""Final responses and what an operator calls them; the rest goes by its class."""
LATCHED = ", audio went to a host that the signalling does not name"
CLASSES = {5: CallOutcome.UNREACHABLE}
NEVER = float("inf")


def outcome_of(status: int) -> CallOutcome:
    """What a final response to INVITE means for the call."""
    return OUTCOMES.get(status) or CLASSES.get(status // 100, CallOutcome.REJECTED)


@dataclass(slots=True)
class Course:
    """ring_s: how long it may ring; limit_s: the longest call, from its answer.

    given_up_at: when we hung up, in whatever phase; timed_out: because it rang too long, or no response came;
    broken: why our own side failed, or "".
    """

    ring_s: float
    limit_s: float
    started: float
    rang_at: float | None = None
    answered_at: float | None = None
    given_up_at: float | None = None
    timed_out: bool = False
    broken: str = ""
    ended: Ended | None = None
    ended_at: float = 0.0

    @property
    def ring_deadline(self) -> float:
        waiting = self.answered_at is None and self.given_up_at is None and self.ended is None
        return (self.rang_at or self.started) + self.ring_s if waiting else NEVER

    @property
    def talk_deadline(self) -> float:
        return NEVER if self.answered_at is None else self.answered_at + self.limit_s

    @property
    def forget_at(self) -> float:
        """Of an ended call: so long the pacer has to say how much it played."""
        return NEVER if self.ended is None else self.ended_at + PLAYED_S

    def end(self, ended: Ended, now: float, broken: str = "") -> None:
        """Once; broken: a fault of ours that was known first counts."""
        if self.ended is None:
            self.ended, self.ended_at = ended, now
        self.broken = self.broken or broken

    def result(self, speech: Speech) -> CallResult:
        """Only of an ended call."""
        assert self.ended is not None
        answered = self.answered_at
        decided_at = next((at for at in (answered, self.given_up_at) if at is not None), self.ended_at)
        ring_s = max(decided_at - self.rang_at, 0.0) if self.rang_at is not None else 0.0
        talk_s = self.ended_at - answered if answered is not None else 0.0
        status = self.ended.status
        reason = self.broken or presentable(self.ended.reason) or _phrase(status)
        if self.ended.retry_after_s is not None:
            reason += f", try again after {self.ended.retry_after_s} s"
        reason += LATCHED if speech.latched else ""
        return CallResult(
            self._outcome(),
            status or None,
            reason,
            ring_s=ring_s,
            talk_s=talk_s,
            played_s=speech.played_s,
            cause=self.ended.cause,
            keys=speech.talk.keys,
            machine=speech.talk.machine,
            one_way=talk_s >= ONE_WAY_S and not speech.received,
            codec=speech.codec,
            sent=speech.sent,
            late=speech.late,
        )

    def _outcome(self) -> CallOutcome:
        assert self.ended is not None
        if self.broken:
            return CallOutcome.FAILED
        if self.answered_at is not None:
            return CallOutcome.ANSWERED
        if self.rang_at is not None and (self.timed_out or self.ended.status == 408):
            return CallOutcome.NO_ANSWER
        if self.timed_out:
            return CallOutcome.UNREACHABLE
        return CallOutcome.CANCELLED if self.ended.by_us else outcome_of(self.ended.status)


def presentable(reason: str) -> str:
    """A far end's reason phrase as it may stand in logs: short, printable, and without the number that it may name."""
    return re.sub(r"\+?\d(?:[ ().-]?\d){4,80}", "(number)", printable(reason, REASON_KEPT)).strip()


def _phrase(status: int) -> str:
    try:
        return str(SIPStatus(status).phrase)
    except ValueError:
        return ""
