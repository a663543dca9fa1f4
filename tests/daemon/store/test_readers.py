"""The threads that read: each has one connection of its own, and gives it back."""

import asyncio
import threading
from pathlib import Path

import pytest

from daemon.store.readers import Readers
from daemon.store.sqlite.database import SqliteDatabase
from tests.daemon.store.open_files import opened


def test_a_thread_opens_the_database_once_and_closes_it(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "pinwheel.db")
    database.open()
    before = opened(tmp_path)
    readers = Readers(database, 1, "reader")

    async def main() -> None:
        for _ in range(3):
            assert await readers.read(lambda reading: reading.live()) == 0
            assert opened(tmp_path) == before + 1

    asyncio.run(main())
    readers.close()
    database.close()  # SQLite closes no file of a database as long as the process has a lock on it
    assert opened(tmp_path) == 0


def test_at_the_end_what_is_being_read_is_finished_and_what_waits_is_not(database: SqliteDatabase) -> None:
    readers = Readers(database, 1, "reader")
    reads, go_on = threading.Event(), threading.Event()

    def query(_: object) -> bool:
        reads.set()
        return go_on.wait(20)

    async def main() -> None:
        under_way = asyncio.ensure_future(readers.read(query))
        waits = asyncio.ensure_future(readers.read(lambda reading: reading.live()))
        await asyncio.sleep(0)
        assert reads.wait(20)
        closing = asyncio.get_running_loop().run_in_executor(None, readers.close)
        with pytest.raises(asyncio.CancelledError):
            await waits
        go_on.set()
        assert await under_way
        await closing

    asyncio.run(main())
