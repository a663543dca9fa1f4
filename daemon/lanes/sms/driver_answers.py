"""A driver's answer to a message, as the verdict that the core judges by."""

from collections import defaultdict, deque
from dataclasses import dataclass

from daemon.core.commands import Settle, SettleLate
from daemon.core.model import Verdict
from daemon.engine import Job
from daemon.lanes.sms.modem_slot import ModemSlot
from drivers import DriverError, Receipt, Refused, Sms, Unavailable, Uncertain

ANSWERED_LATE = 12  # messages of a modem to which it may still give an answer: more than a driver waits for

VERDICTS: dict[type[DriverError], Verdict] = {
    Refused: Verdict.REFUSED,
    Unavailable: Verdict.NOT_SENT,
    Uncertain: Verdict.UNCERTAIN,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a message. reference: TP-MR of its last part; parts: SMS of it that may have gone out."""

    verdict: Verdict
    reference: str = ""
    detail: str = ""
    parts: int = 0


def judged(answer: Receipt | DriverError) -> Judgement:
    if isinstance(answer, Receipt):
        return Judgement(Verdict.TAKEN, str(answer.references[-1]), parts=len(answer.references))
    verdict = next(verdict for kind, verdict in VERDICTS.items() if isinstance(answer, kind))
    return Judgement(verdict, detail=str(answer), parts=answer.parts if isinstance(answer, Uncertain) else 0)


class Unsettled:
    """The last messages of each modem that ended as uncertain: an answer to them may still come."""

    def __init__(self) -> None:
        self._last: dict[str, deque[tuple[Sms, Job]]] = defaultdict(lambda: deque(maxlen=ANSWERED_LATE))

    def add(self, slot: ModemSlot, sms: Sms, job: Job) -> None:
        self._last[slot.name].append((sms, job))

    def job(self, slot: ModemSlot, sms: Sms) -> Job | None:
        """Whose message it was; None for a test's."""
        return next((job for known, job in self._last[slot.name] if known is sms), None)


def settle(slot: ModemSlot, job: Job, judged: Judgement) -> Settle:
    """The command that records the answer."""
    said = (judged.reference, judged.detail, judged.parts)
    return Settle(job.request_id, job.step, judged.verdict, slot.name, *said)


def settle_late(slot: ModemSlot, job: Job, judged: Judgement) -> SettleLate:
    """The command that records an answer which the driver learned late."""
    return SettleLate(job.request_id, job.step, judged.verdict, slot.name, judged.reference, judged.detail)
