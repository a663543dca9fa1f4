"""A database is copied between any two, goes on where it stopped, and is compared."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.assembly import assemble
from daemon.config import parse
from daemon.core.batch import Changes, Line, Needs
from daemon.core.milliseconds import EPOCH
from daemon.store.contract import StoreUnusable
from daemon.store.copying import META, TABLES, Row, Side, Table, copy
from daemon.store.postgres.address import NO_LIBRARY, Address
from daemon.store.postgres.copying_tables import PostgresTables
from daemon.store.sqlite import library
from daemon.store.sqlite.copying_tables import SqliteTables
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import Connection
from tests.peers.postgres import Cluster

REQUESTS = 1500  # more than one page


def number_of(i: int) -> str:
    return f"4477009{i:05}"


def rows() -> dict[str, list[Row]]:
    """Of each table; texts with a line break, with letters of other scripts, and with what PostgreSQL cannot keep."""
    rest = ("", "VERIFY", "", 2, "IN PROGRESS", 1, 1, 2, 0)
    end = (3, None, None, "", None, 0)
    request: list[Row] = [
        (
            i,
            f"{i:032x}",
            number_of(i),
            "Acmé\n",
            "en-gb",
            4,
            1,
            "sms:125000",
            300_000,
            i % 2,
            1_700_000_000_000 + i,
            *rest,
            i,
            *end,
        )
        for i in range(1, REQUESTS + 1)
    ]
    attempt: list[Row] = [
        (i, 0, "sms", 1, 2, 3, "sent", 1, "sim1", "9", "a\0b", None, "", None, 0) for i in range(1, REQUESTS + 1)
    ]
    return {
        "request": request,
        "attempt": attempt,
        "check": [(i, i, 5, i % 2, "192.0.2.1") for i in (1, 2, 9)],
        "history": [(i, 7, f"{1:032x}", "note", None, "größer") for i in range(1, 30)],
        "sent": [(4, "sim1", 9, "447700900001"), (7, "sim1", 9, "447700900001")],
        "meta": [("clock origin", "5.25"), ("Z", "1"), ("key id", "abc")],
    }


def filled(side: Side) -> None:
    for table in TABLES:
        side.put(table, rows()[table.name])


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteTables]:
    side = SqliteTables(tmp_path / "p.db")
    yield side
    side.close()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Connection]:
    """The file of `sqlite`, as another connection sees and changes it."""
    with closing(library.sqlite.connect(str(tmp_path / "p.db"), isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def address(postgres: Cluster) -> Address:
    return postgres.new_address()


@pytest.fixture
def remote(address: Address) -> Iterator[PostgresTables]:
    side = PostgresTables(address)
    yield side
    side.close()


def asked(postgres: Cluster, address: Address, query: str) -> list[tuple[object, ...]]:
    """What the database answers another program."""
    return postgres.execute(query, address.parameters["dbname"])


def silent(_: str, __: int, ___: int) -> None:
    pass


def content(side: Side) -> dict[str, list[tuple[object, ...]]]:
    return {table.name: [tuple(row) for row in side.page(table, None, 10_000)] for table in TABLES}


def test_a_copy_to_postgresql_and_back_has_every_row(
    sqlite: SqliteTables, remote: PostgresTables, tmp_path: Path
) -> None:
    filled(sqlite)
    told: list[tuple[str, int, int]] = []
    counts = copy(sqlite, remote, lambda *line: told.append(line))
    assert counts == {"request": REQUESTS, "attempt": REQUESTS, "check": 3, "history": 29, "sent": 2, "meta": 4}
    assert [line for line in told if line[0] == "request"] == [
        ("request", done, REQUESTS) for done in (0, 1000, REQUESTS)
    ]
    back = SqliteTables(tmp_path / "back.db")
    copy(remote, back, silent)
    kept = {name: [tuple(_kept(value) for value in row) for row in lines] for name, lines in content(sqlite).items()}
    assert content(back) == kept
    back.close()


def _kept(value: object) -> object:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def test_what_comes_after_a_copy_is_numbered_behind_it(
    sqlite: SqliteTables, remote: PostgresTables, postgres: Cluster, address: Address
) -> None:
    filled(sqlite)
    copy(sqlite, remote, silent)
    for sequence, last in (("request_id", REQUESTS), ("check_id_seq", 9), ("history_seq_seq", 29), ("sent_id_seq", 7)):
        assert asked(postgres, address, f"SELECT nextval('{sequence}')") == [(last + 1,)]


def test_numbers_that_were_given_are_never_given_again(
    sqlite: SqliteTables, beside: Connection, remote: PostgresTables, tmp_path: Path
) -> None:
    """There used to be lines of history behind which a reader of events was already: he never got them."""
    filled(sqlite)
    beside.execute("DELETE FROM history WHERE seq > 20")
    beside.execute("INSERT INTO meta VALUES ('numbers hashed below row', '5001')")
    copy(sqlite, remote, silent)
    assert remote.last_numbers() == {"request": 5000, "check": 9, "history": 29, "sent": 7}
    with closing(SqliteTables(tmp_path / "back.db")) as back:
        copy(remote, back, silent)
        assert back.last_numbers() == {"request": 5000, "history": 29}
    with closing(SqliteDatabase(tmp_path / "back.db")) as used:
        used.open()
        assert list(used.load(Needs(new=1)).rows) == [5001]
        used.save(Changes(history=[Line(EPOCH, "", "note", None, "x")]))
        assert used.connection.execute("SELECT max(seq) FROM history").fetchone() == (30,)


def test_postgresql_knows_how_large_a_copy_is_before_a_daemon_asks_it(
    sqlite: SqliteTables, remote: PostgresTables, postgres: Cluster, address: Address
) -> None:
    """The history of a request used to take four times as long to find until PostgreSQL had looked by itself."""
    filled(sqlite)
    copy(sqlite, remote, silent)
    known = "SELECT reltuples::int FROM pg_class WHERE oid = 'request'::regclass"
    assert asked(postgres, address, known) == [(REQUESTS,)]


def test_the_daemon_does_not_start_on_a_copy_that_is_not_complete(tmp_path: Path) -> None:
    part = SqliteTables(tmp_path / "p.db")
    part.put(META, [("copy of", "another one")])
    part.close()
    config = tmp_path / "pinwheel.toml"
    with pytest.raises(StoreUnusable, match="a copy that is not complete"):
        assemble(parse(f'[store]\nurl = "sqlite:///{tmp_path}/p.db"\n', config), config)
    assert not (tmp_path / "key").exists()


class Interrupted(Exception):
    pass


def test_a_copy_that_was_interrupted_goes_on_where_it_stopped(sqlite: SqliteTables, remote: PostgresTables) -> None:
    filled(sqlite)

    def stop(table: str, done: int, _: int) -> None:
        if (table, done) == ("attempt", 1000):
            raise Interrupted

    with pytest.raises(Interrupted):
        copy(sqlite, remote, stop)
    told: list[tuple[str, int, int]] = []
    assert copy(sqlite, remote, lambda *line: told.append(line))["attempt"] == REQUESTS
    assert told[:3] == [("request", 1500, 1500), ("attempt", 1000, 1500), ("attempt", 1500, 1500)]


def test_a_target_that_has_other_data_is_refused(sqlite: SqliteTables, remote: PostgresTables, tmp_path: Path) -> None:
    filled(sqlite)
    remote.put(META, [("clock origin", "7")])
    with pytest.raises(StoreUnusable, match="the target is not empty"):
        copy(sqlite, remote, silent)
    assert remote.count(TABLES[0]) == 0
    part = SqliteTables(tmp_path / "part.db")
    part.put(META, [("copy of", "another one")])
    with pytest.raises(StoreUnusable, match="a part of another database"):
        copy(sqlite, part, silent)
    with pytest.raises(StoreUnusable, match="a copy that is not complete"):
        copy(part, remote, silent)
    part.close()


CHANGED = {
    "request": "UPDATE request SET wrong = 2 WHERE id = 1",
    "attempt": "UPDATE attempt SET tries = 9 WHERE request = 1",
    "check": 'DELETE FROM "check" WHERE id = 1',
    "history": "UPDATE history SET detail = '' WHERE seq = 3",
    "sent": "DELETE FROM sent",
}


@pytest.mark.parametrize("table", TABLES[:-1], ids=lambda table: table.name)
def test_a_source_that_has_changed_since_the_copy_began_is_found_out(
    sqlite: SqliteTables, beside: Connection, tmp_path: Path, table: Table
) -> None:
    filled(sqlite)
    target = SqliteTables(tmp_path / "other.db")

    def stop(name: str, _: int, __: int) -> None:
        if name == "meta":
            raise Interrupted

    with pytest.raises(Interrupted):
        copy(sqlite, target, stop)
    beside.execute(CHANGED[table.name])
    with pytest.raises(StoreUnusable, match="the source has changed"):
        copy(sqlite, target, silent)
    target.close()


def test_nobody_else_has_either_database_during_a_copy(
    sqlite: SqliteTables, remote: PostgresTables, address: Address, tmp_path: Path
) -> None:
    assert sqlite.count(META) == remote.count(META) == 0
    with pytest.raises(StoreUnusable, match="another pinwheeld is running"):
        SqliteTables(tmp_path / "p.db")
    with pytest.raises(StoreUnusable, match="another pinwheeld is running"):
        PostgresTables(address)


def pinwheel(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from daemon.cli import main; main()", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def test_the_command_copies_and_says_how_far_it_has_come(postgres: Cluster, public_path: Path) -> None:
    side = SqliteTables(public_path / "p.db")
    filled(side)
    side.close()
    source, target = f"sqlite:///{public_path}/p.db", postgres.url(postgres.new_database())
    password = postgres.password_file(public_path)
    done = pinwheel("store", "copy", source, target, "--to-password-file", password)
    assert done.returncode == 0, done.stderr
    assert f"{REQUESTS} of request, {REQUESTS} of attempt" in done.stdout
    assert f"{REQUESTS} of {REQUESTS} rows" in done.stderr
    again = pinwheel("store", "copy", source, target, "--to-password-file", password)
    assert (again.returncode, "the target is not empty" in again.stderr) == (1, True)
    with_password = pinwheel("store", "copy", source, "postgresql://a:hunter2@localhost/b")
    assert "every user sees a password in a command" in with_password.stderr
    assert "hunter2" not in with_password.stderr
    missing = pinwheel("store", "copy", f"sqlite:///{public_path}/none.db", target)
    assert "there is no database" in missing.stderr
    assert not (public_path / "none.db").exists()


def test_the_command_says_that_the_library_is_missing(public_path: Path) -> None:
    """There used to be a traceback."""
    SqliteTables(public_path / "p.db").close()
    words = ("store", "copy", f"sqlite:///{public_path}/p.db", "postgresql://a@127.0.0.1/b")
    done = pinwheel(*words, PSYCOPG_IMPL="none")  # psycopg looks for a way to libpq that is not there
    assert (done.returncode, done.stderr) == (1, f"{NO_LIBRARY}\n")


@pytest.mark.usefixtures("sqlite", "remote")
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_copy_has_every_column_of_both_databases(
    beside: Connection, postgres: Cluster, address: Address, table: Table
) -> None:
    """Who adds a column to one must add it to the other, and to the copy."""
    info = beside.execute(f'PRAGMA table_info("{table.name}")')
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name="
    there = asked(postgres, address, f"{columns}'{table.name}'")
    assert {row[1] for row in info} | ({"id"} if table.name == "sent" else set()) == set(table.columns)
    assert {name for (name,) in there} == set(table.columns)


@pytest.mark.usefixtures("sqlite", "remote")
def test_both_databases_have_the_same_tables(beside: Connection, postgres: Cluster, address: Address) -> None:
    its = {name for (name,) in beside.execute("SELECT name FROM sqlite_schema WHERE type='table'")}
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema='public'"
    others = asked(postgres, address, tables)
    names = {table.name for table in TABLES} | {"migration"}
    assert its - {"sqlite_sequence"} == names
    assert {name for (name,) in others} == names | {"gateway"}
