"""The store by which every part reads and writes."""

import asyncio
import threading
from pathlib import Path

import pytest

from daemon.store.contract import Reading, StoreUnusable
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store
from tests.daemon.store.open_files import opened
from tests.daemon.store.writes import connection, insert, locked, named, run


def test_a_store_that_is_closed_has_saved_what_was_submitted_and_leaves_no_thread_and_no_file(
    tmp_path: Path,
) -> None:
    before = set(threading.enumerate())
    store = Store(SqliteDatabase(tmp_path / "pinwheel.db"))
    store.open()

    async def main() -> None:
        submitted = store.submit(*insert(named(1)))
        await store.read(lambda reading: reading.live())
        await store.browse(lambda reading: reading.live())
        ours = set(threading.enumerate()) - before
        assert {thread.name for thread in ours} >= {"store-reader_0", "store-operators_0"}
        store.close()
        await submitted

    asyncio.run(main())
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()
    assert opened(tmp_path) == 0
    again = Store(SqliteDatabase(tmp_path / "pinwheel.db"))
    again.open()
    assert again.reading.request(named(1).id) is not None
    again.close()


def test_a_store_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    """So a start that fails says why it failed, and nothing else."""
    Store(SqliteDatabase(tmp_path / "pinwheel.db")).close()


def test_a_commit_that_failed_makes_the_store_broken(store: Store, tmp_path: Path) -> None:
    with locked(tmp_path, store):
        (refused,) = run(store, insert(named(1)))
        assert isinstance(refused, StoreUnusable)
        assert store.broken
    run(store, insert(named(1)))
    assert not store.broken


def test_commits_are_counted_and_whoever_asks_gets_a_copy(store: Store) -> None:
    before = store.commits()
    run(store, insert(named(1)))
    after = store.commits()
    assert sum(after.counts) == sum(before.counts) + 1


def test_requests_are_counted_by_status(store: Store) -> None:
    run(store, insert(named(1)))
    assert asyncio.run(store.counts.get()) == {named(1).status: 1}


def test_what_nobody_waits_for_is_read_again_until_it_can_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.store.store.STORE_AGAIN_S", 0.0)
    away = [True, True, False]

    def query(reading: Reading) -> int:
        if away.pop(0):
            raise StoreUnusable("PostgreSQL is away")
        return reading.live()

    assert asyncio.run(store.read_patiently(query)) == 0
    assert away == []


def test_a_setting_that_is_as_it_should_be_is_not_written(store: Store) -> None:
    assert store.meta("origin", "1") == "1"
    before = connection(store).total_changes
    assert store.meta("origin", "2") == "1"
    store.set_meta({"origin": "1"})
    assert connection(store).total_changes == before
    store.set_meta({"origin": "3", "speed": "2"})
    assert (store.meta("origin", ""), store.meta("speed", "")) == ("3", "2")


def test_a_turn_ends_after_what_was_submitted_before(store: Store) -> None:
    async def main() -> None:
        submitted = store.submit(*insert(named(1)))
        await store.turn()
        assert submitted.done()

    asyncio.run(main())
