"""What is done to a database beside the traffic, between two batches: deleting by age, and one number."""

import asyncio

from daemon.store.forgetting import Forgotten, Forms
from daemon.store.retention import Deleted, Hash, Horizon
from daemon.store.store import Store

EMPTY_TRIES, EMPTY_AGAIN_S = 10, 0.2  # while somebody reads what was deleted


class Upkeep:
    """Every method is for the event loop's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def delete_old(self, horizon: Horizon, hashed: Hash, limit: int) -> Deleted:
        """Delete at most so many rows of each kind that are beyond the horizon. Raises StoreUnusable."""
        return await self._store.between(lambda: self._store.database.delete_old(horizon, hashed, limit))

    async def forget(self, forms: Forms, hashed: Hash) -> Forgotten:
        """Remove a number from every row, and from every file that is ours. Raises StillRunning or StoreUnusable."""
        found = await self._store.browse(lambda reading: reading.mentions(forms, hashed))
        database = self._store.database
        erased = await self._store.between(lambda: database.forget(forms, hashed, found))
        await self._store.between(database.rewrite)
        emptied = await self.empty_log()
        return Forgotten(erased.requests, erased.history, erased.sent, emptied, database.remains)

    async def empty_log(self) -> bool:
        """Whether nothing that was deleted is left in the write-ahead log; a reader keeps it there for a while.

        Raises StoreUnusable.
        """
        for _ in range(0 if self._store.database.remains else EMPTY_TRIES):
            if await self._store.between(self._store.database.empty_log):
                return True
            await asyncio.sleep(EMPTY_AGAIN_S)
        return False
