"""A number that was forgotten does not come back with a backup."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import phonenumbers
import pytest

from daemon.clock import Clock
from daemon.core.commands import Policy
from daemon.core.model import Charge, Status
from daemon.engine import Engine
from daemon.operations.forgetting import OBEYED, Forgetting
from daemon.pins import Pins
from daemon.store.forgetting import Forgotten
from daemon.store.sqlite.backup import back_up
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store
from daemon.store.upkeep import Upkeep
from tests.daemon.store.test_retention import HASH, NUMBER, add, day, incoming, named, verified
from tests.daemon.store.writes import act, insert, run, update

T = TypeVar("T")
OTHER = "447700900199"


class Host:
    """A state directory, and what its daemon would do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(SqliteDatabase(folder / "pinwheel.db"))
        self.store.open()

    def do(self, work: Callable[[Forgetting], Awaitable[T]]) -> T:
        async def main() -> T:
            engine = Engine(self.store, Clock(), Pins(b"k" * 32), Policy())
            return await work(
                Forgetting(engine, Upkeep(self.store), self.folder / "forgotten", HASH, self.folder / "pinwheel.db")
            )

        return asyncio.run(main())

    def forget(self, number: str) -> Forgotten:
        return self.do(lambda it: it.forget(phonenumbers.parse(f"+{number}")))

    def restore(self, backup: Path) -> None:
        self.store.close()
        for file in self.folder.glob("pinwheel.db*"):
            file.unlink()
        shutil.copy(backup, self.folder / "pinwheel.db")
        self.store = Store(SqliteDatabase(self.folder / "pinwheel.db"))
        self.store.open()

    def octets(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("pinwheel.db*")))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "state").mkdir()
    return Host(tmp_path / "state")


def test_a_restored_database_forgets_what_was_forgotten_after_the_backup(host: Host, tmp_path: Path) -> None:
    """There used to be only a line that asked the operator to forget them again."""
    add(host.store, verified(named(1, day(0), to=NUMBER)))
    add(host.store, verified(named(2, day(0), to=OTHER)))
    incoming(host.store, day(1), f"sim1 from +{NUMBER}: STOP")
    back_up(host.folder / "pinwheel.db", tmp_path / "backup.db")
    assert host.forget(NUMBER).requests == 1
    assert (host.folder / "forgotten").stat().st_mode & 0o777 == 0o600
    assert NUMBER.encode() not in (host.folder / "forgotten").read_bytes()
    host.restore(tmp_path / "backup.db")
    assert NUMBER.encode() in host.octets()
    host.do(lambda it: it.obey())
    assert NUMBER.encode() not in host.octets()
    assert OTHER.encode() in host.octets()
    assert host.store.reading.meta(OBEYED) == "1"
    host.store.close()


def test_what_restore_and_the_timer_left_beside_the_database_is_named(host: Host) -> None:
    """The database that a restore had put aside used to keep the number, and nobody was told."""
    assert host.do(copies) == []
    (host.folder / "backups").mkdir()
    kept = ["backups/pinwheel-Sun.db", "pinwheel.db.20261129T083624", "pinwheel.db.20261129T083624-wal"]
    for name in (*kept, "key.20261129T083624", "backups/note.txt"):
        (host.folder / name).touch()
    assert host.do(copies) == [str(host.folder / name) for name in kept]
    host.store.close()


async def copies(it: Forgetting) -> list[str]:
    return it.copies()


def texted_us(store: Store) -> None:
    incoming(store, day(1), f"sim1 from +{NUMBER}: STOP")


def counted_by_a_limit(store: Store) -> None:
    """Of a test message, or of a request that was deleted since."""
    run(store, act(Charge(day(0), "sim1", NUMBER)))


@pytest.mark.parametrize("left", [texted_us, counted_by_a_limit])
def test_a_number_that_no_request_has_is_forgotten_again_too(
    host: Host, tmp_path: Path, left: Callable[[Store], None]
) -> None:
    left(host.store)
    back_up(host.folder / "pinwheel.db", tmp_path / "backup.db")
    host.forget(NUMBER)
    host.restore(tmp_path / "backup.db")
    host.do(lambda it: it.obey())
    assert NUMBER.encode() not in host.octets()
    host.store.close()


def test_a_number_whose_request_came_back_alive_is_forgotten_when_that_has_ended(host: Host, tmp_path: Path) -> None:
    alive = replace(named(1, day(0), to=NUMBER), status=Status.IN_PROGRESS, attempts=())
    (row,) = run(host.store, insert(alive))
    back_up(host.folder / "pinwheel.db", tmp_path / "backup.db")
    ended = replace(alive, status=Status.EXPIRED, finalized_at=day(1))
    run(host.store, update(row, ended))
    host.forget(NUMBER)
    host.restore(tmp_path / "backup.db")
    host.do(lambda it: it.obey())
    assert host.store.reading.meta(OBEYED) is None
    run(host.store, update(row, ended))
    host.do(lambda it: it.obey())
    assert host.store.reading.meta(OBEYED) == "1"
    assert NUMBER.encode() not in host.octets()
    host.store.close()


def test_a_number_that_is_forgotten_again_after_a_backup_does_not_come_back_with_that(
    host: Host, tmp_path: Path
) -> None:
    """The list used to have it once only, so that the backup counted as one that had obeyed it."""
    host.forget(NUMBER)
    add(host.store, verified(named(1, day(0), to=NUMBER)))
    back_up(host.folder / "pinwheel.db", tmp_path / "backup.db")
    host.forget(NUMBER)
    host.restore(tmp_path / "backup.db")
    host.do(lambda it: it.obey())
    assert NUMBER.encode() not in host.octets()
    assert host.store.reading.meta(OBEYED) == "2"
    host.store.close()


def test_forgetting_a_number_does_not_pass_over_what_is_not_obeyed_yet(host: Host, tmp_path: Path) -> None:
    """It used to count the whole list as obeyed."""
    add(host.store, verified(named(1, day(0), to=NUMBER)))
    back_up(host.folder / "pinwheel.db", tmp_path / "backup.db")
    host.forget(NUMBER)
    host.restore(tmp_path / "backup.db")
    host.forget(OTHER)
    host.do(lambda it: it.obey())
    assert NUMBER.encode() not in host.octets()
    assert host.store.reading.meta(OBEYED) == "2"
    host.store.close()


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00", b"\0" * 99, b"h:0123", "h:\u0661\n".encode()])
def test_a_list_with_garbage_keeps_its_other_lines(host: Host, tmp_path: Path, garbage: bytes) -> None:
    """An octet that is not ASCII used to end the daemon; half a line used to swallow the next one."""
    add(host.store, verified(named(1, day(0), to=NUMBER)))
    back_up(host.folder / "pinwheel.db", tmp_path / "backup.db")
    (host.folder / "forgotten").write_bytes(garbage)
    host.forget(NUMBER)
    host.restore(tmp_path / "backup.db")
    host.do(lambda it: it.obey())
    assert NUMBER.encode() not in host.octets()
    host.store.close()
