"""A driver's answer to a message as the attempt's state, and how it is recorded."""

import asyncio
from dataclasses import dataclass

from daemon.core.model import AttemptState
from daemon.engine import Engine, Job, Result
from daemon.lanes.sms.slots import ModemSlot
from drivers import DriverError, Receipt, Refused, Unavailable, Uncertain

ERROR_STATES: dict[type[DriverError], AttemptState] = {
    Refused: AttemptState.REFUSED,
    Unavailable: AttemptState.QUEUED,
    Uncertain: AttemptState.UNCERTAIN,
}


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a message. reference: TP-MR of its last part; detail: what an operator should know."""

    state: AttemptState
    reference: str = ""
    detail: str = ""


def settlement(answer: Receipt | DriverError) -> Settlement:
    if isinstance(answer, Receipt):
        return Settlement(AttemptState.SENT, str(answer.references[-1]))
    state = next(state for kind, state in ERROR_STATES.items() if isinstance(answer, kind))
    return Settlement(state, detail=str(answer))


def parts_of(answer: Receipt | DriverError) -> int:
    """How many SMS it may have been."""
    if isinstance(answer, Receipt):
        return len(answer.references)
    return answer.parts if isinstance(answer, Uncertain) else 0


def settle(
    engine: Engine, slot: ModemSlot, job: Job, settled: Settlement, parts: int = 1, only: AttemptState | None = None
) -> "asyncio.Future[Result]":
    """Record it. parts: that may have gone out; only: as in `Engine.settle`."""
    return engine.settle(
        job.request_id,
        job.step,
        settled.state,
        device=slot.name,
        reference=settled.reference,
        detail=settled.detail,
        parts=parts,
        only=only,
    )
