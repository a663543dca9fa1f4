"""A driver's answer to a message as the attempt's state, and how it is recorded."""

import asyncio

from daemon.core.model import AttemptState
from daemon.engine import Engine, Job, Outcome
from daemon.lanes.sms.slots import ModemSlot
from drivers import DriverError, Receipt, Refused, Unavailable, Uncertain

ERROR_STATES: dict[type[DriverError], AttemptState] = {
    Refused: AttemptState.REFUSED,
    Unavailable: AttemptState.QUEUED,
    Uncertain: AttemptState.UNCERTAIN,
}

Told = tuple[AttemptState, str, str]
"""A driver's answer as the attempt's state, the message reference, and what an operator should know."""


def told(answer: Receipt | DriverError) -> Told:
    if isinstance(answer, Receipt):
        return AttemptState.SENT, str(answer.references[-1]), ""
    return next(state for kind, state in ERROR_STATES.items() if isinstance(answer, kind)), "", str(answer)


def parts_of(answer: Receipt | DriverError) -> int:
    """How many SMS it may have been."""
    if isinstance(answer, Receipt):
        return len(answer.references)
    return answer.parts if isinstance(answer, Uncertain) else 0


def settle(
    engine: Engine, slot: ModemSlot, job: Job, judged: Told, parts: int = 1, only: AttemptState | None = None
) -> "asyncio.Future[Outcome]":
    """Record an answer. parts: that may have gone out; only: as in `Engine.settle`."""
    state, reference, detail = judged
    return engine.settle(
        job.request_id,
        job.step,
        state,
        device=slot.name,
        reference=reference,
        detail=detail,
        parts=parts,
        only=only,
    )
