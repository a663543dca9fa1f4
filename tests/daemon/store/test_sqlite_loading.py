"""What a batch loads from SQLite and what it leaves there: what it needs, and no more."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.core.batch import Changes, Charged, CheckedCode, Line, Needs, Refunded, ReportKey
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, AttemptStarted, AttemptState, Channel, Request, Status, Step
from daemon.core.request_states import advance
from daemon.store.contract import FIRST, CheckLine, Due, Place
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.sqlite.library import connect
from daemon.store.sqlite.migrations import migrate
from daemon.store.sqlite.reading import SqliteReading
from daemon.store.sqlite.saving import save
from tests.daemon.core.story import ABROAD, NATIONAL, OTHER, of
from tests.daemon.store.writes import named, rows_of_each_kind

SENT, SENDING = AttemptState.SENT, AttemptState.SENDING


@pytest.fixture
def reading(database: SqliteDatabase) -> Iterator[SqliteReading]:
    opened = database.reader()
    yield opened
    opened.close()


def attempt(
    step: int = 0, state: AttemptState = SENT, reference: str = "7", device: str = "sim1", at: int = 5
) -> Attempt:
    return Attempt(step, Channel.SMS, 1, s(300), s(at), state, 1, device, reference)


def keep(database: SqliteDatabase, *requests: Request) -> None:
    """In the rows that their ids name."""
    rows = [(int(each.id, 16), each) for each in requests]
    attempts = [(row, sent) for row, each in rows for sent in each.attempts]
    database.save(Changes(inserted=rows, attempts=attempts))


def test_each_kind_of_name_finds_its_requests_and_no_others(database: SqliteDatabase) -> None:
    ended = of(3, status=Status.FAILED)
    keep(database, of(1), of(2, OTHER), ended, of(4))
    assert database.load(Needs()).requests == {}
    assert database.load(Needs(ids=frozenset((of(2).id, of(9).id)))).requests == {2: of(2, OTHER)}
    assert database.load(Needs(rows=frozenset((3, 4, 9)))).requests == {3: ended, 4: of(4)}
    assert database.load(Needs(numbers=frozenset((ABROAD,)))).requests == {1: of(1), 4: of(4)}
    both = Needs(ids=frozenset((of(1).id,)), rows=frozenset((1, 2)), numbers=frozenset((OTHER,)))
    assert database.load(both).requests == {1: of(1), 2: of(2, OTHER)}


def test_a_request_comes_with_all_its_attempts_and_only_those_in_order(database: SqliteDatabase) -> None:
    first = of(1, ABROAD, attempt(0), attempt(1), attempt(2))
    keep(database, replace(first, attempts=first.attempts[::-1]), of(2, OTHER, attempt(0, reference="9")), of(3))
    found = database.load(Needs(rows=frozenset((1, 3)))).requests
    assert found == {1: first, 3: of(3)}


KEY = ReportKey(ABROAD, ABROAD[-7:], "7", "sim1", s(5))


@pytest.mark.parametrize(
    ("number", "sent", "key", "found"),
    [
        (ABROAD, attempt(), KEY, True),
        (ABROAD, attempt(at=4), KEY, False),
        (ABROAD, attempt(device="sim2"), KEY, False),
        (ABROAD, attempt(device=""), KEY._replace(device=""), False),
        (ABROAD, attempt(reference="8"), KEY, False),
        (ABROAD, attempt(reference="", state=SENDING), KEY, True),
        (ABROAD, attempt(reference="", state=AttemptState.REQUEUED), KEY, True),
        (ABROAD, attempt(reference="", state=AttemptState.UNCERTAIN), KEY, True),
        (ABROAD, attempt(reference="", state=AttemptState.FAILED), KEY, False),
        (ABROAD, attempt(reference="8", state=SENDING), KEY, False),
        (ABROAD, attempt(), KEY._replace(ending=""), True),
        (ABROAD, attempt(reference="", state=SENDING), KEY._replace(ending=""), True),
        (NATIONAL, attempt(), KEY, True),
        (NATIONAL, attempt(at=4), KEY, False),
        (NATIONAL, attempt(device="sim2"), KEY, False),
        (NATIONAL, attempt(device=""), KEY._replace(device=""), False),
        (NATIONAL, attempt(reference="8"), KEY, False),
        (NATIONAL, attempt(reference="", state=SENDING), KEY, False),
        (NATIONAL, attempt(reference="", state=SENT), KEY._replace(reference=""), False),
        (NATIONAL, attempt(), KEY._replace(ending=""), False),
        (OTHER, attempt(), KEY, False),
        (OTHER, attempt(reference="", state=SENDING), KEY, False),
    ],
)
def test_a_report_finds_the_request_whose_message_it_may_mean(
    database: SqliteDatabase, number: str, sent: Attempt, key: ReportKey, *, found: bool
) -> None:
    keep(database, of(1, number, attempt(0, AttemptState.FAILED, "", "sim9"), replace(sent, step=1)), of(2, ABROAD))
    assert list(database.load(Needs(reports=frozenset((key,)))).requests) == [1] * found


def test_reports_of_one_batch_are_not_mixed_up(database: SqliteDatabase) -> None:
    keep(database, of(1, ABROAD, attempt(reference="8")), of(2, OTHER, attempt(reference="7")), of(3, ABROAD))
    other = ReportKey(OTHER, OTHER[-7:], "8", "sim1", s(5))
    assert database.load(Needs(reports=frozenset((KEY, other)))).requests == {}


# --- what is saved is what is there ------------------------------------------------------------------------


def test_all_of_a_request_and_its_attempts_come_back(database: SqliteDatabase) -> None:
    sent = Attempt(0, Channel.TTS, 3, s(1), s(2), AttemptState.UNCERTAIN, 4, "sim7", "99", "why", s(5))
    steps = (Step(Channel.SMS, s(1)), Step(Channel.TTS, s(2)))
    named = Request("a" * 32, ABROAD, "Brand", "de-de", 6, 7, steps, s(3), True, s(4), "sealed", "SENDER", "acme")
    first = replace(named, status=Status.SUCCESS, step=2, generation=5, pin_until=s(6), wrong=1, due_at=s(7))
    full = replace(first, first_event_at=s(8), last_event_at=s(9), finalized_at=s(10), attempts=(sent,))
    database.save(Changes(inserted=[(5, full)], attempts=[(5, sent)]))
    assert database.load(Needs(rows=frozenset((5,)))).requests == {5: full}
    told = {"reference": "1", "detail": "other", "settled_at": s(11)}
    answered = replace(sent, state=AttemptState.DELIVERED, tries=5, device="sim8", **told)  # type: ignore[arg-type]
    database.save(Changes(changed_attempts=[(5, answered)]))
    assert database.load(Needs(rows=frozenset((5,)))).requests == {5: replace(full, attempts=(answered,))}


def test_an_update_changes_how_its_request_stands_and_no_other(database: SqliteDatabase) -> None:
    keep(database, of(1), of(2))
    changed = replace(
        of(1), status=Status.FAILED, step=2, generation=3, pin_until=s(4), wrong=3, due_at=s(5), first_event_at=s(6)
    )
    changed = replace(changed, last_event_at=s(7), finalized_at=s(8), attempts=(attempt(),))
    database.save(Changes(updated=[(1, changed)], attempts=[(1, attempt())]))
    assert database.load(Needs(rows=frozenset((1, 2)))).requests == {1: changed, 2: of(2)}
    again = replace(changed, attempts=(attempt(state=AttemptState.DELIVERED),))
    database.save(Changes(changed_attempts=[(1, again.attempts[0])]))
    assert database.load(Needs(rows=frozenset((1,)))).requests == {1: again}


def one_by_one(changes: Changes) -> Iterator[Changes]:
    for kind in fields(changes):
        rows: Any = getattr(changes, kind.name)
        each: Iterable[Any] = ({name: rows[name]} for name in rows) if kind.name == "meta" else ([row] for row in rows)
        yield from (Changes(**{kind.name: one}) for one in each)


def left_by(changes: Iterable[Changes]) -> dict[str, list[Any]]:
    """All rows of all tables, in the order in which they came."""
    with closing(connect(Path(":memory:"))) as database:
        migrate(database)
        for each in changes:
            save(database, each)
        tables = ("request", "attempt", '"check"', "history", "sent", "meta")
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608


@pytest.mark.parametrize("count", [0, 1, 3, 4, 17, 64, 65, 150])
def test_many_rows_are_saved_as_they_would_be_one_by_one(count: int) -> None:
    together = rows_of_each_kind(range(1, count + 1))
    left = left_by(together)
    assert left == left_by(single for changes in together for single in one_by_one(changes))
    assert {name: len(rows) for name, rows in left.items()} == {
        "request": count,
        "attempt": 2 * count,
        '"check"': count,
        "history": count,
        "sent": 2 * count,
        "meta": count,
    }


def sent_by(reading: SqliteReading, device: str) -> list[tuple[Ms, str]]:
    return reading.sent_by(device, s(0))


def charges(*each: tuple[str, int, str]) -> Changes:
    return Changes(charges=[Charged(device, s(at), number) for device, at, number in each])


def test_a_refund_takes_the_newest_charges_of_its_device_and_number(
    database: SqliteDatabase, reading: SqliteReading
) -> None:
    database.save(charges(("sim1", 3, "a"), ("sim1", 1, "a"), ("sim1", 4, "b"), ("sim2", 5, "a"), ("sim1", 2, "a")))
    database.save(Changes(refunds=[Refunded("sim1", "a", 2)]))
    assert sent_by(reading, "sim1") == [(s(1), "a"), (s(4), "b")]
    assert sent_by(reading, "sim2") == [(s(5), "a")]


def test_refunds_come_before_charges(database: SqliteDatabase, reading: SqliteReading) -> None:
    database.save(charges(("sim1", 1, "a"), ("sim1", 2, "a"), ("sim1", 3, "a"), ("sim2", 1, "a")))
    database.save(replace(charges(("sim1", 9, "a")), refunds=[Refunded("sim1", "a", 1)]))
    assert sent_by(reading, "sim1") == [(s(1), "a"), (s(2), "a"), (s(9), "a")]
    assert sent_by(reading, "sim2") == [(s(1), "a")]


# --- what can be asked --------------------------------------------------------------------------------------


def test_the_line_of_what_waits_goes_by_the_end_of_the_pin_then_row_then_step(
    database: SqliteDatabase, reading: SqliteReading
) -> None:
    def waits(step: int, dies: int, state: AttemptState = AttemptState.QUEUED) -> Attempt:
        return replace(attempt(step, state), not_after=s(dies))

    again = AttemptState.REQUEUED
    keep(database, of(1, ABROAD, waits(1, 9), waits(0, 9)), of(2, OTHER, waits(0, 9), waits(1, 8, again)))
    places = [Place(s(8), 2, 1), Place(s(9), 1, 0), Place(s(9), 1, 1), Place(s(9), 2, 0)]
    assert [place for place, _ in reading.waiting(Channel.SMS, FIRST, 9)] == places
    assert [place for place, _ in reading.waiting(Channel.SMS, FIRST, 2)] == places[:2]
    for index, place in enumerate(places):
        assert [each for each, _ in reading.waiting(Channel.SMS, place, 9)] == places[index + 1 :]
    assert (reading.count_waiting(Channel.SMS), reading.count_waiting(Channel.TTS)) == (4, 0)


def test_timers_are_told_in_the_order_in_which_they_are_due(database: SqliteDatabase, reading: SqliteReading) -> None:
    keep(database, *(replace(of(row), due_at=s(due)) for row, due in ((1, 9), (2, 7), (3, 8), (4, 10), (5, 6))), of(6))
    assert reading.due(Due(s(7), 0), s(10), 9) == [(s(7), 2), (s(8), 3), (s(9), 1)]


def test_only_what_a_device_has_is_under_way(database: SqliteDatabase, reading: SqliteReading) -> None:
    keep(database, of(1, ABROAD, attempt(0), attempt(1, SENDING)), of(2, OTHER, attempt(0, AttemptState.QUEUED)))
    assert reading.under_way() == [(of(1).id, 1)]


def test_a_request_is_found_by_its_id(database: SqliteDatabase, reading: SqliteReading) -> None:
    keep(database, of(1), of(2, OTHER))
    assert reading.request(of(2).id) == (2, of(2, OTHER))
    assert reading.request(of(3).id) is None


def test_checks_and_lines_come_in_the_order_in_which_they_were_saved(
    database: SqliteDatabase, reading: SqliteReading
) -> None:
    keep(database, of(1), of(2))
    database.save(Changes(checks=[CheckedCode(1, s(9), False, "a"), CheckedCode(2, s(8), True, "b")]))
    database.save(Changes(checks=[CheckedCode(1, s(7), True, "c")]))
    assert reading.checks(of(1).id) == [CheckLine(s(9), False, "a"), CheckLine(s(7), True, "c")]
    assert (reading.history(0, 9), reading.last_seq()) == ([], 0)
    mine = of(1).id
    database.save(Changes(history=[Line(s(at), who, "k", at, "d") for at, who in ((9, mine), (8, ""), (7, mine))]))
    assert [(line.seq, line.at, line.step) for line in reading.history(0, 9)] == [
        (1, s(9), 9),
        (2, s(8), 8),
        (3, s(7), 7),
    ]
    assert [line.seq for line in reading.history(1, 1)] == [2]
    assert [line.seq for line in reading.history(1, 9, mine)] == [3]
    assert (reading.last_seq(), reading.live(), reading.counts()) == (3, 2, {"IN PROGRESS": 2})


class Between:
    """A connection; something happens just before it looks for attempts."""

    def __init__(self, connection: Any, happens: Callable[[], None]) -> None:
        self._connection = connection
        self._happens = happens

    def execute(self, statement: str, *values: Any) -> Any:
        if "FROM attempt" in statement:
            self._happens()
        return self._connection.execute(statement, *values)


def test_a_request_and_its_deliveries_are_of_one_moment(database: SqliteDatabase, reading: SqliteReading) -> None:
    """There used to be two: the request as it was before a commit, with what was sent after it."""
    before = named(1)
    after, _ = advance(before, AttemptStarted(0, s(1), "sim1"))
    database.save(Changes(inserted=[(1, before)], attempts=[(1, each) for each in before.attempts]))
    save = Changes(changed_attempts=[(1, each) for each in after.attempts])
    assert SqliteReading(Between(reading.connection, lambda: database.save(save))).request(before.id) == (1, before)
    assert reading.request(before.id) == (1, after)
