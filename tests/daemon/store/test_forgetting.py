"""A number that is forgotten is in no file any more; what is counted stays."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import phonenumbers
import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.config import Retention
from daemon.core.milliseconds import Ms
from daemon.operations.number_hash import forms
from daemon.store.forgetting import Forgotten, ForgottenRows, Forms, StillRunning, look, pattern
from daemon.store.sqlite.backup import back_up
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import sqlite, wiped
from daemon.store.store import Store
from daemon.store.upkeep import Upkeep
from drivers.simulated.modem import SimulatedModem
from tests.daemon.store.test_retention import HASH, NUMBER, add, count, day, incoming, named, run, turn, verified
from tests.daemon.store.writes import connection
from tests.gateway import Gateway, modem_section, pin_in, until

NATIONAL = b"7700900123"


def parsed(number: str) -> phonenumbers.PhoneNumber:
    return phonenumbers.parse("+" + number)


def forget(store: Store, number: str = NUMBER) -> Forgotten:
    return run(lambda: Upkeep(store).forget(forms(parsed(number)), HASH))


def octets(folder: Path) -> bytes:
    """Of every file of the state directory."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("447700900123", "#"),
        ("sim1 from +447700900123: hi", "sim1 from #: hi"),
        ("from 0044 7700 900-123.", "from #."),
        ("07700 900123", "#"),
        ("+44 (0) 7700 900 123", "#"),
        ("7700900123", "#"),
        ("sip:447700900123@pbx", "sip:#@pbx"),
        ("17700900123", "17700900123"),  # of another country
        ("4477009001234", "4477009001234"),
        ("x 447700900124", "x 447700900124"),
    ],
)
def test_a_number_is_found_however_it_is_written(text: str, left: str) -> None:
    assert pattern(forms(parsed(NUMBER))).sub("#", text) == left


def test_forms_are_those_of_its_country() -> None:
    assert forms(parsed("33612345678")) == Forms("33612345678", "612345678", "0")
    assert forms(parsed("12025550123")) == Forms("12025550123", "2025550123", "1")
    assert forms(parsed("390612345678")) == Forms("390612345678", "0612345678", "")


def test_no_file_has_the_number_and_the_statistics_stay(store: Store, tmp_path: Path) -> None:
    """Beside many others, with the log folded back into the file again and again."""
    rng = random.Random(21)
    for number in range(60):
        add(store, verified(named(number, day(0), to=f"4479{rng.randrange(10**8):08}")))
    for number in range(100, 104):
        add(store, verified(named(number, day(1))))
        incoming(store, day(1), f"sim1 from +{NUMBER}: it is me")
        incoming(store, day(1), "sim1 from +447700900999: ask 07700 900123")
        store.database.empty_log()
    add(store, replace(verified(named(200, day(0))), number=HASH(NUMBER)))
    assert NATIONAL in octets(tmp_path)
    before = store.reading.counts()
    done = forget(store)
    assert done == Forgotten(5, 12, 5, True)
    assert NATIONAL not in octets(tmp_path)
    assert HASH(NUMBER).encode() not in octets(tmp_path)
    assert not re.search(rb"7700[ ]900123|it is me", octets(tmp_path))
    assert store.reading.counts() == before
    assert count(store, "check", "ip_address = ''") == 5
    assert len({number for _, number in store.reading.sent_by("sim1", Ms(0))}) == 61  # one of them is nobody
    assert forget(store) == Forgotten(0, 0, 0, True)


def test_what_came_since_it_was_looked_for_is_forgotten_too(store: Store) -> None:
    """Every row is looked at beside the traffic; only what has come since then holds the traffic up."""
    number, ask = forms(parsed(NUMBER)), connection(store).execute
    add(store, verified(named(1, day(0))))
    found = look(ask, number, HASH)
    add(store, verified(named(2, day(0))))
    incoming(store, day(0), f"sim1 from +{NUMBER}: it is me")
    more = look(ask, number, HASH, found)
    assert (found.requests, len(found.lines), more.requests, len(more.lines)) == ((1,), 1, (2,), 2)
    assert store.database.forget(number, HASH, found) == ForgottenRows(2, 3, 2)
    assert look(ask, number, HASH)[:2] == ((), ())


@pytest.fixture
def before_wiping(tmp_path: Path) -> Iterator[Store]:
    """A database of an earlier version: rows were deleted, and their octets stayed."""
    opened = Store(SqliteDatabase(tmp_path / "pinwheel.db"))
    opened.open()
    connection(opened).execute("PRAGMA user_version=0")
    connection(opened).execute("PRAGMA secure_delete=OFF")
    yield opened
    opened.close()


def test_what_an_earlier_version_deleted_and_left_in_the_file_goes_too(before_wiping: Store, tmp_path: Path) -> None:
    """There used to be no secure_delete: pysqlite3 has it off."""
    store = before_wiping
    for number in range(20):
        add(store, verified(named(number, day(0))))
    turn(store, Retention(requests=1), day(40))
    assert count(store, "request") + count(store, "sent") == 0
    assert NATIONAL in octets(tmp_path)
    assert forget(store).log_emptied
    assert NATIONAL not in octets(tmp_path)
    assert wiped(connection(store))


def test_a_number_that_came_back_with_a_backup_goes_too(store: Store, tmp_path: Path) -> None:
    """There used to be octets of it in a restored file: VACUUM INTO had left them between the rows of a page."""
    add(store, verified(named(1, day(0))))
    for number in range(2, 130):
        add(store, verified(named(number, day(0), to=f"4479{number:08}")))
    (tmp_path / "restored").mkdir()
    back_up(tmp_path / "pinwheel.db", tmp_path / "restored" / "pinwheel.db")
    restored = Store(SqliteDatabase(tmp_path / "restored" / "pinwheel.db"))
    restored.open()
    try:
        assert forget(restored).log_emptied
        assert NATIONAL not in octets(tmp_path / "restored")
    finally:
        restored.close()


def test_what_retention_deletes_is_overwritten(store: Store, tmp_path: Path) -> None:
    for number in range(20):
        add(store, verified(named(number, day(0))))
    turn(store, Retention(requests=1), day(40))
    assert NATIONAL not in octets(tmp_path)


def test_a_number_in_progress_is_refused_and_nothing_is_changed(store: Store) -> None:
    add(store, verified(named(1, day(0))))
    add(store, named(2, day(0)))
    with pytest.raises(StillRunning, match=named(2, day(0)).id):
        forget(store)
    assert count(store, "request", f"number = '{NUMBER}'") == 2


def test_a_reader_that_keeps_the_number_in_the_log_is_reported(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.store.upkeep.EMPTY_AGAIN_S", 0.01)
    add(store, verified(named(1, day(0))))
    reader = sqlite.connect(f"file:{tmp_path}/pinwheel.db?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM request").fetchall()
    assert not forget(store).log_emptied
    reader.execute("COMMIT")
    reader.close()
    assert forget(store).log_emptied
    assert NATIONAL not in octets(tmp_path)


def test_the_daemon_forgets_a_number_while_it_runs(tmp_path: Path) -> None:
    with SimulatedModem(network_s=0.05, report_s=0.1) as modem, Gateway(tmp_path, modem_section(modem.port)) as gateway:
        request_id = gateway.verify(NUMBER, workflow_id=6)
        _, text = until(lambda: modem.accepted, "the SMS")[0]
        gateway.wait_for(request_id, "delivered", step=0)
        modem.receive(NUMBER, "STOP")
        until(lambda: b"STOP" in octets(tmp_path), "the answer")
        order = ["--socket", str(gateway.socket), "forget", f"+{NUMBER}"]
        refused = CliRunner().invoke(main, [*order, "--yes"])
        assert refused.exit_code == 1
        assert request_id in refused.output
        assert gateway.client.verify("check", request_id=request_id, code=pin_in(text))["status"] == "0"
        assert CliRunner().invoke(main, order, input="n\n").exit_code == 1
        done = CliRunner().invoke(main, [*order, "--yes"])
        assert done.exit_code == 0, done.output
        assert "forgotten in 1 request(s)" in done.output
        assert gateway.request(request_id)["number"] == ""
        for words in (["export", "all.csv", "--numbers"], ["backup", "b.db"], ["report", "--csv", "r.csv"]):
            named = [str(tmp_path / word) if "." in word else word for word in words]
            done = CliRunner().invoke(main, [*named, "--config", str(gateway.config)])
            assert done.exit_code == 0, done.output
        assert {"all.csv", "b.db", "r.csv", "pinwheeld.log"} <= {path.name for path in tmp_path.iterdir()}
        assert NATIONAL not in octets(tmp_path)  # nor in the log, in the write-ahead log, or in what was made of it
        assert b"STOP" not in octets(tmp_path)
        counted = {"SUCCESS": 1}  # a figure that is used again for a while
        until(lambda: gateway.client.get("/v1/status")["requests"] == counted, "the statistics")
