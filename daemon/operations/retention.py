"""Deletes what is too old, beside the traffic."""

import asyncio
import logging

from daemon.clock import Clock
from daemon.config import Retention
from daemon.core.milliseconds import Ms
from daemon.store.contract import StoreUnusable
from daemon.store.retention import Deleted, Hash, horizon
from daemon.store.upkeep import Upkeep

log = logging.getLogger("pinwheel.store")

STEP = 25  # rows in a transaction
PAUSE_S, LOOK_S = 0.05, 600.0  # between two steps; between two looks for what has become too old


class Retaining:
    """Of one daemon."""

    def __init__(self, upkeep: Upkeep, ages: Retention, hashed: Hash) -> None:
        self._upkeep = upkeep
        self.ages = ages
        self._hashed = hashed

    async def run(self, clock: Clock) -> None:
        """Delete what has become too old, until cancelled: at least what counts for no quota any more."""
        while True:
            await self.turn(clock.now())
            await asyncio.sleep(LOOK_S)

    async def turn(self, at: Ms) -> Deleted:
        """All that is too old at this time, in small steps; returns how much that was."""
        ages = self.ages
        limit = horizon(at, numbers=ages.numbers, requests=ages.requests, history=ages.history, incoming=ages.incoming)
        total = Deleted()
        try:
            while any(step := await self._upkeep.delete_old(limit, self._hashed, STEP)):
                total = Deleted(*map(sum, zip(total, step, strict=True)))
                await asyncio.sleep(PAUSE_S)
            if any(total):
                await self._upkeep.empty_log()
        except StoreUnusable as exc:
            log.error("retention=failed error=%s", exc)
        if any(total[:-1]):
            log.info("retention=done numbers=%s requests=%s history=%s sent=%s", *total)
        return total
