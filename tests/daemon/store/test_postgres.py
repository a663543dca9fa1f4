"""What is particular to PostgreSQL: it may be away, hang, lose an answer, or have another gateway."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemon.core.batch import Changes, Needs
from daemon.core.batch import Line as HistoryLine
from daemon.core.milliseconds import EPOCH
from daemon.store.contract import Damaged, StoreUnusable
from daemon.store.postgres.address import Address
from daemon.store.postgres.connection import ANSWER_S, RECOVER_S, connect
from daemon.store.postgres.database import PostgresDatabase
from daemon.store.postgres.migrations import MIGRATIONS, migrate
from tests.gateway import until
from tests.peers.postgres import PORT, Cluster

AT_ONCE_S = 1.0
NOTE = Changes(history=[HistoryLine(EPOCH, "", "note", None, "a note")])


@pytest.fixture
def address(postgres: Cluster) -> Address:
    return postgres.new_address()


@pytest.fixture
def database(address: Address) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(address)
    opened.open()
    yield opened
    opened.close()


def setting(name: str, value: str = "1") -> Changes:
    return Changes(meta={name: value})


def kept(address: Address, name: str) -> str | None:
    reading = PostgresDatabase(address).reader()
    with contextlib.closing(reading):
        return reading.meta(name)


def refused_at_once(database: PostgresDatabase) -> bool:
    began = time.monotonic()
    with pytest.raises(StoreUnusable, match="cannot use the database"):
        database.load(Needs(new=1))
    return time.monotonic() - began < AT_ONCE_S


def known_as_stale(database: PostgresDatabase) -> bool:
    database.recover()
    return bool(database.stale)


def works_again(database: PostgresDatabase) -> bool:
    database.recover()
    return not database.broken


def test_a_second_gateway_is_kept_out(database: PostgresDatabase, address: Address) -> None:
    assert not database.broken
    with pytest.raises(StoreUnusable, match="another pinwheeld is running on this database"):
        PostgresDatabase(address).open()


def test_a_database_of_a_newer_pinwheel_is_refused(postgres: Cluster, address: Address) -> None:
    first = PostgresDatabase(address)
    first.open()
    first.close()
    name = address.parameters["dbname"]
    postgres.execute("INSERT INTO migration VALUES ('9999 the future', now())", name)
    with pytest.raises(StoreUnusable, match="newer Pinwheel"):
        PostgresDatabase(address).open()
    postgres.execute("DELETE FROM migration WHERE name LIKE '9999%'", name)
    again = PostgresDatabase(address)
    again.open()
    again.close()
    assert postgres.execute("SELECT name FROM migration", name) == [(migration,) for migration, _ in MIGRATIONS]


def test_a_migration_may_take_longer_than_a_commit(address: Address) -> None:
    """There used to be a gateway that could not start with tables whose new index took more than 5 s."""
    with contextlib.closing(connect(address)) as connection:
        connection.execute("SET statement_timeout = '50ms'")
        connection.answer_s = 0.05
        migrate(connection, (("0001 slow", ("SELECT pg_sleep(0.2)", "CREATE TABLE slow (id INTEGER)")),))
        assert connection.answer_s == 0.05
        assert connection.execute("SHOW statement_timeout").fetchone() == ("50ms",)
        assert connection.execute("SELECT name FROM migration").fetchall() == [("0001 slow",)]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://pinwheel:hunter2@/{name}?host={host}",
        "postgresql://nobody:hunter2@/{name}?host={host}",
        "postgresql://pinwheel:hunter2@/none?host={host}",
        "postgresql://pinwheel:hunter2@127.0.0.1:1/{name}",
        "postgresql://pinwheel:hunter2@nowhere.invalid/{name}",
        "postgresql://pinwheel:hunter2@/{name}?host={host}&sslmode=hunter",
    ],
)
def test_what_is_said_of_a_database_that_cannot_be_used_has_no_password(
    postgres: Cluster, address: Address, url: str
) -> None:
    wrong = Address.of(url.format(name=address.parameters["dbname"], host=postgres.directory))
    with pytest.raises(StoreUnusable) as told:
        PostgresDatabase(wrong).open()
    assert "cannot use the database" in str(told.value)
    assert "\n" not in str(told.value)
    assert "hunter2" not in f"{told.value} {told.value!r} {told.value.__cause__!r}"
    with pytest.raises(StoreUnusable) as told:
        PostgresDatabase(wrong).reader().live()
    assert "hunter2" not in str(told.value)


def test_a_restart_of_postgresql_is_not_noticed(postgres: Cluster, database: PostgresDatabase) -> None:
    reading = database.reader()
    database.save(setting("before"))
    assert reading.meta("before") == "1"
    postgres.stop()
    postgres.start()
    database.save(setting("after"))
    assert not database.broken
    assert (reading.meta("after"), reading.live()) == ("1", 0)
    reading.close()


def test_while_postgresql_is_away_everything_is_refused_at_once_and_works_when_it_is_back(
    postgres: Cluster, database: PostgresDatabase, address: Address
) -> None:
    postgres.stop()
    try:
        assert all(refused_at_once(database) for _ in range(3))
        assert database.broken
        assert database.pause_s == RECOVER_S
        began = time.monotonic()
        with pytest.raises(StoreUnusable):
            database.save(setting("lost"))
        database.load(Needs())  # asks for nothing, as the watchdog does
        database.recover()
        assert time.monotonic() - began < AT_ONCE_S
    finally:
        postgres.start()
    until(lambda: works_again(database), "the database is used again")
    database.save(setting("found"))
    assert (kept(address, "lost"), kept(address, "found")) == (None, "1")
    assert not database.stale


def test_a_gateway_that_is_asked_nothing_knows_that_postgresql_is_away(
    postgres: Cluster, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There used to be `health ok` until the first start failed. The batches of the watchdog need nothing."""
    database.load(Needs(new=1))
    postgres.stop()
    try:
        database.tidy(busy=False)
        assert not database.broken
        monkeypatch.setattr("daemon.store.postgres.database.LOOK_S", 0.0)
        database.tidy(busy=False)
        assert database.broken
    finally:
        postgres.start()
    until(lambda: works_again(database), "the database is used again")
    postgres.stop()
    try:
        database.recover()
        assert database.broken
    finally:
        postgres.start()


def test_a_postgresql_that_hangs_holds_nobody_up_for_long(postgres: Cluster, database: PostgresDatabase) -> None:
    reading = database.reader()
    assert reading.live() == 0
    with postgres.halted(), ThreadPoolExecutor() as reader:
        began = time.monotonic()
        read = reader.submit(reading.request, "0" * 32)
        with pytest.raises(StoreUnusable, match="no answer within"):
            database.load(Needs(new=1))
        with pytest.raises(StoreUnusable, match="no answer within"):
            read.result()
        with pytest.raises(StoreUnusable, match="a moment ago"):
            reading.request("0" * 32)
        assert time.monotonic() - began < ANSWER_S + 2
        assert refused_at_once(database)
        assert refused_at_once(database)
    reading.close()
    until(lambda: works_again(database), "the database is used again")
    assert database.load(Needs(new=2)).rows


def test_a_gateway_whose_database_had_another_one_meanwhile_begins_anew(
    postgres: Cluster, database: PostgresDatabase, address: Address
) -> None:
    postgres.stop()
    assert refused_at_once(database)
    postgres.start()
    other = PostgresDatabase(address)
    other.open()
    other.close()
    until(lambda: known_as_stale(database), "it is known to be stale")
    with pytest.raises(StoreUnusable):
        database.save(setting("of the past"))
    assert "another pinwheeld has had the database" in database.stale
    assert kept(address, "of the past") is None


def test_a_gateway_whose_database_comes_back_as_an_earlier_one_begins_anew(
    postgres: Cluster, database: PostgresDatabase
) -> None:
    """There used to be a look for another gateway only: timers and deliveries of lost requests went on."""
    database.save(NOTE)
    database.save(NOTE)
    postgres.execute("UPDATE gateway SET batch = 1", database.address.parameters["dbname"])
    postgres.stop()
    postgres.start()
    with pytest.raises(StoreUnusable, match="is an earlier one"):
        database.save(NOTE)
    assert "lacks commits that were made" in database.stale


def test_a_row_that_somebody_deleted_is_named_and_the_database_is_tried_again(
    postgres: Cluster, database: PostgresDatabase, address: Address
) -> None:
    """A look that failed otherwise than expected was never followed by another, and the daemon could not be closed."""
    name = address.parameters["dbname"]
    epoch = postgres.execute("SELECT epoch FROM gateway", name)[0][0]
    postgres.stop()
    assert refused_at_once(database)
    postgres.start()
    postgres.execute("DELETE FROM gateway", name)
    with pytest.raises(StoreUnusable, match="row of the table gateway"):
        PostgresDatabase(address).open()
    assert not works_again(database)
    postgres.execute(f"INSERT INTO gateway (epoch, batch) SELECT {epoch}, 0", name)
    until(lambda: works_again(database), "the database is used again")


def test_only_what_needs_a_damaged_page_is_refused(postgres: Cluster, database: PostgresDatabase) -> None:
    """There used to be a session less each time, and a batch that was refused as a whole."""
    postgres.execute(
        "CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'invalid page in block 7' USING ERRCODE = 'data_corrupted'; END $$;"
        " CREATE TRIGGER damage BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION damage()",
        database.address.parameters["dbname"],
    )
    with pytest.raises(Damaged, match=r"invalid page in block 7.*restore a backup"):
        database.save(NOTE)
    database.save(Changes(meta={"whole": "yes"}))
    assert (database.broken, database.damaged) == (False, True)


class Line:
    """A line to PostgreSQL that can be cut so that the answer is lost, and that may stay cut."""

    def __init__(self, server: Path, directory: Path) -> None:
        self._server = str(server / f".s.PGSQL.{PORT}")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / f".s.PGSQL.{PORT}"))
        self._listening.listen()
        self.loses: bytes | None = None  # the answer to what has this in it
        self.cut = self.stays_cut = False
        self.refused = 0  # how often, while it was cut
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.cut and self.stays_cut:
                    client.close()
                    self.refused += 1
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        losing = False
        with client, server, selectors.DefaultSelector() as ready, contextlib.suppress(OSError):
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    source, other = (client, server) if key.fileobj is client else (server, client)
                    octets = source.recv(1 << 16)
                    if not octets or (losing and source is server and b"UPDATE 1" in octets):
                        self.cut = losing
                        return
                    losing = losing or (self.loses is not None and source is client and self.loses in octets)
                    if not losing or source is client:
                        other.sendall(octets)
                    if losing:
                        self.loses = None

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def line(postgres: Cluster, public_path: Path) -> Iterator[Line]:
    made = Line(postgres.directory, public_path)
    yield made
    made.close()


def over(line_at: Path, address: Address) -> PostgresDatabase:
    database = PostgresDatabase(Address({**address.parameters, "host": str(line_at)}))
    database.open()
    return database


def test_a_commit_whose_answer_was_lost_is_not_made_twice(line: Line, public_path: Path, address: Address) -> None:
    database = over(public_path, address)
    line.loses = b"a note"
    for _ in range(2):
        database.save(NOTE)
    assert line.cut
    reading = database.reader()
    assert [each.detail for each in reading.history(0, 9)] == ["a note", "a note"]
    assert not database.broken
    reading.close()
    database.close()


def test_a_commit_is_asked_after_as_long_as_the_line_is_cut_for_a_moment_only(
    line: Line, public_path: Path, address: Address
) -> None:
    """There used to be one try: what was stored was answered with status 5."""
    database = over(public_path, address)
    line.loses, line.stays_cut = b"a note", True
    with ThreadPoolExecutor() as writer:
        saved = writer.submit(database.save, NOTE)
        until(lambda: line.refused > 1, "it has tried again")
        line.stays_cut = False
        saved.result()
    assert not database.broken
    with contextlib.closing(database.reader()) as reading:
        assert [each.detail for each in reading.history(0, 9)] == ["a note"]
    database.close()


def saves_more(database: PostgresDatabase) -> None:
    """A batch that reads nothing before."""
    with contextlib.suppress(StoreUnusable):
        database.save(setting("later"))


@pytest.mark.parametrize("look", [PostgresDatabase.recover, saves_more])
def test_a_gateway_that_has_denied_what_was_done_begins_anew(
    line: Line,
    public_path: Path,
    address: Address,
    monkeypatch: pytest.MonkeyPatch,
    look: Callable[[PostgresDatabase], None],
) -> None:
    """There used to be no news of it where another batch came while a look was under way: work went on."""
    monkeypatch.setattr("daemon.store.postgres.database.IN_DOUBT_S", 0.0)
    database = over(public_path, address)
    line.loses, line.stays_cut = b"a note", True
    with pytest.raises(StoreUnusable):
        database.save(NOTE)
    line.stays_cut = False
    look(database)  # it begins

    def answered() -> bool:
        saves_more(database)
        return bool(database.stale) or not database.broken

    until(answered, "there is an answer")
    assert "answered as failed" in database.stale
    assert kept(address, "later") is None
    database.close()
