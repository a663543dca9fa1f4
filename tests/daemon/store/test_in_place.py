"""A database whose files are moved, deleted, replaced or written over while the daemon has them open."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.core.batch import Changes
from daemon.store.condition import WELL, Condition, Misplaced
from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.backup import back_up
from daemon.store.sqlite.database import RECOVER_S, SqliteDatabase
from daemon.store.sqlite.in_place import File, Files, Kind, judged
from daemon.store.sqlite.library import connect
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section, until

OURS = Files(File(1, 10, 4096, b"head"), File(1, 11, 500), File(1, 12, 32), File(1, 13), b"folded")
KEPT = 300  # octets of a log


BACK = Misplaced(
    "/p.db is not there any more: it was moved or deleted",
    "put it back: the daemon goes on by itself; a restart without it begins with an empty database",
)
OTHER = Misplaced(
    "/p.db was replaced by another file",
    "put the earlier one back: the daemon goes on by itself; a restart begins with the one that is there",
)
RESTORE, AGAIN = "systemctl stop pinwheel.socket pinwheel; pinwheel restore BACKUP", "the daemon starts again by itself"
WRITTEN = Misplaced("something has written over /p.db", RESTORE)


def gone(what: str) -> Misplaced:
    return Misplaced(f"{what} beside /p.db was deleted or replaced", AGAIN)


@pytest.mark.parametrize(
    ("found", "kind", "said"),
    [
        (OURS, None, None),
        (OURS._replace(wal=File(1, 11, 900), shm=File(1, 12, 64)), None, None),
        (OURS._replace(wal=File(1, 11, KEPT)), None, None),
        (OURS._replace(database=None), Kind.AWAY, BACK),
        (Files(None, None, None, None), Kind.AWAY, BACK),
        (OURS._replace(database=File(1, 99, 4096, b"other")), Kind.AWAY, OTHER),
        (OURS._replace(database=File(2, 10, 9, b"head")), Kind.AWAY, OTHER),
        (
            OURS._replace(database=File(1, 99, 4096, b"head")),
            Kind.COPIED,
            Misplaced("/p.db was replaced by a copy of it", AGAIN),
        ),
        (OURS._replace(database=File(1, 10, 4096, b"other")), Kind.OVERWRITTEN, WRITTEN),
        (OURS._replace(database=File(1, 10, 0, b"")), Kind.OVERWRITTEN, WRITTEN),
        (
            OURS._replace(wal=File(1, 11, KEPT - 1)),
            Kind.OVERWRITTEN,
            Misplaced("something has cut /p.db-wal", RESTORE),
        ),
        (OURS._replace(database=File(1, 10, 9, b"new"), wal=File(1, 11, 0), folded=b"more"), None, None),
        (OURS._replace(wal=None), Kind.BESIDE, gone("its log")),
        (OURS._replace(wal=File(1, 99, 1)), Kind.BESIDE, gone("its log")),
        (OURS._replace(shm=None), Kind.BESIDE, gone("its index")),
        (OURS._replace(lock=None), Kind.BESIDE, gone("its lock")),
        (OURS._replace(lock=File(1, 99)), Kind.BESIDE, gone("its lock")),
        (OURS._replace(lock=File(2, 13)), Kind.BESIDE, gone("its lock")),
    ],
)
def test_what_is_not_in_its_place_is_named_with_the_remedy(
    found: Files, kind: Kind | None, said: Misplaced | None
) -> None:
    wrong = judged("/p.db", OURS, found, KEPT)
    assert (wrong and wrong.kind, wrong and wrong.said) == (kind, said)


def test_a_log_may_become_no_shorter_than_it_was_though_that_was_less_than_what_is_kept() -> None:
    short = OURS._replace(wal=File(1, 11, KEPT - 100))
    assert judged("/p.db", short, short, KEPT) is None
    cut = judged("/p.db", short, OURS._replace(wal=File(1, 11, KEPT - 101)), KEPT)
    assert cut is not None
    assert cut.kind is Kind.OVERWRITTEN


def test_a_log_that_was_not_there_is_not_cut() -> None:
    before = OURS._replace(wal=None)
    wrong = judged("/p.db", before, OURS, KEPT)
    assert wrong is not None
    assert wrong.kind is Kind.BESIDE


def test_each_fact_is_said_by_itself() -> None:
    assert str(WELL) == "ok"
    assert str(Condition(damaged=True)) == "a part of the database is damaged"
    assert str(Condition(True, False, Misplaced("it was moved", "."))) == "it was moved; the last write failed"


# --- real files -----------------------------------------------------------------------------------------------


@pytest.fixture
def database(database: SqliteDatabase) -> SqliteDatabase:
    database.save(Changes(meta={"before": "yes"}))
    return database


BY_SQLITE = (
    "SELECT count(*) FROM meta",
    "INSERT INTO meta VALUES ('theirs', 'yes')",
    "PRAGMA wal_checkpoint(PASSIVE)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "VACUUM",
)


def test_a_program_that_uses_the_database_by_sqlite_has_not_written_over_it(
    path: Path, database: SqliteDatabase
) -> None:
    """A look with sqlite3, or Litestream, would have put the gateway out of service."""
    for number, statement in enumerate(BY_SQLITE):
        database.save(Changes(meta={f"ours {number}": "yes"}))
        by = f"import sqlite3; sqlite3.connect({str(path)!r}, isolation_level=None).execute({statement!r}).fetchall()"
        subprocess.run([sys.executable, "-c", by], check=True)
        database.save(Changes(meta={f"and after {number}": "yes"}))
        assert database.misplaced is None, statement
    database.close()
    assert meta(path) == [*(f"and after {n}" for n in range(5)), "before", *(f"ours {n}" for n in range(5)), "theirs"]
    database.open()


def meta(path: Path) -> list[str]:
    """The names, as a daemon that starts now finds them."""
    again = connect(path)
    try:
        return [name for (name,) in again.execute("SELECT name FROM meta ORDER BY name")]
    finally:
        again.close()


def refused(database: SqliteDatabase, words: str) -> None:
    with pytest.raises(StoreUnusable, match=words):
        database.save(Changes(meta={"lost": "yes"}))
    assert database.broken
    assert database.misplaced is not None
    assert database.pause_s == RECOVER_S


@pytest.mark.parametrize("put", [None, "a new file", "another database"])
def test_nothing_is_written_into_a_file_that_nobody_would_find_until_it_is_put_back(
    database: SqliteDatabase, path: Path, tmp_path: Path, put: str | None
) -> None:
    """There used to be answers from an unlinked file: all of it was lost at the next start."""
    back_up(path, tmp_path / "b.db")
    path.rename(tmp_path / "moved.db")
    if put == "a new file":
        path.touch()
    elif put is not None:
        (tmp_path / "b.db").rename(path)
    refused(database, "put it back" if put is None else "was replaced by another file")
    database.recover()
    assert database.misplaced is not None
    assert not database.stale
    (tmp_path / "moved.db").rename(path)
    database.recover()
    assert not database.broken
    database.save(Changes(meta={"after": "yes"}))
    database.close()
    assert meta(path) == ["after", "before", "last recovery"]


def test_a_file_that_is_moved_is_whole_and_its_log_does_not_spoil_the_one_that_takes_its_place(
    database: SqliteDatabase, path: Path, tmp_path: Path
) -> None:
    back_up(path, tmp_path / "b.db")
    database.save(Changes(meta={"in the log": "x" * 50_000}))
    path.rename(tmp_path / "moved.db")
    database.recover()
    shutil.copy(tmp_path / "b.db", path)
    assert meta(path) == ["before"]
    assert meta(tmp_path / "moved.db") == ["before", "in the log"]


@pytest.mark.parametrize("noticed", ["at once", "once it was away"])
def test_a_copy_of_the_database_at_its_path_has_all_that_was_written(
    database: SqliteDatabase, path: Path, tmp_path: Path, noticed: str
) -> None:
    database.save(Changes(meta={"in the log": "x" * 50_000}))
    path.rename(tmp_path / "moved.db")
    if noticed == "once it was away":
        database.recover()
    shutil.copy(tmp_path / "moved.db", path)
    database.recover()
    assert "was replaced by a copy of it" in database.stale
    database.close()
    assert meta(path) == ["before", "in the log"]


@pytest.mark.parametrize("how", [shutil.copyfile, lambda _, path: os.truncate(path, 0)])
def test_a_file_that_is_written_over_is_left_as_it_is_also_at_the_end(
    database: SqliteDatabase, path: Path, tmp_path: Path, how: Callable[[Path, Path], object]
) -> None:
    """Its log would be folded into what is there now."""
    back_up(path, tmp_path / "b.db")
    database.save(Changes(meta={"in the log": "x" * 50_000}))
    how(tmp_path / "b.db", path)
    there = path.read_bytes()
    refused(database, "something has written over .*pinwheel restore BACKUP")
    database.tidy(busy=False)
    database.close()
    assert path.read_bytes() == there
    assert not Path(f"{path}-wal").exists()
    (log,) = path.parent.glob("p.db.*T*-wal")
    assert log.stat().st_size > 50_000


@pytest.mark.parametrize("more", ["-wal", "-shm", "lock"])
def test_where_a_file_beside_it_is_gone_the_daemon_begins_anew_with_all_that_was_written(
    database: SqliteDatabase, path: Path, more: str
) -> None:
    """There used to be commits in a log that nobody found."""
    (path.with_suffix(".lock") if more == "lock" else Path(f"{path}{more}")).unlink()
    database.recover()
    assert "was deleted or replaced" in database.stale
    refused(database, "the daemon starts again by itself")
    database.close()
    assert meta(path) == ["before"]


def test_what_the_daemon_itself_does_to_its_files_is_no_news(database: SqliteDatabase, path: Path) -> None:
    for work in (database.empty_log, database.rewrite, database.empty_log, lambda: database.tidy(busy=False)):
        database.save(Changes(meta={"large": "x" * 12_000_000}))
        work()
        database.recover()
        assert database.misplaced is None
    os.utime(path)
    database.recover()
    assert database.misplaced is None


def test_the_daemon_says_where_its_database_is_not_and_goes_on_once_it_is_back(tmp_path: Path) -> None:
    """There used to be status 0 for starts that nobody would find again."""
    with SimulatedModem(network_s=0.02) as modem, Gateway(tmp_path, modem_section(modem.port)) as gateway:
        kept = gateway.verify("447700900100")
        gateway.database.rename(tmp_path / "moved.db")
        assert gateway.client.verify("", number="447700900200", brand="Acme")["status"] == "5"
        status = gateway.client.get("/v1/status")
        assert "is not there any more" in status["store"]
        assert "store-in-place" in [problem["code"] for problem in status["problems"]]
        assert (gateway.health()["code"], gateway.health()["status"]) == (503, "the database is not in its place")
        assert gateway.request(kept)["status"] == "IN PROGRESS"
        (tmp_path / "moved.db").rename(gateway.database)
        until(lambda: gateway.health()["code"] == 200, "it goes on")
        gateway.verify("447700900200")
