"""The store: durable, grouped, isolated, locked."""

import asyncio
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.callers import Caller
from daemon.core.commands import Command, Decision, Loaded, Start
from daemon.core.machine import advance
from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    Channel,
    Charge,
    CodeSubmitted,
    Event,
    Note,
    RecordCheck,
    Refund,
    Remember,
    Request,
    Step,
    StepDue,
    Verdict,
)
from daemon.core.quota import MONTH
from daemon.store.contract import FIRST, Check, Place, StoreUnusable
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import empty_log, sqlite
from daemon.store.sqlite.loading import NAMED, OF_ROWS, REPORTED, RUNNING, SELECT_ATTEMPTS
from daemon.store.sqlite.reading import COUNT_WAITING, UNDER_WAY, WAITING
from daemon.store.sqlite.schema import MIGRATIONS
from daemon.store.store import Store
from tests.daemon.core.story import request, started
from tests.daemon.store.writes import Write, act, connection, insert, meant, run, running_for, update


def named(number: int) -> Request:
    return replace(started(request(1)), id=f"{number:032x}")


def test_a_request_comes_back_as_it_went_in(store: Store) -> None:
    sending, _ = advance(named(1), AttemptStarted(0, s(1), "sim1"))
    (row,) = run(store, insert(sending))
    assert store.reading.request(sending.id) == (row, sending)


def test_whose_a_request_is_its_sender_and_its_own_pin_come_back(store: Store) -> None:
    new = replace(named(1), account="acme", sender_id="SHOP", sealed_pin="sealed")
    run(store, insert(new))
    found = store.reading.request(new.id)
    assert found is not None
    assert found[1] == new


def test_an_update_writes_request_and_attempts(store: Store) -> None:
    before = named(1)
    (row,) = run(store, insert(before))
    for event in (StepDue(1, s(125)), AttemptStarted(1, s(126)), CodeSubmitted(True, s(127))):
        after, _ = advance(before, event)
        run(store, update(row, after))
        assert store.reading.request(before.id) == (row, after)
        before = after


def test_a_command_that_fails_takes_nobody_along(store: Store) -> None:
    def fail(_: Command, __: Loaded) -> tuple[Ms, Decision]:
        raise ValueError("a defect")

    first, failed, third = run(store, insert(named(1)), (Start(Caller(), named(2)), fail), insert(named(3)))
    assert isinstance(failed, ValueError)
    assert first < third
    assert store.reading.request(named(2).id) is None
    assert store.reading.request(named(3).id) == (third, named(3))


UNWRITABLE: dict[str, Write] = {
    "text": insert(replace(named(2), brand="\ud800")),
    "number": insert(replace(named(2), wrong=1 << 70)),
    "twice": insert(named(1)),
    "check of no request": act(RecordCheck(True), row=999),
}


@pytest.mark.parametrize("write", UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_cannot_be_saved_takes_nobody_along(store: Store, write: Write) -> None:
    """A savepoint for each used to see to it, at a third of the price of a start."""
    before = [insert(named(1)), *(insert(named(number)) for number in range(10, 20))]
    *rows, failed, last = run(store, *before, write, insert(named(20)))
    assert isinstance(failed, Exception)
    assert not isinstance(failed, StoreUnusable)
    assert not store.broken
    assert rows == sorted(rows)
    assert last > rows[-1]
    assert store.reading.counts() == {"IN PROGRESS": 12}
    assert store.reading.request(named(20).id) == (last, named(20))


def test_timers_are_found_by_their_due_time(store: Store) -> None:
    rows = run(store, *(insert(replace(named(i), due_at=s(i))) for i in range(1, 6)))
    assert store.reading.due(s(2), s(4)) == [(s(2), rows[1]), (s(3), rows[2])]
    done, _ = advance(replace(named(2), due_at=s(2)), CodeSubmitted(True, s(1)))
    run(store, update(rows[1], done))
    assert store.reading.due(s(2), s(4)) == [(s(3), rows[2])]


def test_active_requests_of_a_number_are_known(store: Store) -> None:
    done, _ = advance(named(2), CodeSubmitted(True, s(1)))
    run(store, insert(named(1)), insert(done))
    assert running_for(store, named(3)) == [named(1)]
    assert running_for(store, replace(named(3), number="447700900124")) == []
    assert store.reading.counts() == {"IN PROGRESS": 1, "SUCCESS": 1}


def test_what_waits_for_a_device_comes_in_pages_by_the_end_of_its_pin(store: Store) -> None:
    done, _ = advance(named(2), CodeSubmitted(True, s(1)))
    begun, _ = advance(named(3), AttemptStarted(0, s(1), "sim1"))
    soon = replace(named(4), attempts=(replace(named(4).attempts[0], not_after=s(100)),))
    call = replace(named(5), attempts=(replace(named(5).attempts[0], channel=Channel.TTS),))
    rows = run(store, *map(insert, (named(1), done, begun, soon, call, named(6))))
    (first,), (second, third) = (store.reading.waiting(Channel.SMS, *which) for which in ((FIRST, 1), (SOON, 9)))
    assert first == (Place(s(100), rows[3], 0), soon)
    assert second == (Place(s(300), rows[0], 0), named(1))
    assert third == (Place(s(300), rows[5], 0), named(6))
    assert store.reading.waiting(Channel.SMS, third[0], 9) == []
    assert [place.row for place, _ in store.reading.waiting(Channel.TTS, FIRST, 9)] == [rows[4]]
    assert store.reading.count_waiting(Channel.SMS) == 3
    assert store.reading.under_way() == [(begun.id, 0)]


SOON = Place(s(200), 0, 0)


def charge(at: float, device: str, number: str, count: int = 1) -> Write:
    return act(Charge(s(at), device, number, count), at=s(at))


def test_what_a_modem_sent_is_counted_for_its_quota(store: Store) -> None:
    run(store, charge(1, "sim1", "a"), charge(2, "sim2", "b"), charge(3, "sim1", "b"), charge(4, "sim1", "a"))
    assert store.reading.sent_by("sim1", s(0)) == [(s(1), "a"), (s(3), "b"), (s(4), "a")]
    assert store.reading.sent_by("sim1", s(3)) == [(s(3), "b"), (s(4), "a")]
    run(store, act(Refund("sim1", "a")), act(Refund("sim1", "c")))
    assert store.reading.sent_by("sim1", s(0)) == [(s(1), "a"), (s(3), "b")]
    later = in_seconds(MONTH) + 2
    run(store, charge(later, "sim1", "c"))
    assert store.reading.sent_by("sim1", s(0)) == [(s(3), "b"), (s(later), "c")]
    assert store.reading.sent_by("sim2", s(0)) == [(s(2), "b")]


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


def test_the_rows_of_a_charge_are_as_many_as_its_sms_and_a_refund_takes_the_newest(store: Store) -> None:
    run(store, charge(1, "sim1", "a", 2), charge(2, "sim1", "a", 2))
    run(store, act(Refund("sim1", "a", 3)))
    assert store.reading.sent_by("sim1", s(0)) == [(s(1), "a")]


def test_what_was_queued_again_is_told_from_what_never_went_out(tmp_path: Path) -> None:
    """There used to be one state for both, and the count of tries told them apart."""
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
        (UNDER_WAY, "attempt_sending"),
        (RUNNING, "request_active"),
        (OF_ROWS, "INTEGER PRIMARY KEY"),
        (NAMED, "sqlite_autoindex_request_1"),
        (SELECT_ATTEMPTS, "PRIMARY KEY (request=?)"),
        (REPORTED, "request_number"),
        (REPORTED, "attempt_reference"),
    ],
)
def test_what_is_asked_for_all_the_time_is_found_by_an_index(store: Store, query: str, index: str) -> None:
    rows = connection(store).execute(f"EXPLAIN QUERY PLAN {query}", ("[]",) * query.count("?")).fetchall()
    plan = " ".join(row[3] for row in rows)
    assert index in plan
    assert "SCAN request" not in plan
    assert "SCAN attempt" not in plan


def test_what_was_sent_before_quotas_had_a_table_is_counted(tmp_path: Path) -> None:
    unsent = OLD_ATTEMPT.replace("(7, 0,", "(7, 1,").replace("'sim1'", "''")
    old_database(tmp_path / "p.db", 2, OLD_REQUEST, OLD_ATTEMPT, unsent)
    store = Store(SqliteDatabase(tmp_path / "p.db"))
    store.open()
    assert store.reading.sent_by("sim1", s(0)) == [(Ms(1700000003988), "447700900123")]
    store.close()


def test_a_database_of_seconds_loses_nothing_when_it_becomes_one_of_milliseconds(tmp_path: Path) -> None:
    """There used to be seconds beside a rounded `due_ms`: what had died in that millisecond was still sent."""
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
    assert store.reading.checks(wanted) == [Check(Ms(1700000009001), False, "192.0.2.1")]
    assert [(line.seq, line.at) for line in store.reading.history(0, 9)] == [(90, Ms(1700000000456))]
    assert store.reading.sent_by("sim1", s(0)) == [(Ms(1700000003988), "447700900123")]
    assert store.meta("clock origin", "") == "1690000000.25"
    assert store.reading.due(s(0), s(2e9)) == [(Ms(1700000060456), 7)]
    assert connection(store).execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection(store).execute("PRAGMA foreign_keys").fetchone() == (1,)
    running, _ = advance(kept, StepDue(1, Ms(1700000060500)))
    assert (running.step, running.generation) == (2, 2)
    run(store, act(Note("later")))
    assert store.reading.last_seq() == 91
    store.close()


ANSWERED = AttemptAnswered(0, Verdict.TAKEN, s(2), reference="9", device="sim1")
LOST = AttemptAnswered(0, Verdict.UNCERTAIN, s(2), device="sim1")


def test_a_report_is_credited_by_its_reference(store: Store) -> None:
    sent = [
        advance(
            advance(named(i), AttemptStarted(0, s(1), "sim1"))[0],
            AttemptAnswered(0, Verdict.TAKEN, s(2), reference=str(i)),
        )[0]
        for i in (1, 2)
    ]
    rows = run(store, *map(insert, sent))
    assert meant(store, "447700900123", "1", "sim1", s(0)) == (rows[0], 0)
    assert meant(store, "447700900123", "1", "sim2", s(0)) is None  # which counts by itself
    assert meant(store, "447700900123", "9", "sim1", s(0)) is None
    assert meant(store, "447700900145", "1", "sim1", s(0)) is None
    assert meant(store, "07700900123", "2", "sim1", s(0)) == (rows[1], 0)  # in national form
    assert meant(store, "07700900123", "9", "sim1", s(0)) is None
    assert meant(store, "900123", "1", "sim1", s(0)) is None


def test_a_report_is_credited_to_the_newest_message_with_its_reference(store: Store) -> None:
    sent = advance(
        advance(named(1), AttemptStarted(0, s(1), "sim1"))[0], AttemptAnswered(0, Verdict.TAKEN, s(2), reference="7")
    )[0]
    newer = replace(sent, id=named(2).id, attempts=(replace(sent.attempts[0], queued_at=s(50)),))
    older = replace(sent, id=named(3).id, attempts=(replace(sent.attempts[0], queued_at=s(-50)),))
    rows = run(store, insert(sent), insert(newer), insert(older))
    assert meant(store, "447700900123", "7", "sim1", s(-100)) == (rows[1], 0)


def test_a_message_that_was_never_sent_has_no_report(store: Store) -> None:
    sending = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    back = advance(sending, AttemptAnswered(0, Verdict.NOT_SENT, s(2)))[0]
    run(store, insert(back))
    assert (back.attempts[0].device, back.attempts[0].tries) == ("sim1", 0)
    assert meant(store, "447700900123", "7", "sim1", s(0)) is None


def test_a_report_without_a_known_reference_is_credited_to_the_message_without_an_answer(store: Store) -> None:
    sending = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    uncertain = advance(sending, AttemptAnswered(0, Verdict.UNCERTAIN, s(2), resend=True))[0]
    rows = run(store, insert(uncertain), insert(named(2)))
    assert uncertain.attempts[0].state is AttemptState.REQUEUED
    assert meant(store, "447700900123", "7", "sim1", s(0)) == (rows[0], 0)
    assert meant(store, "447700900123", "7", "sim2", s(0)) is None


@pytest.mark.parametrize(
    ("story", "credited"),
    [
        ([], True),  # it is being sent
        ([LOST], True),
        ([replace(LOST, resend=True)], True),  # queued once more
        ([replace(LOST, resend=True), AttemptStarted(0, s(3), "sim1")], True),
        ([AttemptAnswered(0, Verdict.REFUSED, s(2), parts=0)], False),
        ([AttemptAnswered(0, Verdict.FAILED, s(2), parts=0)], False),
        ([ANSWERED], False),  # by another reference
    ],
)
def test_a_report_whose_reference_nobody_knows_is_credited_to_a_message_that_may_have_gone_out(
    store: Store, story: list[Event], *, credited: bool
) -> None:
    message = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    for event in story:
        message = advance(message, event)[0]
    (row,) = run(store, insert(message))
    assert meant(store, "447700900123", "7", "sim1", s(0)) == ((row, 0) if credited else None)


def test_a_report_with_a_known_reference_is_not_credited_to_a_newer_message_without_an_answer(
    store: Store,
) -> None:
    sending = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    sent, _ = advance(sending, ANSWERED)
    newer = replace(sending, id=named(2).id, attempts=(replace(sending.attempts[0], queued_at=s(50)),))
    rows = run(store, insert(sent), insert(newer))
    assert meant(store, "447700900123", "9", "sim1", s(0)) == (rows[0], 0)
    assert meant(store, "447700900123", "7", "sim1", s(0)) == (rows[1], 0)


def test_a_report_of_a_number_in_national_form_is_credited_to_the_newest_message_of_its_modem(
    store: Store,
) -> None:
    """TP-MR wraps: an older message to the same number had the same one."""
    sent, _ = advance(advance(named(1), AttemptStarted(0, s(1), "sim1"))[0], ANSWERED)
    attempt = sent.attempts[0]
    others = [
        replace(sent, id=named(i).id, attempts=(replace(attempt, queued_at=s(at), device=device),))
        for i, at, device in [(2, 50, "sim1"), (3, 20, "sim1"), (4, 90, "sim2"), (5, 95, "")]
    ]
    rows = run(store, insert(sent), *map(insert, others))
    assert meant(store, "07700900123", "9", "sim1", s(0)) == (rows[1], 0)
    assert meant(store, "07700900123", "9", "sim1", s(51)) is None
    assert meant(store, "07700900123", "9", "", s(0)) is None


@pytest.mark.parametrize(("told", "known"), [("0900123", True), ("900123", False), ("8900123", False)])
def test_a_national_number_is_known_by_its_last_seven_digits(store: Store, told: str, *, known: bool) -> None:
    sent, _ = advance(advance(named(1), AttemptStarted(0, s(1), "sim1"))[0], ANSWERED)
    run(store, insert(sent))
    assert bool(meant(store, told, "9", "sim1", s(0))) is known


def test_requests_in_progress_are_counted(store: Store) -> None:
    done, _ = advance(named(2), CodeSubmitted(True, s(1)))
    run(store, insert(named(1)), insert(done), insert(named(3)))
    assert store.reading.live() == 2
    assert store.reading.counts() == {"IN PROGRESS": 2, "SUCCESS": 1}


def test_a_lasting_setting_is_changed(store: Store) -> None:
    assert store.reading.meta("duty") is None
    run(store, act(Remember("duty", "paused")), act(Remember("duty", "working")))
    assert store.reading.meta("duty") == "working"


def test_checks_and_history_are_kept_in_order(store: Store) -> None:
    (row,) = run(store, insert(named(1)))
    run(
        store,
        act(RecordCheck(False, "192.0.2.1"), at=s(1), row=row),
        act(Note("check", None, "wrong"), at=s(1), request_id=named(1).id),
        act(Note("started", 0), at=s(2), request_id="other"),
    )
    assert store.reading.checks(named(1).id) == [Check(s(1), False, "192.0.2.1")]
    assert [line.kind for line in store.reading.history(0, 10)] == ["check", "started"]
    assert [line.kind for line in store.reading.history(0, 10, named(1).id)] == ["check"]
    assert store.reading.history(1, 10)[0].seq == store.reading.last_seq() == 2


def test_the_newest_500_checks_are_shown(store: Store) -> None:
    (row,) = run(store, insert(named(1)))

    run(store, *(act(RecordCheck(False, "192.0.2.1"), at=s(second), row=row) for second in range(502)))
    shown = store.reading.checks(named(1).id)
    assert (len(shown), shown[0].at, shown[-1].at) == (500, s(2), s(501))


def test_the_checks_of_two_requests_are_kept_apart(store: Store) -> None:
    """There used to be no test with two: a search could have shown everybody's checks and addresses."""
    rows = run(store, insert(named(1)), insert(named(2)))
    for row, valid, address in ((rows[0], False, "192.0.2.1"), (rows[1], True, "192.0.2.2")):
        run(store, act(RecordCheck(valid, address), at=s(1), row=row))
    assert store.reading.checks(named(1).id) == [Check(s(1), False, "192.0.2.1")]
    assert store.reading.checks(named(2).id) == [Check(s(1), True, "192.0.2.2")]
    assert store.reading.checks(named(3).id) == []


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    first = Store(SqliteDatabase(tmp_path / "p.db"))
    first.open()
    run(first, insert(named(1)))
    assert first.meta("clock origin", "5") == "5"
    first.close()
    second = Store(SqliteDatabase(tmp_path / "p.db"))
    second.open()
    assert second.reading.request(named(1).id) == (1, named(1))
    assert second.meta("clock origin", "6") == "5"
    second.close()


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


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.db").write_bytes(b"certainly not SQLite" * 100)
    with pytest.raises(StoreUnusable, match="cannot open the database"):
        Store(SqliteDatabase(tmp_path / "p.db")).open()


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


def test_readers_cannot_write(store: Store) -> None:
    assert isinstance(store.database, SqliteDatabase)
    with pytest.raises(sqlite.OperationalError), closing(store.database.reader()) as reader:
        reader.connection.execute("DELETE FROM request")


def test_the_sqlite_in_use_is_past_the_wal_reset_bug() -> None:
    assert sqlite.sqlite_version_info >= (3, 51, 3)


def test_what_is_submitted_in_one_turn_of_the_loop_shares_a_commit(store: Store) -> None:
    commits: list[str] = []
    connection(store).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    run(store, *(insert(named(i)) for i in range(100)))
    assert len(commits) == 1


def test_what_follows_a_commit_happens_also_when_nobody_waits_any_more(store: Store) -> None:
    async def main() -> Decision:
        told: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        store.submit(*insert(named(1)), told.set_result).cancel()
        return await asyncio.wait_for(told, 10)

    assert asyncio.run(main()).row == 1


# --- a disk that is full -----------------------------------------------------------------------------------

ON_A_SMALL_DISK = """
import asyncio, os, sys
from pathlib import Path
from daemon.store.sqlite.library import sqlite
from daemon.store.contract import StoreUnusable
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
    """There used to be a log that kept its size, and a commit that wrote nothing passed for a disk that works."""
    assert on_a_small_disk(tmp_path, ON_A_SMALL_DISK, 2_000_000) == "recovered\n"


FULL_FROM_THE_START = """
import sys
from pathlib import Path
from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store

store = Store(SqliteDatabase(Path(sys.argv[1]) / "p.db"))
try:
    store.open()
    for number in range(100_000):
        store.set_meta(f"x{number}", "y" * 1000)
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
