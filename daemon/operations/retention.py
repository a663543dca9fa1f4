"""Deletes what is too old, beside the traffic; and how a number is hashed and written.

A hash is an HMAC under a key of its own. The plain hashes of all numbers are tried in minutes; these cannot be without
that key. It is derived from the first master key and, after a rotation, lies in the database, sealed under the key in
use: so hashes stay the same. Without these master keys they can no longer be linked to a number.
"""

import asyncio
import contextlib
import functools
import hashlib
import hmac
import logging
from dataclasses import astuple
from typing import TYPE_CHECKING

from daemon.clock import Clock
from daemon.config import Retention
from daemon.core.milliseconds import Ms
from daemon.pins import Pins, SealBroken
from daemon.store.contract import StoreUnusable
from daemon.store.deletions import HASHED, Forgotten, Forms, Hash, Pruned, horizon
from daemon.store.upkeep import Upkeep

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

log = logging.getLogger("pinwheel.store")

STEP = 25  # rows in a transaction
PAUSE_S, LOOK_S = 0.05, 600.0  # between two steps; between two looks for what has become too old
LABEL, HEX_DIGITS = b"pinwheel numbers", 32
SEALED = "numbers key"  # setting of the database, and what the seal is bound to


def number_hash(master_key: bytes, sealed: str = "") -> Hash:
    """How numbers are hashed under this master key. sealed: the key of the hashes, after a rotation."""
    key = functools.cache(lambda: numbers_key(master_key, sealed))  # late: few daemons ever hash a number

    def hashed(number: str) -> str:
        return HASHED + hmac.digest(key(), number.encode(), hashlib.sha256).hex()[:HEX_DIGITS]

    return hashed


def numbers_key(master_key: bytes, sealed: str) -> bytes:
    """The key of the hashes; another one where it was sealed under a master key that is lost."""
    if sealed:
        with contextlib.suppress(SealBroken):
            return bytes.fromhex(Pins(master_key).unseal(SEALED, sealed))
    return hmac.digest(master_key, LABEL, hashlib.sha256)


def sealed_again(old: bytes, sealed: str, new: bytes) -> str:
    """The key of the hashes, sealed under a new master key."""
    return Pins(new).seal(SEALED, numbers_key(old, sealed).hex())


def forms(number: "PhoneNumber") -> Forms:
    """How a number may stand in a text."""
    import phonenumbers  # late, as everywhere: it takes long to load

    national = phonenumbers.national_significant_number(number)
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
    return Forms(f"{number.country_code}{national}", national, prefix)


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
