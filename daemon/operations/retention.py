"""Deletes what is too old, beside the traffic."""

import asyncio
import logging
from dataclasses import astuple
from typing import TYPE_CHECKING

from daemon.clock import Clock
from daemon.config import Retention
from daemon.core.milliseconds import Ms
from daemon.operations.number_hash import forms
from daemon.store.contract import StoreUnusable
from daemon.store.deletions import Forgotten, Hash, Pruned, horizon
from daemon.store.upkeep import Upkeep

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

log = logging.getLogger("pinwheel.store")

STEP = 25  # rows in a transaction
PAUSE_S, LOOK_S = 0.05, 600.0  # between two steps; between two looks for what has become too old


class Retaining:
    """Of one daemon."""

    def __init__(self, upkeep: Upkeep, ages: Retention, hashed: Hash) -> None:
        self._upkeep = upkeep
        self.ages = ages
        self._hashed = hashed

    async def forget(self, number: "PhoneNumber") -> Forgotten:
        """Remove a number from every file. Raises StillRunning or StoreUnusable."""
        done = await self._upkeep.forget(forms(number), self._hashed)
        log.info("forget=done requests=%s history=%s sent=%s log_emptied=%s remains=%r", *astuple(done))
        return done

    async def run(self, clock: Clock) -> None:
        """Delete what has become too old, until cancelled: at least what counts for no quota any more."""
        while True:
            await self.turn(clock.now())
            await asyncio.sleep(LOOK_S)

    async def turn(self, at: Ms) -> Pruned:
        """All that is too old at this time, in small steps; returns how much that was."""
        ages = self.ages
        limit = horizon(at, numbers=ages.numbers, requests=ages.requests, history=ages.history, incoming=ages.incoming)
        total = Pruned()
        try:
            while any(step := await self._upkeep.prune(limit, self._hashed, STEP)):
                total = Pruned(*map(sum, zip(total, step, strict=True)))
                await asyncio.sleep(PAUSE_S)
            if any(total):
                await self._upkeep.empty_log()
        except StoreUnusable as exc:
            log.error("retention=failed error=%s", exc)
        if any(total[:-1]):
            log.info("retention=done numbers=%s requests=%s history=%s sent=%s", *total)
        return total
