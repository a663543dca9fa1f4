"""Forgetting a number, for good: also in a database that comes from an older backup.

A list beside the database has a keyed hash of each number that was forgotten; the database knows how much of the list
it has obeyed. One that was restored knows less, and obeys the rest when the daemon runs.
"""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.core.commands import SetMeta
from daemon.core.masking import HASHED
from daemon.durable import sync
from daemon.engine import Engine
from daemon.operations.number_hash import HEX_DIGITS, forms
from daemon.store.contract import Reading, StoreUnusable
from daemon.store.forgetting import Forgotten, StillRunning
from daemon.store.retention import Hash
from daemon.store.upkeep import Upkeep

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

log = logging.getLogger("pinwheel.store")

OBEYED = "numbers forgotten"  # setting of the database: how many lines of the list it has obeyed
LINE = re.compile(rb"%b[0-9a-f]{%d}" % (HASHED.encode(), HEX_DIGITS))  # of the list
LOOK_S, PAGE, PAUSE_S = 600.0, 500, 0.02
SENDER = re.compile(r" from \+?([0-9]{7,15}):")  # of an incoming message


class Forgetting:
    """Of one daemon. hashed: as the list has the numbers; database: None where it is no file."""

    def __init__(self, engine: Engine, upkeep: Upkeep, file: Path, hashed: Hash, database: Path | None) -> None:
        self._engine = engine
        self._upkeep = upkeep
        self._file = file
        self._hashed = hashed
        self._database = database
        self._turn = asyncio.Lock()

    async def forget(self, number: "PhoneNumber") -> Forgotten:
        """Remove a number from every file, for good. Raises StillRunning, StoreUnusable or OSError."""
        async with self._turn:
            done = await self._remove(number)
            count = await asyncio.to_thread(self._add, self._hashed(forms(number).digits))
            if await self._obeyed() >= count - 1:  # else it has more to obey than this
                await self._engine.do(SetMeta(OBEYED, str(count)))
        return done

    def copies(self) -> list[str]:
        """Files that were made before, beside the database, which have what was in it then."""
        from daemon.operations.host.files import copies  # late: no start needs it

        return copies(self._database) if self._database is not None else []

    async def _remove(self, number: "PhoneNumber") -> Forgotten:
        done = await self._upkeep.forget(forms(number), self._hashed)
        log.info("forget=done requests=%s history=%s sent=%s log_emptied=%s remains=%r", *astuple(done))
        return done

    async def _obeyed(self) -> int:
        """How much of the list the database has obeyed."""
        return await self._engine.store.browse(lambda reading: int(reading.meta(OBEYED) or 0))

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
            known = await self._obeyed()
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
            await self._remove(phonenumbers.parse(f"+{digits}"))
        except StillRunning:
            return False
        except phonenumbers.NumberParseException:
            pass  # no number of which a request could be
        return True

    async def _numbers(self, hashes: set[str]) -> list[str]:
        """The numbers in the database that the list means. They are hashed where the database is read, page by page."""
        store, found, row, seq = self._engine.store, dict[str, None](), 0, 0

        def meant(numbers: Iterable[str]) -> dict[str, None]:
            return dict.fromkeys(number for number in numbers if number and self._hashed(number) in hashes)

        while row >= 0:
            row, numbers = await store.browse(partial(_requests, row, meant))
            found |= numbers
            await asyncio.sleep(PAUSE_S)
        while seq >= 0:
            seq, numbers = await store.browse(partial(_senders, seq, meant))
            found |= numbers
            await asyncio.sleep(PAUSE_S)
        return list(found | await store.browse(lambda reading: meant(reading.listing.recipients())))

    def _lines(self) -> list[str]:
        """What is no hash is passed over: half a line, or what a file system left behind after a power loss."""
        if not self._file.exists():
            return []
        with open(self._file, "rb") as file:
            return [found.decode() for line in file for found in LINE.findall(line)]

    def _add(self, line: str) -> int:
        """Durably; returns how many lines there are.

        Also where the number is there: a backup may have been made since, with new requests of it.
        """
        new = not self._file.exists()
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(self._file.parent)
        return len(self._lines())


Meant = Callable[[Iterable[str]], dict[str, None]]


def _requests(row: int, meant: Meant, reading: Reading) -> tuple[int, dict[str, None]]:
    """The last row of a page, and which of its numbers are meant; -1 behind the end."""
    page = reading.after(row, PAGE)
    return (page[-1][0] if page else -1), meant(request.number for _, request in page)


def _senders(seq: int, meant: Meant, reading: Reading) -> tuple[int, dict[str, None]]:
    """As `_requests`, of the history: who sent the incoming messages."""
    lines = reading.history(seq, PAGE)
    senders = [found[1] for line in lines if line.kind == "incoming" and (found := SENDER.search(line.detail))]
    return (lines[-1].seq if lines else -1), meant(senders)
