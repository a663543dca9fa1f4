"""The store: durable, grouped, isolated, locked."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.core.machine import advance
from daemon.core.model import AttemptSettled, AttemptStarted, AttemptState, CodeSubmitted, Request, StepDue
from daemon.sqlite import MIGRATIONS, sqlite
from daemon.store import Check, SqliteStore, StoreUnusable, Transaction
from tests.core.story import request, started

Operation = Callable[[Transaction], Any]


def run(store: SqliteStore, *operations: Operation) -> list[Any]:
    """The results of operations submitted together; exceptions are results."""

    async def main() -> list[Any]:
        return await asyncio.gather(*(store.submit(operation) for operation in operations), return_exceptions=True)

    return asyncio.run(main())


def insert(new: Request) -> Operation:
    return lambda tx: tx.insert(new)


def named(number: int) -> Request:
    return replace(started(request(1)), id=f"{number:032x}")


def test_a_request_comes_back_as_it_went_in(store: SqliteStore) -> None:
    sending, _ = advance(named(1), AttemptStarted(0, 1.0, "sim1"))
    (row,) = run(store, insert(sending))
    assert store.reading.request(sending.id) == (row, sending)
    assert store.reading.request_by_row(row) == (row, sending)


def test_an_update_writes_request_and_attempts(store: SqliteStore) -> None:
    before = named(1)
    (row,) = run(store, insert(before))
    for event in (StepDue(1, 125.0), AttemptStarted(1, 126.0), CodeSubmitted(True, 127.0)):
        after, _ = advance(before, event)
        run(store, partial(Transaction.update, row=row, before=before, after=after))
        assert store.reading.request(before.id) == (row, after)
        before = after


def test_an_operation_that_fails_takes_nobody_along(store: SqliteStore) -> None:
    def fail(tx: Transaction) -> None:
        tx.insert(named(2))
        raise ValueError("half done")

    first, failed, third = run(store, insert(named(1)), fail, insert(named(3)))
    assert isinstance(failed, ValueError)
    assert (first, third) == (1, 2)
    assert store.reading.request(named(2).id) is None


def test_timers_are_found_by_their_due_time(store: SqliteStore) -> None:
    rows = run(store, *(insert(replace(named(i), due_at=float(i))) for i in range(1, 6)))
    assert store.reading.due(2000, 4000) == [(2000, rows[1]), (3000, rows[2])]
    done, _ = advance(replace(named(2), due_at=2.0), CodeSubmitted(True, 1.0))
    run(store, lambda tx: tx.update(rows[1], named(2), done))
    assert store.reading.due(2000, 4000) == [(3000, rows[2])]


def test_active_requests_of_a_number_are_known(store: SqliteStore) -> None:
    done, _ = advance(named(2), CodeSubmitted(True, 1.0))
    run(store, insert(named(1)), insert(done))
    assert store.reading.active_ids_for("447700900123") == [named(1).id]
    assert store.reading.counts() == {"IN PROGRESS": 1, "SUCCESS": 1}


def test_unsettled_requests_are_known(store: SqliteStore) -> None:
    done, _ = advance(named(2), CodeSubmitted(True, 1.0))
    rows = run(store, insert(named(1)), insert(done))
    assert store.reading.unsettled() == rows[:1]


def test_what_a_modem_sent_is_counted_for_its_quota(store: SqliteStore) -> None:
    def sent(tx: Transaction) -> None:
        for at, device, number in ((1.0, "sim1", "a"), (2.0, "sim2", "b"), (3.0, "sim1", "b"), (4.0, "sim1", "a")):
            tx.add_sent(at, device, number, forget=0.0)

    run(store, sent)
    assert store.reading.sent_by("sim1", 0.0) == [(1.0, "a"), (3.0, "b"), (4.0, "a")]
    assert store.reading.sent_by("sim1", 3.0) == [(3.0, "b"), (4.0, "a")]
    run(store, lambda tx: tx.take_back_sent("sim1", "a"), lambda tx: tx.take_back_sent("sim1", "c"))
    assert store.reading.sent_by("sim1", 0.0) == [(1.0, "a"), (3.0, "b")]
    run(store, lambda tx: tx.add_sent(9.0, "sim1", "c", forget=2.0))
    assert store.reading.sent_by("sim1", 0.0) == [(3.0, "b"), (9.0, "c")]
    assert store.reading.sent_by("sim2", 0.0) == [(2.0, "b")]


def test_what_was_sent_before_quotas_had_a_table_is_counted(tmp_path: Path) -> None:
    old = sqlite.connect(str(tmp_path / "p.db"), isolation_level=None)
    old.execute("CREATE TABLE migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT")
    for name, statements in MIGRATIONS[:2]:
        for statement in statements:
            old.execute(statement)
        old.execute("INSERT INTO migration VALUES (?, '')", (name,))
    sending, _ = advance(named(1), AttemptStarted(0, 1.0, "sim1"))
    Transaction(old).insert(sending)
    Transaction(old).insert(named(2))
    old.close()
    store = SqliteStore(tmp_path / "p.db")
    store.open()
    assert store.reading.sent_by("sim1", -1.0) == [(sending.attempts[0].queued_at, sending.number)]
    store.close()


def test_a_report_is_credited_by_its_reference(store: SqliteStore) -> None:
    sent = [
        advance(
            advance(named(i), AttemptStarted(0, 1.0, "sim1"))[0], AttemptSettled(0, AttemptState.SENT, 2.0, str(i))
        )[0]
        for i in (1, 2)
    ]
    rows = run(store, *map(insert, sent))
    assert store.reading.attempt_reported("447700900123", "1", "sim1", 0.0) == (rows[0], 0)
    assert store.reading.attempt_reported("447700900123", "1", "sim2", 0.0) is None  # which counts by itself
    assert store.reading.attempt_reported("447700900123", "9", "sim1", 0.0) is None
    assert store.reading.attempt_reported("447700900145", "1", "sim1", 0.0) is None
    assert store.reading.attempt_reported("07700900123", "2", "sim1", 0.0) == (rows[1], 0)  # in national form
    assert store.reading.attempt_reported("07700900123", "9", "sim1", 0.0) is None
    assert store.reading.attempt_reported("900123", "1", "sim1", 0.0) is None


def test_a_report_is_credited_to_the_newest_message_with_its_reference(store: SqliteStore) -> None:
    sent = advance(
        advance(named(1), AttemptStarted(0, 1.0, "sim1"))[0], AttemptSettled(0, AttemptState.SENT, 2.0, "7")
    )[0]
    newer = replace(sent, id=named(2).id, attempts=(replace(sent.attempts[0], queued_at=50.0),))
    older = replace(sent, id=named(3).id, attempts=(replace(sent.attempts[0], queued_at=-50.0),))
    rows = run(store, insert(sent), insert(newer), insert(older))
    assert store.reading.attempt_reported("447700900123", "7", "sim1", -100.0) == (rows[1], 0)


def test_a_message_that_was_never_sent_has_no_report(store: SqliteStore) -> None:
    sending = advance(named(1), AttemptStarted(0, 1.0, "sim1"))[0]
    back = advance(sending, AttemptSettled(0, AttemptState.QUEUED, 2.0))[0]
    run(store, insert(back))
    assert (back.attempts[0].device, back.attempts[0].tries) == ("sim1", 0)
    assert store.reading.attempt_reported("447700900123", "7", "sim1", 0.0) is None


def test_a_report_without_a_known_reference_is_credited_to_the_message_without_an_answer(store: SqliteStore) -> None:
    sending = advance(named(1), AttemptStarted(0, 1.0, "sim1"))[0]
    uncertain = advance(sending, AttemptSettled(0, AttemptState.UNCERTAIN, 2.0, resend=True))[0]
    rows = run(store, insert(uncertain), insert(named(2)))
    assert uncertain.attempts[0].state is AttemptState.QUEUED
    assert store.reading.attempt_reported("447700900123", "7", "sim1", 0.0) == (rows[0], 0)
    assert store.reading.attempt_reported("447700900123", "7", "sim2", 0.0) is None


def test_a_lasting_setting_is_changed(store: SqliteStore) -> None:
    assert store.reading.meta("duty") is None
    run(store, lambda tx: tx.set_meta("duty", "paused"), lambda tx: tx.set_meta("duty", "working"))
    assert store.reading.meta("duty") == "working"


def test_checks_and_history_are_kept_in_order(store: SqliteStore) -> None:
    (row,) = run(store, insert(named(1)))
    run(
        store,
        lambda tx: tx.add_check(row, Check(1.0, False, "192.0.2.1")),
        lambda tx: tx.add_history(1.0, named(1).id, "check", None, "wrong"),
        lambda tx: tx.add_history(2.0, "other", "started", 0, ""),
    )
    assert store.reading.checks(named(1).id) == [Check(1.0, False, "192.0.2.1")]
    assert [line.kind for line in store.reading.history(0, 10)] == ["check", "started"]
    assert [line.kind for line in store.reading.history(0, 10, named(1).id)] == ["check"]
    assert store.reading.history(1, 10)[0].seq == store.reading.last_seq() == 2


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "p.db")
    first.open()
    run(first, insert(named(1)))
    assert first.meta("clock origin", "5") == "5"
    first.close()
    second = SqliteStore(tmp_path / "p.db")
    second.open()
    assert second.reading.request(named(1).id) == (1, named(1))
    assert second.meta("clock origin", "6") == "5"
    second.close()


@pytest.mark.usefixtures("store")
def test_a_second_daemon_is_kept_out(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="another pinwheeld is running"):
        SqliteStore(tmp_path / "pinwheel.db").open()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.db").write_bytes(b"certainly not SQLite" * 100)
    with pytest.raises(StoreUnusable, match="cannot open the database"):
        SqliteStore(tmp_path / "p.db").open()


def test_a_database_of_a_newer_pinwheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    store = SqliteStore(path)
    store.open()
    store.close()
    db = sqlite.connect(str(path))
    db.execute("INSERT INTO migration VALUES ('9999 the future', '')")
    db.commit()
    db.close()
    with pytest.raises(StoreUnusable, match="newer Pinwheel"):
        SqliteStore(path).open()


@pytest.mark.usefixtures("store")
def test_migrations_are_recorded_and_run_once(tmp_path: Path) -> None:
    db = sqlite.connect(f"file:{tmp_path}/pinwheel.db?mode=ro", uri=True)
    assert [name for (name,) in db.execute("SELECT name FROM migration")] == [name for name, _ in MIGRATIONS]
    db.close()


def test_readers_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(sqlite.OperationalError):
        store._reader.execute("DELETE FROM request")


def test_the_sqlite_in_use_is_past_the_wal_reset_bug() -> None:
    assert sqlite.sqlite_version_info >= (3, 51, 3)


def test_what_is_submitted_in_one_turn_of_the_loop_shares_a_commit(store: SqliteStore) -> None:
    commits: list[str] = []
    store._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    run(store, *(insert(named(i)) for i in range(100)))
    assert len(commits) == 1


def test_what_follows_a_commit_happens_also_when_nobody_waits_any_more(store: SqliteStore) -> None:
    async def main() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        store.submit(insert(named(1)), told.set_result).cancel()
        return await asyncio.wait_for(told, 10)

    assert asyncio.run(main()) == 1
