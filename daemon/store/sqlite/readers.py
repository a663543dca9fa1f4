"""Threads that read, each on a connection of its own.

SQLite works without the interpreter's lock, so that the event loop goes on however large a table is.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from daemon.store.sqlite.library import Connection, connect
from daemon.store.sqlite.reading import Reading

T = TypeVar("T")


class Readers:
    """So many threads. Opened when they are first used."""

    def __init__(self, path: Path, threads: int, name: str) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(threads, name, self._open)
        self._connections: list[Connection] = []
        self._own = threading.local()  # each thread's Reading

    async def read(self, query: Callable[[Reading], T]) -> T:
        """The result of a query that sees what has been committed."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query)

    def close(self) -> None:
        """Finish what is being read, and no more."""
        self._threads.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _open(self) -> None:
        connection = connect(self._path, read_only=True)
        self._connections.append(connection)
        self._own.reading = Reading(connection)

    def _read(self, query: Callable[[Reading], T]) -> T:
        return query(self._own.reading)
