"""What is done to a SQLite database beside the traffic, between two batches: letting go by age, and of one number."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from daemon.store.contract import Reading, StoreUnusable
from daemon.store.retention import Forgotten, Forms, Hash, Horizon, Pruned
from daemon.store.sqlite import forgetting, pruning
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import Connection, empty_log
from daemon.store.sqlite.reading import SqliteReading
from daemon.store.store import Store

T = TypeVar("T")
EMPTY_TRIES, EMPTY_AGAIN_S = 10, 0.2  # of the log, while somebody reads


class SqliteUpkeep:
    """Every method is for the event loop's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def prune(self, horizon: Horizon, hashed: Hash, limit: int) -> Pruned:
        """Let go of at most so many rows of each kind that are beyond the horizon. Raises StoreUnusable."""
        return await self._between(partial(pruning.prune, horizon=horizon, hashed=hashed, limit=limit))

    async def forget(self, forms: Forms, hashed: Hash) -> Forgotten:
        """Remove a number from every file. Raises StillRunning or StoreUnusable."""
        self._database()
        until, found = await self._store.browse(partial(_look, forms))
        chore = partial(forgetting.forget, forms=forms, hashed=hashed, found=found, looked_until=until)
        erased = await self._between(chore)
        await self._between(forgetting.wipe)
        return Forgotten(erased.requests, erased.history, erased.sent, await self.empty_log())

    async def empty_log(self) -> bool:
        """Whether nothing that was deleted is left in the write-ahead log; a reader keeps it there for a while.

        Raises StoreUnusable.
        """
        for _ in range(EMPTY_TRIES):
            if await self._between(empty_log):
                return True
            await asyncio.sleep(EMPTY_AGAIN_S)
        return False

    async def _between(self, chore: Callable[[Connection], T]) -> T:
        done = self._database().chores.add(chore)
        await asyncio.wait((done, asyncio.ensure_future(self._store.turn())))  # which wakes the thread
        return done.result()

    def _database(self) -> SqliteDatabase:
        if not isinstance(self._store.database, SqliteDatabase):
            raise StoreUnusable("only a SQLite database lets go of data so far")
        return self._store.database


def _look(forms: Forms, reading: Reading) -> tuple[int, list[int]]:
    """The end of the history, and what to look at up to there."""
    assert isinstance(reading, SqliteReading)
    return reading.last_seq(), forgetting.candidates(reading.connection, forms)
