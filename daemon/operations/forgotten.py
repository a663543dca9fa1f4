"""What was forgotten stays forgotten, also in a database that comes from an older backup.

A list beside the database has a keyed hash of each number that was forgotten; the database knows how much of the list
it has obeyed. One that was restored knows less, and obeys the rest when the daemon runs.
"""

import asyncio
import logging
import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.core.commands import SetMeta
from daemon.engine import Engine
from daemon.operations.retention import Retaining, forms
from daemon.store.contract import Reading, StoreUnusable
from daemon.store.retention import Forgotten, Hash, StillRunning

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

log = logging.getLogger("pinwheel.store")

OBEYED = "numbers forgotten"  # setting of the database: how many lines of the list it has obeyed
LOOK_S, PAGE, PAUSE_S = 600.0, 500, 0.02
SENDER = re.compile(r" from \+?([0-9]{7,15}):")  # of an incoming message


class Forgetting:
    """Of one daemon. hashed: as the list has the numbers."""

    def __init__(self, engine: Engine, retaining: Retaining, file: Path, hashed: Hash) -> None:
        self._engine = engine
        self._retaining = retaining
        self._file = file
        self._hashed = hashed
        self._turn = asyncio.Lock()

    async def forget(self, number: "PhoneNumber") -> Forgotten:
        """As `Retaining.forget`, and for good. Raises StillRunning, StoreUnusable or OSError."""
        async with self._turn:
            done = await self._retaining.forget(number)
            count = await asyncio.to_thread(self._add, self._hashed(forms(number).digits))
            await self._engine.do(SetMeta(OBEYED, str(count)))
        return done

    async def run(self) -> None:
        """Obey what the database has not obeyed yet, until cancelled."""
        while True:
            try:
                await self.obey()
            except (StoreUnusable, OSError) as exc:
                log.error("forgotten=failed error=%r", str(exc))
            await asyncio.sleep(LOOK_S)

    async def obey(self) -> None:
        """Forget again what came back with a backup. Raises StoreUnusable or OSError."""
        async with self._turn:
            lines = await asyncio.to_thread(self._lines)
            known = await self._engine.store.browse(lambda reading: int(reading.meta(OBEYED) or 0))
            if known >= len(lines):
                return
            left = [number for number in await self._numbers(set(lines[known:])) if not await self._again(number)]
            if not left:
                await self._engine.do(SetMeta(OBEYED, str(len(lines))))
        log.info("forgotten=again lines=%s still_in_progress=%s", len(lines) - known, len(left))

    async def _again(self, digits: str) -> bool:
        """Whether it is forgotten now; not while a request of it is in progress."""
        import phonenumbers  # late: few daemons ever forget

        try:
            await self._retaining.forget(phonenumbers.parse(f"+{digits}"))
        except StillRunning:
            return False
        except phonenumbers.NumberParseException:
            pass  # no number of which a request could be
        return True

    async def _numbers(self, hashes: set[str]) -> list[str]:
        """The numbers in the database that the list means."""
        store, found, row, seq = self._engine.store, dict[str, None](), 0, 0
        while page := await store.browse(partial(_requests, row)):
            found |= dict.fromkeys(number for _, number in page)
            row = page[-1][0]
            await asyncio.sleep(PAUSE_S)
        while True:
            seq, senders = await store.browse(partial(_senders, seq))
            if not seq:
                break
            found |= dict.fromkeys(senders)
            await asyncio.sleep(PAUSE_S)
        return [number for number in found if number and self._hashed(number) in hashes]

    def _lines(self) -> list[str]:
        return self._file.read_text(encoding="ascii").split() if self._file.exists() else []

    def _add(self, line: str) -> int:
        """Durably; returns how many lines there are."""
        with open(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+", encoding="ascii") as file:
            lines = file.read().split()
            if line not in lines:
                file.write(f"{line}\n")
                file.flush()
                os.fsync(file.fileno())
                lines.append(line)
        return len(lines)


def _requests(row: int, reading: Reading) -> list[tuple[int, str]]:
    return [(number, request.number) for number, request in reading.after(row, PAGE)]


def _senders(seq: int, reading: Reading) -> tuple[int, Iterable[str]]:
    """The last seq of a page of history, and who sent the incoming messages in it; 0 behind the end."""
    lines = reading.history(seq, PAGE)
    senders = [found[1] for line in lines if line.kind == "incoming" and (found := SENDER.search(line.detail))]
    return (lines[-1].seq if lines else 0), senders
