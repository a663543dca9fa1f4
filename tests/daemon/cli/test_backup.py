"""A backup has everything that was answered before it; restored with its key, live requests go on."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from daemon.core.batch import Changes, Line
from daemon.core.milliseconds import EPOCH
from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.backup import back_up, check, put_aside, put_in_place, taking_over
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import sqlite
from daemon.store.sqlite.migrations import migrate
from daemon.store.store import Store
from drivers.simulated.modem import SimulatedModem
from tests.bench.backups import Starts
from tests.daemon.store.test_retention import add, day, named, verified
from tests.gateway import Gateway, modem_section, pin_in, until

PROGRAM = "from daemon.cli import main; main()"
NUMBER = "447700900123"


def pinwheel(gateway: Gateway, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """A command as a process of its own, as an operator runs it."""
    command = [sys.executable, "-c", PROGRAM, *map(str, words), "--config", str(gateway.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def ids(backup: Path) -> set[str]:
    with closing(sqlite.connect(f"file:{backup}?mode=ro&immutable=1", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT public_id FROM request")}


def test_a_backup_under_load_has_every_start_that_was_answered_before(tmp_path: Path) -> None:
    toml = "[security]\nrequests_per_second = 0\n"
    backups = [tmp_path / f"backup-{number}.db" for number in range(3)]
    with SimulatedModem() as modem, Gateway(tmp_path, toml + modem_section(modem.port), log_level="info") as gateway:
        load = Starts(gateway, 100)
        load.start()
        try:
            until(lambda: len(load.answered) >= 100, "a second of load")
            begun = len(load.answered)
            for backup in backups:
                before = {request_id for request_id, _ in load.answered}
                done = pinwheel(gateway, "backup", backup)
                assert done.returncode == 0, done.stderr
                assert before <= ids(backup)
            ended = len(load.answered)
        finally:
            load.ends.set()
            load.join()
    took = [seconds * 1000 for _, seconds in load.answered]
    print(f"worst start: {max(took[:begun]):.0f} ms before, {max(took[begun:ended]):.0f} ms beside backups")
    assert ended > begun
    for backup in backups:
        assert backup.stat().st_mode & 0o777 == 0o600
        check(backup)
    assert sorted(tmp_path.glob(".backup*")) == []


def test_on_another_host_live_requests_go_on_with_their_key(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    backup, key = tmp_path / "backup.db", tmp_path / "backup.key"
    with SimulatedModem(network_s=0.05) as modem, Gateway(here, modem_section(modem.port)) as gateway:
        request_id = gateway.verify(NUMBER, workflow_id=6)
        _, text = until(lambda: modem.accepted, "the SMS")[0]
        done = pinwheel(gateway, "backup", backup, "--key", key)
        assert done.returncode == 0, done.stderr
        again = pinwheel(gateway, "backup", tmp_path / "again.db", "--key", key)
        assert (again.returncode, "no key is ever replaced" in again.stderr) == (1, True)
        assert not (tmp_path / "again.db").exists()  # it used to be there, without its key
    with SimulatedModem() as modem, Gateway(there, modem_section(modem.port)) as other:
        running = pinwheel(other, "restore", backup, "--key", key)
        assert running.returncode == 1
        assert "first: systemctl stop pinwheel" in running.stderr
        other.stop()
        wrong = pinwheel(other, "restore", backup)
        assert wrong.returncode == 1
        assert "it is not the one that 1 live request(s)" in wrong.stderr
        done = pinwheel(other, "restore", backup, "--key", key)
        assert done.returncode == 0, done.stderr
        assert len(list(there.glob("pinwheel.db.2*"))) == 1
        assert put_aside(there / "pinwheel.db") == list(there.glob("pinwheel.db.2*"))
        assert len(list(there.glob("key.2*"))) == 1
        assert (there / "key").stat().st_mode & 0o777 == 0o600
        other.start()
        assert other.client.verify("check", request_id=request_id, code=pin_in(text))["status"] == "0"


@pytest.fixture
def filled(store: Store) -> Store:
    for number in range(30):
        add(store, verified(named(number, day(0))))
    return store


def test_a_backup_while_the_daemon_is_stopped_or_was_killed_is_whole(filled: Store, tmp_path: Path) -> None:
    """There used to be only cp, which misses what is in the write-ahead log."""
    target = tmp_path / "backup.db"
    back_up(tmp_path / "pinwheel.db", target)
    assert len(ids(target)) == 30
    filled.database.close()
    try:
        back_up(tmp_path / "pinwheel.db", target)
    finally:
        filled.database.open()
    assert len(ids(target)) == 30


def test_after_a_restore_events_are_numbered_behind_all_that_there_were(tmp_path: Path) -> None:
    """There used to be new ones below the last that a reader knew: he never got them."""
    path, backup = tmp_path / "p.db", tmp_path / "backup.db"

    def add_line(then: Callable[[], object]) -> list[int]:
        database = SqliteDatabase(path)
        database.open()
        database.save(Changes(history=[Line(EPOCH, "", "note", None, "")]))
        then()
        found = [seq for (seq,) in database.connection.execute("SELECT seq FROM history")]
        database.close()
        return found

    add_line(lambda: back_up(path, backup))
    assert add_line(lambda: None) == [1, 2]
    with backup.open("rb") as source, taking_over(path, source) as copy:
        put_in_place(copy, path)
    assert add_line(lambda: None) == [1, 3]


def test_the_copy_of_an_older_database_has_the_small_pages_of_a_new_one(tmp_path: Path) -> None:
    with closing(sqlite.connect(str(tmp_path / "p.db"), isolation_level=None)) as older:
        older.execute("PRAGMA page_size=4096")
        older.execute("PRAGMA journal_mode=WAL")
        migrate(older)
        back_up(tmp_path / "p.db", tmp_path / "backup.db")
    assert [int.from_bytes((tmp_path / name).read_bytes()[16:18]) for name in ("p.db", "backup.db")] == [4096, 2048]


@pytest.mark.parametrize("spoil", ["cut", "page", "text", "newer"])
@pytest.mark.usefixtures("filled")
def test_what_is_no_whole_database_is_refused(tmp_path: Path, spoil: str) -> None:
    backup = tmp_path / "backup.db"
    back_up(tmp_path / "pinwheel.db", backup)
    assert ids(backup) == {f"{number:032x}" for number in range(30)}
    octets = bytearray(backup.read_bytes())
    if spoil == "cut":
        del octets[len(octets) // 2 :]
    elif spoil == "page":
        octets[4096 * 2 : 4096 * 12] = b"\x55" * 4096 * 10
    elif spoil == "text":
        octets = bytearray(b"no database")
    else:
        with closing(sqlite.connect(str(backup))) as db, db:
            db.execute("INSERT INTO migration VALUES ('9999 of tomorrow', '')")
        octets = bytearray(backup.read_bytes())
    backup.write_bytes(octets)
    with pytest.raises(StoreUnusable):
        check(backup)


def test_a_backup_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    target.write_text("the earlier one")
    (tmp_path / "pinwheel.db").write_text("no database at all, but a text")
    with pytest.raises(StoreUnusable):
        back_up(tmp_path / "pinwheel.db", target)
    assert target.read_text() == "the earlier one"
    assert {path.name for path in tmp_path.iterdir()} == {"backup.db", "pinwheel.db"}
