"""SQLite when its disk is full, when it takes a commit again, and how long its log gets."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from daemon.core.batch import Changes, Line, Needs
from daemon.core.commands import AddNote, Command, Decision, Policy, SetMeta, decide
from daemon.core.milliseconds import EPOCH, Ms
from daemon.core.model import Channel
from daemon.core.request_cache import RequestCache
from daemon.store.batches import Operation, carry_out
from daemon.store.contract import FIRST, Damaged, StoreUnusable
from daemon.store.retention import Horizon
from daemon.store.sqlite.database import LOOK_S, PAGES_OF_A_COMMIT, RECOVER_S, SqliteDatabase
from daemon.store.sqlite.library import sqlite
from daemon.store.sqlite.open_database import CHECKPOINT, CHECKPOINT_AT_LATEST
from tests.daemon.store.damage import spoil
from tests.daemon.store.writes import named


def lines(count: int, detail: str = "x") -> Sequence[Line]:
    return [Line(EPOCH, "", "note", None, detail)] * count


LARGE = Changes(history=lines(100, "x" * 10_000), meta={"large": "yes"})
SMALL = Changes(meta={"small": "yes"})


def fill(database: SqliteDatabase) -> None:
    """As a disk that has no room: SQLite says the same of a file that may have no more pages."""
    (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
    database.connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreUnusable, match=r"cannot write to .*p\.db: .*full"):
        database.save(LARGE)


def operation(command: Command) -> Operation:
    policy = Policy(cancel_after=Ms(0), cancel_before_event=0)
    nobody = cast("asyncio.Future[Decision]", None)
    return Operation(command, lambda c, loaded: (EPOCH, decide(c, loaded, EPOCH, policy)), lambda _: None, nobody)


def make_room(database: SqliteDatabase) -> None:
    database.connection.execute("PRAGMA max_page_count=1000000")


def meta(database: SqliteDatabase, name: str) -> str | None:
    reading = database.reader()
    try:
        return reading.meta(name)
    finally:
        reading.close()


def test_a_database_that_works_looks_now_and_then_where_its_file_is(database: SqliteDatabase) -> None:
    database.save(SMALL)
    assert (database.broken, database.pause_s, database.stale) == (False, LOOK_S, "")


def test_that_it_is_broken_is_logged_once(database: SqliteDatabase, caplog: pytest.LogCaptureFixture) -> None:
    """There used to be a line for each commit that was tried: as many as there were requests."""
    for times in (1, 2):
        for _ in range(2):
            fill(database)
        make_room(database)
        database.recover()
        assert caplog.text.count("store=failed") == times


def test_a_full_disk_breaks_it_and_nothing_of_the_commit_is_left(database: SqliteDatabase) -> None:
    fill(database)
    assert (database.broken, database.pause_s) == (True, RECOVER_S)
    assert meta(database, "large") is None
    assert not database.connection.in_transaction


def test_a_commit_that_is_taken_ends_it(database: SqliteDatabase) -> None:
    fill(database)
    make_room(database)
    database.save(LARGE)
    assert (database.broken, database.pause_s) == (False, LOOK_S)
    assert meta(database, "large") == "yes"


def test_while_there_is_no_room_it_looks_again_and_says_nothing(database: SqliteDatabase) -> None:
    fill(database)
    database.connection.execute("DROP TABLE meta")  # not even the smallest commit
    database.recover()
    assert database.broken


def test_it_recovers_without_anybodys_commit_by_one_that_writes(database: SqliteDatabase) -> None:
    fill(database)
    make_room(database)
    database.recover()
    assert (database.broken, database.pause_s) == (False, LOOK_S)
    assert int(meta(database, "last recovery") or "") > 0


def test_it_looks_again_until_a_log_that_grew_is_empty(database: SqliteDatabase, path: Path) -> None:
    """Somebody who reads keeps the log from being emptied; the daemon looks again when he has done."""
    fill(database)
    make_room(database)
    reader = sqlite.connect(str(path), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM history").fetchone()
    database.recover()
    assert (database.broken, database.pause_s) == (False, RECOVER_S)
    reader.execute("COMMIT")
    reader.close()
    database.recover()
    assert database.pause_s == LOOK_S
    assert path.with_name("p.db-wal").stat().st_size == 0


def test_a_commit_with_a_defect_does_not_break_it_and_leaves_nothing(database: SqliteDatabase) -> None:
    database.save(Changes(inserted=[(1, named(1))]))
    with pytest.raises(sqlite.IntegrityError):
        database.save(Changes(inserted=[(2, named(1))], meta={"half": "yes"}))
    assert (database.broken, database.pause_s) == (False, LOOK_S)
    assert meta(database, "half") is None
    database.save(SMALL)
    assert meta(database, "small") == "yes"


def test_a_database_that_cannot_be_read_says_so(database: SqliteDatabase) -> None:
    database.connection.execute("DROP TABLE request")
    with pytest.raises(StoreUnusable, match=r"cannot read .*p\.db: no such table"):
        database.load(Needs(rows=frozenset((1,))))


def test_a_reader_of_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"cannot read .*none\.db"):
        SqliteDatabase(tmp_path / "none.db").reader()


def test_row_ids_are_each_given_once_and_go_on_above_those_that_there_are(path: Path) -> None:
    for first in (1, 8):
        database = SqliteDatabase(path)
        database.open()
        assert list(database.load(Needs(new=2)).rows) == [first, first + 1]
        assert list(database.load(Needs()).rows) == []
        assert list(database.load(Needs(new=1)).rows) == [first + 2]
        database.save(Changes(inserted=[(first + 6, named(first))]))
        database.close()


def test_a_database_that_was_never_opened_can_be_closed(path: Path) -> None:
    SqliteDatabase(path).close()
    assert not path.exists()


def test_a_database_that_is_closed_has_all_in_its_file_and_lets_the_next_one_in(path: Path) -> None:
    first, second = SqliteDatabase(path), SqliteDatabase(path)
    first.open()
    first.save(SMALL)
    first.close()
    assert not path.with_name("p.db-wal").exists()
    second.open()
    assert meta(second, "small") == "yes"
    second.close()


def test_a_file_that_could_not_be_opened_is_not_locked_any_more(path: Path) -> None:
    path.write_bytes(b"certainly not SQLite" * 100)
    database = SqliteDatabase(path)
    with pytest.raises(StoreUnusable, match="cannot open the database"):
        database.open()
    path.unlink()
    other = SqliteDatabase(path)
    other.open()
    other.close()


# --- a file that is damaged ---------------------------------------------------------------------------------


@pytest.fixture
def damaged(path: Path, request: pytest.FixtureRequest) -> Iterator[SqliteDatabase]:
    """The first page of a table or index is not what SQLite wrote."""
    whole = SqliteDatabase(path)
    whole.open()
    whole.save(Changes(inserted=[(1, named(1))], history=lines(1)))
    whole.close()
    spoil(path, request.param)
    database = SqliteDatabase(path)
    database.open()
    yield database
    database.close()


@pytest.mark.parametrize(
    ("damaged", "use"),
    [
        ("history", lambda database: database.save(LARGE)),
        ("history", lambda database: database.reader().history(0, 1)),
        ("history", lambda database: database.reader().listing.events(0, 1)),
        ("attempt", lambda database: database.load(Needs(rows=frozenset((1,))))),
        ("attempt_waiting", lambda database: database.reader().count_waiting(Channel.SMS)),
        ("history", lambda database: database.delete_old(Horizon(None, None, EPOCH, None, EPOCH), str, 1)),
    ],
    indirect=["damaged"],
)
def test_damage_is_the_databases_fault_whoever_meets_it_and_stays(
    damaged: SqliteDatabase, use: Callable[[SqliteDatabase], object]
) -> None:
    """There used to be an error of SQLite: a lane ended by it, and the gateway called itself well."""
    with pytest.raises(Damaged, match=r"malformed; the file is damaged: .*pinwheel restore BACKUP"):
        use(damaged)
    damaged.recover()
    damaged.save(SMALL)
    assert (damaged.broken, damaged.damaged, damaged.pause_s) == (False, True, LOOK_S)


@pytest.mark.parametrize("damaged", ["history"], indirect=True)
def test_a_damaged_file_can_be_on_a_full_disk_and_only_that_ends(damaged: SqliteDatabase) -> None:
    """There used to be one word for both: whoever waited for the disk waited for ever."""
    with pytest.raises(Damaged):
        damaged.reader().history(0, 1)
    for _ in range(2):
        (pages,) = damaged.connection.execute("PRAGMA page_count").fetchone()
        damaged.connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StoreUnusable, match="full"):
            damaged.save(Changes(meta={"large": "x" * 1_000_000}))
        assert (damaged.broken, damaged.damaged, damaged.pause_s) == (True, True, RECOVER_S)
        make_room(damaged)
        damaged.recover()
        assert (damaged.broken, damaged.damaged) == (False, True)


@pytest.mark.parametrize("damaged", ["history"], indirect=True)
def test_of_a_batch_only_what_needs_the_damaged_part_is_refused(damaged: SqliteDatabase) -> None:
    batch = [operation(SetMeta("small", "yes")), operation(AddNote("", None, "note"))]
    carry_out(damaged, RequestCache(), batch)
    assert [type(each.error) for each in batch] == [type(None), Damaged]
    assert meta(damaged, "small") == "yes"


def test_what_waits_behind_a_damaged_request_is_found(path: Path) -> None:
    """There used to be an end of the line there: its lane asked for the same page again and again."""
    database = SqliteDatabase(path)
    database.open()
    many = [(row, named(row)) for row in range(1, 31)]
    waiting = [(row, request.attempts[0]) for row, request in many]
    database.save(Changes(inserted=many, attempts=waiting))
    database.close()
    spoil(path, "request")
    again = SqliteDatabase(path)
    again.open()
    reading = again.reader()
    whole = [place.row for place, _ in reading.waiting(Channel.SMS, FIRST, 30)]
    assert 0 < len(whole) < 30
    assert whole == list(range(whole[0], 31))
    assert [place.row for place, _ in reading.waiting(Channel.SMS, FIRST, 3)] == whole[:3]
    assert again.damaged
    assert not again.broken
    reading.close()
    again.close()


# --- the log -------------------------------------------------------------------------------------------------


def folded(database: SqliteDatabase, path: Path, *, busy: bool) -> bool:
    """Whether the file grew: its log was folded back into it."""
    before = path.stat().st_size
    database.tidy(busy=busy)
    return path.stat().st_size > before


def test_a_log_is_folded_back_in_a_pause_once_it_has_grown(database: SqliteDatabase, path: Path) -> None:
    database.save(Changes(history=lines(CHECKPOINT - PAGES_OF_A_COMMIT)))
    assert not folded(database, path, busy=False)
    database.save(Changes(history=lines(1)))
    assert not folded(database, path, busy=True)
    assert folded(database, path, busy=False)
    database.save(Changes(history=lines(CHECKPOINT - PAGES_OF_A_COMMIT)))  # counted anew
    assert not folded(database, path, busy=False)


def test_a_log_of_small_commits_is_folded_back_as_soon_as_one_of_large_ones(
    database: SqliteDatabase, path: Path
) -> None:
    """There used to be 48 MB of log before a checkpoint, where each request came alone: only rows were counted."""
    for _ in range(CHECKPOINT // (1 + PAGES_OF_A_COMMIT)):
        database.save(Changes(history=lines(1)))
    assert not folded(database, path, busy=False)
    database.save(Changes(history=lines(1)))
    assert folded(database, path, busy=False)


def test_a_log_that_has_grown_very_much_is_folded_back_without_a_pause(database: SqliteDatabase, path: Path) -> None:
    database.save(Changes(history=lines(CHECKPOINT_AT_LATEST - PAGES_OF_A_COMMIT)))
    assert not folded(database, path, busy=True)
    database.save(Changes(history=lines(1)))
    assert folded(database, path, busy=True)
