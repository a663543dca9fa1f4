"""Threads that read, each on a connection of its own.

A database works without the interpreter's lock, so that the event loop goes on however large a table is.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from daemon.store.contract import Database, Reading

T = TypeVar("T")


class Readers:
    """So many threads. Opened when they are first used."""

    def __init__(self, database: Database, threads: int, name: str) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(threads, name)
        self._opened: list[Reading] = []
        self._own = threading.local()  # each thread's Reading

    async def read(self, query: Callable[[Reading], T]) -> T:
        """The result of a query that sees what has been committed. Raises StoreUnusable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query)

    def close(self) -> None:
        """Finish what is being read, and no more."""
        self._threads.shutdown(cancel_futures=True)
        for reading in self._opened:
            reading.close()

    def _read(self, query: Callable[[Reading], T]) -> T:
        if not hasattr(self._own, "reading"):
            self._own.reading = self._database.reader()
            self._opened.append(self._own.reading)
        return query(self._own.reading)
