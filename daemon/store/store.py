"""The store: by which every part of the daemon reads and writes, whichever the database.

Rules. Rows are the truth. One thread writes; what the loop submits in one turn, and what arrives while that thread
saves, shares a commit, and futures end only after it. Every other connection only reads. One daemon has a database at
a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from daemon.core.batch import Changes
from daemon.core.commands import Command, Decision
from daemon.core.histogram import Histogram
from daemon.store.batches import Batches, Decide, Then
from daemon.store.cached_figure import CachedFigure
from daemon.store.condition import Condition
from daemon.store.contract import Database, Reading, StoreUnusable
from daemon.store.readers import Readers

T = TypeVar("T")
STORE_AGAIN_S = 1.0  # after which what could not be read, or made durable, is tried again
DAMAGED_AGAIN_S = 60.0  # the same where damage was met: it may have been misread, and all else goes first
READERS, OPERATORS_READERS = 1, 1  # threads: what operators look at holds up no request, and costs one core at most


class Store:
    """The store on a database. Open it and close it; `submit` from the event loop's thread."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._batches: Batches | None = None
        self.counts = CachedFigure(lambda: self.browse(lambda reading: reading.counts()))
        self.timers = CachedFigure(lambda: self.browse(lambda reading: reading.timers()))

    def open(self) -> None:
        """Take the lock, bring the schema up to date, start the threads. Raises StoreUnusable."""
        self.database.open()
        self.reading: Reading = self.database.reader()
        """It holds up whoever asks: for the start, and for the tests."""
        self._readers = Readers(self.database, READERS, "store-reader")
        self._operators_readers = Readers(self.database, OPERATORS_READERS, "store-operators")
        self._batches = Batches(self.database)
        self._batches.open()

    def close(self) -> None:
        """Save what is queued, and close the database."""
        if self._batches is not None:
            self._batches.close()
            self._readers.close()
            self._operators_readers.close()
            self.reading.close()
        self.database.close()

    @property
    def broken(self) -> bool:
        """The last commit failed."""
        return self.database.broken

    @property
    def condition(self) -> Condition:
        return Condition(self.database.broken, self.database.damaged, self.database.misplaced)

    def commits(self) -> Histogram:
        """How long commits have taken so far, in seconds."""
        return self._writer.commits.copy()

    async def read(self, query: Callable[[Reading], T]) -> T:
        """The result of a query that sees what has been committed; it runs on a thread for reading."""
        return await self._readers.read(query)

    async def read_patiently(self, query: Callable[[Reading], T]) -> T:
        """As `read`; asked again until the store can be read. Only for what has no caller who waits."""
        while True:
            try:
                return await self.read(query)
            except StoreUnusable:  # PostgreSQL is away
                await asyncio.sleep(STORE_AGAIN_S)

    async def browse(self, query: Callable[[Reading], T]) -> T:
        """As `read`, for what operators look at, which may take long: no request waits for it."""
        return await self._operators_readers.read(query)

    def meta(self, name: str, default: str) -> str:
        """A lasting setting of this database, set to the default the first time. Only before `submit` is used.

        Raises StoreUnusable.
        """
        known = self.reading.meta(name)
        if known is None:
            self.set_meta({name: default})
        return default if known is None else known

    def set_meta(self, settings: Mapping[str, str]) -> None:
        """Change lasting settings, all at once. Only before `submit` is used. Raises StoreUnusable."""
        changed = {name: value for name, value in settings.items() if self.reading.meta(name) != value}
        if changed:
            self.database.save(Changes(meta=changed))

    def submit(self, command: Command, decide: Decide, then: Then = lambda _: None) -> "asyncio.Future[Decision]":
        """Decide a command in the next batch. The future ends after its commit, or in the command's exception.

        then: called with the decision after the commit, before whoever awaits the future; also if that was cancelled.
        """
        return self._writer.submit(command, decide, then)

    async def between(self, chore: Callable[[], T]) -> T:
        """The result of other work with the database, which may change rows, between two batches; or its exception."""
        return await self._writer.between(chore)

    @property
    def _writer(self) -> Batches:
        assert self._batches is not None, "the store is open"
        return self._batches

    async def turn(self) -> None:
        """Until all that was submitted before has been committed. Raises StoreUnusable."""
        await self._writer.turn()
