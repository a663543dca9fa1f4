"""Commands in batches of any sizes end as they do one at a time, on dictionaries and on both databases."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from daemon.core.commands import (
    AddNote,
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Command,
    Decision,
    Fire,
    GiveUp,
    Interrupt,
    Loaded,
    Next,
    Policy,
    RefundTest,
    Report,
    SetMeta,
    Settle,
    SettleLate,
    Start,
    decide,
)
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Reply, Request, Status, Verdict
from daemon.core.outcomes import Accepted, Busy, Gone, WrongCode, WrongTooOften
from daemon.core.ownership import Caller
from daemon.core.request_cache import RequestCache
from daemon.store.batches import Operation, carry_out
from daemon.store.contract import Database, StoreUnusable
from daemon.store.copying import TABLES
from daemon.store.postgres.database import PostgresDatabase
from daemon.store.sqlite.database import SqliteDatabase
from tests.daemon.core.story import ABROAD, NATIONAL, OTHER, request
from tests.daemon.store.dictionaries import Dictionaries
from tests.examples import examples
from tests.peers.postgres import Cluster

ACME, BOLT = Caller("acme"), Caller("bolt")
POLICY = Policy(cancel_after=s(0), cancel_before_event=0, move_on=frozenset({Verdict.REFUSED}), resend={"sim1": True})
IDS = [f"{number:032x}" for number in range(1, 9)]
STANDING = 4  # of them, which are there before

Timed = tuple[Ms, Command]


def new(place: int, number: str = ABROAD, account: str = "acme") -> Request:
    return replace(request(1), id=IDS[place], number=number, account=account)


# --- a few numbers, modems and references, so that commands meet ---------------------------------------------

ids, steps, devices = st.sampled_from(IDS), st.integers(0, 2), st.sampled_from(["sim1", "sim2"])
numbers, verdicts = st.sampled_from([ABROAD, NATIONAL, OTHER]), st.sampled_from(Verdict)
callers, references = st.sampled_from([ACME, BOLT]), st.sampled_from(["", "1", "2"])
details = st.sampled_from(["", "said"])
reports = st.builds(Report, numbers, references, devices, st.just(s(0)), st.booleans(), details)
commands = st.one_of(
    st.builds(Start, callers, st.builds(new, st.integers(0, 7), numbers, st.sampled_from(["acme", "bolt"]))),
    st.builds(Check, callers, ids, st.sampled_from(["right", "wrong"])),
    st.builds(Cancel, callers, ids),
    st.builds(Next, callers, ids),
    st.builds(Begin, ids, steps, devices),
    st.builds(Settle, ids, steps, verdicts, devices, references, details, st.integers(0, 2)),
    st.builds(SettleLate, ids, steps, verdicts, devices, references, details),
    st.builds(GiveUp, ids, steps, verdicts, details),
    st.builds(Interrupt, ids, steps),
    reports.map(lambda report: replace(report, ending=report.number[-7:])),
    st.builds(Fire, st.integers(1, STANDING + 1)),
    st.builds(ChargeTest, devices, numbers),
    st.builds(RefundTest, devices, numbers),
    st.builds(AddNote, ids, st.none() | steps, st.just("note"), details),
    st.builds(SetMeta, st.sampled_from(["duty", "key"]), details),
)
stories = st.lists(st.tuples(st.integers(0, 200), commands), min_size=1, max_size=40)
sizes = st.lists(st.integers(1, 10), min_size=1)


def operation(timed: Timed) -> Operation:
    at, command = timed

    def decided(command: Command, loaded: Loaded) -> tuple[Ms, Decision]:
        if isinstance(command, Check):
            loaded = replace(loaded, right=command.code == "right")
        if isinstance(command, AddNote) and command.kind == "defect":
            raise ValueError("a defect")
        return at, decide(command, loaded, at, POLICY)

    return Operation(command, decided, lambda _: None, cast("asyncio.Future[Decision]", None))


BEFORE = [Start(ACME, new(0)), Start(ACME, new(1, OTHER)), Start(BOLT, new(2, NATIONAL)), Start(BOLT, new(3, "1" * 7))]


def carried_out(database: Any, story: Sequence[Timed], cuts: Sequence[int]) -> list[Operation]:
    """The commands in batches of these sizes, again and again."""
    cache = RequestCache(5)  # fewer than there are requests
    carry_out(database, cache, [operation((s(1), command)) for command in BEFORE])
    operations, place, turn = [operation(timed) for timed in story], 0, 0
    while place < len(operations):
        size = cuts[turn % len(cuts)]
        carry_out(database, cache, operations[place : place + size])
        place, turn = place + size, turn + 1
    return operations


def told(story: list[tuple[int, Command]]) -> list[Timed]:
    """With times that do not go back."""
    at = 2
    return [(s(at := at + gap), command) for gap, command in story]


def ends(operations: Sequence[Operation]) -> list[Any]:
    """How each ended; row ids may differ, as those of starts that were refused are lost."""
    return [replace(each.value, row=0) if each.error is None else "a defect" for each in operations]


def state_of(database: Dictionaries) -> tuple[Any, ...]:
    requests = {each.id: each for each in database.requests.values()}
    checks = {
        one.id: [check[1:] for check in database.checks if database.requests[check.row].id == one.id]
        for one in requests.values()
    }
    return requests, checks, database.history, sorted(database.sent), database.meta


def rows_of(database: Database) -> tuple[Any, ...]:
    reading = database.reader()
    found = {wanted: found[1] for wanted in IDS if (found := reading.request(wanted))}
    checks = {wanted: [(c.at, c.valid, c.ip_address) for c in reading.checks(wanted)] for wanted in found}
    history = [(line.at, line.request_id, line.kind, line.step, line.detail) for line in reading.history(0, 10_000)]
    sent = sorted((device, *each) for device in ("sim1", "sim2", "") for each in reading.sent_by(device, s(0)))
    meta = {name: value for name in ("duty", "key") if (value := reading.meta(name)) is not None}
    reading.close()
    return found, checks, history, sent, meta


@examples(80)
@given(stories, sizes)
def test_batches_of_any_sizes_end_as_one_at_a_time(story: list[tuple[int, Command]], cuts: list[int]) -> None:
    one, many = Dictionaries(), Dictionaries()
    assert ends(carried_out(one, told(story), [1])) == ends(carried_out(many, told(story), cuts))
    assert state_of(one) == state_of(many)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(Path(tmp_path_factory.mktemp("batches")) / "p.db")
    opened.open()
    yield opened
    opened.close()


@examples(25, suppress_health_check=[HealthCheck.too_slow])
@given(stories, sizes)
def test_batches_on_sqlite_end_as_one_at_a_time_on_dictionaries(
    database: SqliteDatabase, story: list[tuple[int, Command]], cuts: list[int]
) -> None:
    for table in reversed(TABLES):
        database.connection.execute(f'DELETE FROM "{table.name}"')  # noqa: S608
    database.close()
    database.open()  # row ids from 1
    one = Dictionaries()
    assert ends(carried_out(one, told(story), [1])) == ends(carried_out(database, told(story), cuts))
    assert state_of(one) == rows_of(database)


@pytest.fixture(scope="module")
def remote(postgres: Cluster) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(postgres.new_address())
    opened.open()
    yield opened
    opened.close()


@examples(10, suppress_health_check=[HealthCheck.too_slow])
@given(stories, sizes)
def test_batches_on_postgresql_end_as_one_at_a_time_on_dictionaries(
    postgres: Cluster, remote: PostgresDatabase, story: list[tuple[int, Command]], cuts: list[int]
) -> None:
    tables = ", ".join(f'"{table.name}"' for table in TABLES)
    postgres.execute(f"TRUNCATE {tables} RESTART IDENTITY", remote.address.parameters["dbname"])  # row ids from 1
    one = Dictionaries()
    assert ends(carried_out(one, told(story), [1])) == ends(carried_out(remote, told(story), cuts))
    assert state_of(one) == rows_of(remote)


# --- what meets within one batch -----------------------------------------------------------------------------


def together(*commands: Command, at: int = 60) -> tuple[Dictionaries, list[Operation]]:
    database = Dictionaries()
    return database, carried_out(database, [(s(at), command) for command in commands], [100])


def outcomes(operations: Sequence[Operation]) -> list[type]:
    return [type(each.value.outcome) for each in operations]


def test_the_second_start_for_a_number_is_told_of_the_first() -> None:
    first, second, third = (Start(ACME, new(place, "447700900177")) for place in (4, 5, 6))
    _, done = together(first, second, replace(third, caller=BOLT))
    assert [each.value.outcome for each in done] == [Accepted(), Busy(IDS[4]), Busy(None)]


def test_wrong_codes_are_counted_within_a_batch_and_the_third_ends_it() -> None:
    wrong, right = Check(ACME, IDS[0], "wrong"), Check(ACME, IDS[0], "right")
    database, done = together(wrong, wrong, wrong, right)
    assert outcomes(done) == [WrongCode, WrongCode, WrongTooOften, Gone]
    assert database.requests[1].status is Status.FAILED
    assert len(database.checks) == 3


def test_a_timer_that_fires_after_its_request_was_cancelled_does_nothing() -> None:
    _, done = together(Cancel(ACME, IDS[0]), Fire(1), at=126)
    assert [each.value.changed for each in done] == [True, False]


def test_a_report_means_the_message_whose_reference_came_just_before() -> None:
    settled = Settle(IDS[0], 0, Verdict.TAKEN, "sim2", "7")
    report = Report(ABROAD, "7", "sim2", s(0), True, "")
    database, done = together(Begin(IDS[0], 0, "sim2"), settled, report)
    assert all(each.value.changed for each in done)
    assert database.requests[1].attempts[0].state == "delivered"
    assert (database.sent, database.saves) == ([("sim2", s(60), ABROAD)], 2)


def test_a_message_that_is_charged_and_refunded_within_a_batch_leaves_no_charge() -> None:
    charges: list[Command] = [ChargeTest("sim1", ABROAD), RefundTest("sim1", ABROAD), ChargeTest("sim1", OTHER)]
    database, _ = together(*charges)
    assert database.sent == [("sim1", s(60), OTHER)]


def test_a_command_with_a_defect_leaves_no_trace_and_takes_nobody_along() -> None:
    cancelled, checked = Cancel(ACME, IDS[0]), Check(ACME, IDS[1], "right")
    database, done = together(cancelled, AddNote("", None, "defect"), checked)
    assert [type(each.error) for each in done] == [type(None), ValueError, type(None)]
    assert [database.requests[row].status for row in (1, 2)] == [Status.CANCELLED, Status.SUCCESS]


def test_what_changes_nothing_saves_nothing() -> None:
    database, done = together(Cancel(BOLT, IDS[0]), Fire(1), Interrupt(IDS[0], 0))
    assert [isinstance(a, Reply) for a in done[0].value.actions] == [True]
    assert database.saves == 1  # of what was there before


class Away(Dictionaries):
    """A database that cannot be used any more."""

    away = False

    def load(self, needs: Any) -> Any:
        if self.away:
            raise StoreUnusable("gone")
        return super().load(needs)


def test_a_database_that_is_away_fails_them_all_and_is_asked_once() -> None:
    database = Away()
    carried_out(database, [], [1])
    database.away = True
    batch = [operation((s(60), Fire(row))) for row in (1, 2)]
    carry_out(cast(Database, database), RequestCache(), batch)
    assert [type(each.error) for each in batch] == [StoreUnusable, StoreUnusable]


class Counting(Dictionaries):
    """A database that knows how often it was read, and whose next save may fail."""

    reads = 0
    failing: Exception | None = None

    def load(self, needs: Any) -> Any:
        self.reads += 1
        return super().load(needs)

    def save(self, changes: Any, *committing: Any) -> None:
        failing, self.failing = self.failing, None
        if failing is not None:
            raise failing
        super().save(changes, *committing)


def test_what_a_batch_has_left_is_not_read_again() -> None:
    """There used to be two queries for each command on a request that had just been written."""
    database, cache = Counting(), RequestCache()
    for command in (BEFORE[0], Begin(IDS[0], 0, "sim1"), Cancel(ACME, IDS[0])):
        batch = [operation((s(60), command))]
        carry_out(cast(Database, database), cache, batch)
        assert batch[0].value.changed
    assert database.reads == 1
    assert database.requests[1].status is Status.CANCELLED


@pytest.mark.parametrize("failing", [StoreUnusable("gone"), ValueError("a defect")])
def test_after_a_save_that_failed_the_rows_are_read_again(failing: Exception) -> None:
    database, cache = Counting(), RequestCache()
    carry_out(cast(Database, database), cache, [operation((s(1), BEFORE[0]))])
    database.failing = failing
    carry_out(cast(Database, database), cache, [operation((s(60), Begin(IDS[0], 0, "sim1")))])
    database.requests[1] = replace(database.requests[1], wrong=2)
    carry_out(cast(Database, database), cache, [operation((s(60), Check(ACME, IDS[0], "wrong")))])
    assert database.requests[1].status is Status.FAILED
