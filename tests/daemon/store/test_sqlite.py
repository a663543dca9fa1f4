"""The store: durable, grouped, isolated, locked."""

import asyncio
import os
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    AttemptState,
    Channel,
    Note,
    Step,
    StepDue,
)
from daemon.core.request_states import advance
from daemon.store.batches import MANY
from daemon.store.contract import FIRST, CheckLine, Due, StoreUnusable
from daemon.store.rows import Write
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import empty_log, sqlite
from daemon.store.sqlite.loading import NAMED, OF_REQUESTS, OF_ROWS, REPORTED, RUNNING
from daemon.store.sqlite.migrations import MIGRATIONS
from daemon.store.sqlite.reading import COUNT_WAITING, DUE, NOT_ANSWERED, OVERDUE, UNDER_WAY, WAITING
from daemon.store.sqlite.saving import SIZES, STATEMENTS
from daemon.store.statements import LINES_OF
from daemon.store.store import Store
from tests.daemon.store.writes import act, connection, insert, named, rows_of_each_kind, run


def old_database(path: Path, migrations: int, *statements: str) -> None:
    """A database of an older version: the first migrations only, and what it wrote."""
    old = sqlite.connect(str(path), isolation_level=None)
    old.execute("CREATE TABLE migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT")
    for name, changes in MIGRATIONS[:migrations]:
        for statement in changes:
            old.execute(statement)
        old.execute("INSERT INTO migration VALUES (?, '')", (name,))
    for statement in statements:
        old.execute(statement)
    old.close()


OLD_REQUEST = (
    "INSERT INTO request VALUES (7, '00000000000000000000000000000001', '447700900123', 'Acme', 'en-gb', 4, 1,"
    " 'sms:60,tts:60,tts:300', 60, 1, 1700000000.4564, '', 'VERIFY', 'acme', 'IN PROGRESS', 1, 1, 1700000060.4564, 2,"
    " 1700000060456, 1700000000.4564, 1700000000.4564, NULL)"
)
OLD_ATTEMPT = (
    "INSERT INTO attempt VALUES (7, 0, 'sms', 1, 1700000060.4564, 1700000000.4564, 'sent', 1, 'sim1', '17', '',"
    " 1700000003.9876)"
)


def test_what_was_queued_again_is_told_from_what_never_went_out(tmp_path: Path) -> None:
    """There used to be one state for both; only the count of tries was different."""
    new, again = OLD_ATTEMPT.replace("'sent', 1", "'queued', 0"), OLD_ATTEMPT.replace("'sent', 1", "'queued', 1")
    old_database(tmp_path / "p.db", 3, OLD_REQUEST, new, again.replace("(7, 0,", "(7, 1,"))
    store = Store(SqliteDatabase(tmp_path / "p.db"))
    store.open()
    found = store.reading.request(named(1).id)
    assert found is not None
    assert [a.state for a in found[1].attempts] == [AttemptState.QUEUED, AttemptState.REQUEUED]
    assert [place.row for place, _ in store.reading.waiting(Channel.SMS, FIRST, 9)] == [7, 7]
    store.close()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (WAITING, "attempt_waiting"),
        (COUNT_WAITING, "attempt_waiting"),
        (UNDER_WAY, "attempt_unanswered"),
        (NOT_ANSWERED, "attempt_unanswered"),
        (DUE, "COVERING INDEX request_due (due_ms>? AND due_ms<?)"),
        (OVERDUE, "request_due (due_ms>? AND due_ms<?)"),
        (f"SELECT seq FROM history WHERE {LINES_OF} ORDER BY seq", "history_request"),  # noqa: S608
        ("SELECT seq FROM history WHERE seq < ? AND kind = 'incoming' ORDER BY seq LIMIT ?", "history_incoming"),
        *((each, "request_active") for each in RUNNING),
        *((each, "INTEGER PRIMARY KEY") for each in OF_ROWS),
        *((each, "sqlite_autoindex_request_1") for each in NAMED),
        *((each, "PRIMARY KEY (request=?)") for each in OF_REQUESTS),
        *(
            (each, "SEARCH request USING INTEGER PRIMARY KEY (rowid=?)")
            for each in STATEMENTS[Write.UPDATE_REQUESTS].values()
        ),
        *(
            (each, "SEARCH attempt USING PRIMARY KEY (request=? AND step=?)")
            for each in STATEMENTS[Write.UPDATE_ATTEMPTS].values()
        ),
        (REPORTED, "attempt_unanswered (state=? AND device=? AND queued_ms>?)"),
        (REPORTED, "attempt_reference (device=? AND reference=? AND queued_ms>?)"),
    ],
)
def test_what_is_asked_for_all_the_time_is_found_by_an_index(store: Store, query: str, index: str) -> None:
    places = len(set(re.findall(r"[?]\d+", query))) or query.count("?")
    rows = connection(store).execute(f"EXPLAIN QUERY PLAN {query}", ("[]",) * places).fetchall()
    plan = " ".join(row[3] for row in rows)
    assert index in plan
    assert "SCAN request" not in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN attempt" not in plan


def test_what_was_sent_before_quotas_had_a_table_is_counted(tmp_path: Path) -> None:
    unsent = OLD_ATTEMPT.replace("(7, 0,", "(7, 1,").replace("'sim1'", "''")
    old_database(tmp_path / "p.db", 2, OLD_REQUEST, OLD_ATTEMPT, unsent)
    store = Store(SqliteDatabase(tmp_path / "p.db"))
    store.open()
    assert store.reading.sent_by("sim1", s(0)) == [(Ms(1700000003988), "447700900123")]
    store.close()


def test_a_database_of_seconds_loses_nothing_when_it_becomes_one_of_milliseconds(tmp_path: Path) -> None:
    """There used to be seconds beside a rounded `due_ms`: a message whose PIN had just expired was still sent."""
    lines = (
        """INSERT INTO "check" VALUES (5, 7, 1700000009.0014, 0, '192.0.2.1')""",
        "INSERT INTO history VALUES (90, 1700000000.4564, '00000000000000000000000000000001', 'event', 0, 'sms A')",
        "INSERT INTO sent VALUES ('sim1', 1700000003.9876, '447700900123')",
        "INSERT INTO meta VALUES ('clock origin', '1690000000.25')",
    )
    old_database(tmp_path / "p.db", 3, OLD_REQUEST, OLD_ATTEMPT, *lines)
    store = Store(SqliteDatabase(tmp_path / "p.db"))
    store.open()
    wanted = "00000000000000000000000000000001"
    found = store.reading.request(wanted)
    assert found is not None
    row, kept = found
    assert (row, kept.steps[0], kept.pin_expiry, kept.wrong) == (7, Step(Channel.SMS, s(60)), s(60), 2)
    assert kept.created_at == kept.first_event_at == kept.last_event_at == Ms(1700000000456)
    assert kept.due_at == kept.pin_until == kept.attempts[0].not_after == Ms(1700000060456)
    assert kept.attempts[0].settled_at == Ms(1700000003988)
    assert kept.finalized_at is None
    assert store.reading.checks(wanted) == [CheckLine(Ms(1700000009001), False, "192.0.2.1")]
    assert [(line.seq, line.at) for line in store.reading.history(0, 9)] == [(90, Ms(1700000000456))]
    assert store.reading.sent_by("sim1", s(0)) == [(Ms(1700000003988), "447700900123")]
    assert store.meta("clock origin", "") == "1690000000.25"
    assert store.reading.due(Due(s(0), 0), s(2e9), 9) == [(Ms(1700000060456), 7)]
    assert connection(store).execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection(store).execute("PRAGMA foreign_keys").fetchone() == (1,)
    running, _ = advance(kept, StepDue(1, Ms(1700000060500)))
    assert (running.step, running.generation) == (2, 2)
    run(store, act(Note("later")))
    assert store.reading.last_seq() == 91
    store.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
@pytest.mark.parametrize("before", [None, 0o644, 0o666, 0o640])
def test_nobody_else_may_read_the_files_whatever_the_umask(tmp_path: Path, umask: int, before: int | None) -> None:
    """There used to be files with the mode that the umask left: the numbers of all requests could be read."""
    path = tmp_path / "p.db"
    if before is not None:
        path.touch()
        path.chmod(before)
    outer = os.umask(umask)
    try:
        store = Store(SqliteDatabase(path))
        store.open()
        run(store, insert(named(1)))
        modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(outer)
    assert modes.keys() == {"p.db", "p.db-wal", "p.db-shm", "p.lock"}
    assert set(modes.values()) <= {0o600, 0o640}


@pytest.mark.usefixtures("store")
def test_a_second_daemon_is_kept_out(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="another pinwheeld is running"):
        Store(SqliteDatabase(tmp_path / "pinwheel.db")).open()


def test_a_database_of_a_newer_pinwheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    store = Store(SqliteDatabase(path))
    store.open()
    store.close()
    db = sqlite.connect(str(path))
    db.execute("INSERT INTO migration VALUES ('9999 the future', '')")
    db.commit()
    db.close()
    with pytest.raises(StoreUnusable, match="newer Pinwheel"):
        Store(SqliteDatabase(path)).open()


@pytest.mark.usefixtures("store")
def test_migrations_are_recorded_and_run_once(tmp_path: Path) -> None:
    db = sqlite.connect(f"file:{tmp_path}/pinwheel.db?mode=ro", uri=True)
    assert [name for (name,) in db.execute("SELECT name FROM migration")] == [name for name, _ in MIGRATIONS]
    db.close()


def test_a_new_database_does_not_compile_the_statements_of_a_batch_again(tmp_path: Path) -> None:
    """A sixth of what a commit cost the writer was SQLite's parser, until the daemon was started again."""
    with closing(SqliteDatabase(tmp_path / "p.db")) as database:
        database.open()
        compiled: list[object] = []

        def allow(*what: object) -> int:
            compiled.append(what)
            return 0

        database.connection.set_authorizer(allow)
        rows = sum(SIZES)  # so that each statement is needed
        for turn in range(2):
            compiled.clear()
            for changes in rows_of_each_kind(range(turn * rows + 1, (turn + 1) * rows + 1)):
                database.save(replace(changes, refunds=()))  # SQLite looks at the value of a LIMIT each time
        assert not compiled


def test_readers_cannot_write(store: Store) -> None:
    assert isinstance(store.database, SqliteDatabase)
    with pytest.raises(sqlite.OperationalError), closing(store.database.reader()) as reader:
        reader.connection.execute("DELETE FROM request")


def test_the_sqlite_in_use_is_past_the_wal_reset_bug() -> None:
    assert sqlite.sqlite_version_info >= (3, 51, 3)


def test_the_loop_does_not_wait_for_a_database_that_somebody_holds(store: Store, tmp_path: Path) -> None:
    """Only the loop can let go of it here: a loop that waited for the batch would wait until it is refused."""
    with closing(sqlite.connect(str(tmp_path / "pinwheel.db"), isolation_level=None)) as other:

        async def main() -> None:
            other.execute("BEGIN IMMEDIATE")
            many = [store.submit(*insert(named(number))) for number in range(MANY)]
            await asyncio.sleep(0)  # the batch is handed over
            other.execute("ROLLBACK")
            await asyncio.gather(*many)

        asyncio.run(main())
    assert store.reading.live() == MANY


def test_what_is_submitted_in_one_turn_of_the_loop_shares_a_commit(store: Store) -> None:
    commits: list[str] = []
    connection(store).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    run(store, *(insert(named(i)) for i in range(100)))
    assert len(commits) == 1


# --- a disk that is full -----------------------------------------------------------------------------------

ON_A_SMALL_DISK = """
import asyncio, os, sys
from pathlib import Path
from daemon.store.sqlite.library import sqlite
from daemon.store.contract import Due, StoreUnusable
from daemon.store.statements import LINES_OF
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store
from tests.gateway import until
from tests.daemon.store.writes import insert, named

disk = Path(sys.argv[1])
store = Store(SqliteDatabase(disk / "p.db"))
store.open()

async def fill():
    for number in range(100_000):
        try:
            await store.submit(*insert(named(number)))
        except StoreUnusable:
            return number

def log(): return os.stat(disk / "p.db-wal").st_size

async def main():
    stored = await fill()
    assert stored > 50, stored
    assert store.broken and log() > 1_000_000, log()
    await store.turn()  # as the watchdog does
    assert store.broken
    (disk / "ballast").unlink()
    await asyncio.to_thread(until, lambda: not store.broken and log() == 0, "the log lets go of the disk")
    assert store.reading.live() == stored
    await store.submit(*insert(named(100_001)))

asyncio.run(main())
store.close()
print("recovered")
"""


def on_a_small_disk(tmp_path: Path, code: str, ballast: int) -> str:
    """What a program prints whose argument is a disk of 4 MiB with so many octets on it."""
    program = tmp_path / "program.py"
    program.write_text(code)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=4m tmpfs "$1" && head -c "$4" /dev/zero > "$1/ballast"; exec "$2" "$3" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", str(disk), sys.executable, str(program), str(ballast)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_log_that_filled_a_small_disk_lets_go_of_it_when_there_is_room_again(tmp_path: Path) -> None:
    """The log used to keep its size, and a commit that wrote nothing counted as proof that the disk works."""
    assert on_a_small_disk(tmp_path, ON_A_SMALL_DISK, 2_000_000) == "recovered\n"


FULL_FROM_THE_START = """
import sys
from pathlib import Path
from daemon.store.contract import Due, StoreUnusable
from daemon.store.statements import LINES_OF
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store

store = Store(SqliteDatabase(Path(sys.argv[1]) / "p.db"))
try:
    store.open()
    for number in range(100_000):
        store.set_meta({f"x{number}": "y" * 1000})
except StoreUnusable as exc:
    print("refused" if "full" in str(exc) else exc)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
@pytest.mark.parametrize("ballast", [4_194_304, 4_180_000, 2_000_000])
def test_a_disk_that_is_full_at_a_start_is_said_to_be(tmp_path: Path, ballast: int) -> None:
    """There used to be a traceback where the first setting could not be written."""
    assert on_a_small_disk(tmp_path, FULL_FROM_THE_START, ballast) == "refused\n"


def test_a_log_that_somebody_reads_is_emptied_when_he_has_done(store: Store, tmp_path: Path) -> None:
    reader = sqlite.connect(str(tmp_path / "pinwheel.db"), isolation_level=None)
    run(store, insert(named(1)))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM request").fetchone()
    run(store, insert(named(2)))
    assert not empty_log(connection(store))
    reader.execute("COMMIT")
    reader.close()
    assert empty_log(connection(store))
    assert (tmp_path / "pinwheel.db-wal").stat().st_size == 0
