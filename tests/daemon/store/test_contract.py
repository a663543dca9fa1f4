"""What the store promises, whichever the database."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import phonenumbers
import pytest

from daemon.clock import zoned_text
from daemon.config import Retention
from daemon.core.batch import Changes
from daemon.core.commands import Cancel, Command, Decision, Loaded, Start
from daemon.core.masking import masked
from daemon.core.milliseconds import Ms
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
    Requested,
    StepDue,
    Verdict,
)
from daemon.core.ownership import Caller
from daemon.core.quota import MONTH
from daemon.core.request_states import advance
from daemon.operations.number_hash import forms, number_hash
from daemon.operations.retention import Retaining
from daemon.store.contract import FIRST, CheckLine, Database, Due, Place, StoreUnusable
from daemon.store.forgetting import Forgotten, StillRunning
from daemon.store.postgres.database import PostgresDatabase
from daemon.store.retention import Deleted, horizon
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store
from daemon.store.upkeep import Upkeep
from tests.daemon.core.story import request
from tests.daemon.store.writes import Write, act, found, insert, meant, named, run, running_for, update
from tests.peers.postgres import Cluster


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    database: Database = SqliteDatabase(tmp_path / "pinwheel.db")
    if request.param == "postgres":
        server: Cluster = request.getfixturevalue("postgres")
        database = PostgresDatabase(server.new_address())
    opened = Store(database)
    opened.open()
    yield opened
    opened.close()


def test_a_request_comes_back_as_it_went_in(store: Store) -> None:
    sending, _ = advance(named(1), AttemptStarted(0, s(1), "sim1"))
    (row,) = run(store, insert(sending))
    assert store.reading.request(sending.id) == (row, sending)


def test_whose_a_request_is_its_sender_and_its_own_pin_come_back(store: Store) -> None:
    new = replace(named(1), account="acme", sender_id="SHOP", sealed_pin="sealed", key_number=3)
    (row,) = run(store, insert(new))
    assert store.reading.request(new.id) == (row, new)


def test_an_update_writes_request_and_attempts(store: Store) -> None:
    before = named(1)
    (row,) = run(store, insert(before))
    for event in (StepDue(1, s(125)), AttemptStarted(1, s(126)), CodeSubmitted(True, s(127))):
        after, _ = advance(before, event)
        run(store, update(row, after))
        assert store.reading.request(before.id) == (row, after)
        before = after


def test_what_is_asked_together_is_of_one_moment(store: Store) -> None:
    """There used to be answers of a request in progress with a right code among its checks."""
    before = named(1)
    (row,) = run(store, insert(before))
    after, _ = advance(before, CodeSubmitted(True, s(1)))
    with store.reading.one_moment():
        assert store.reading.request(before.id) == (row, before)
        run(store, update(row, after), act(RecordCheck(True), row=row))
        assert store.reading.request(before.id) == (row, before)
        assert store.reading.checks(before.id) == []
    assert store.reading.request(before.id) == (row, after)
    assert [check.valid for check in store.reading.checks(before.id)] == [True]


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
    """A savepoint for each command used to do this, and took a third of the time of a start."""
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
    first, later = Due(s(2), 0), Due(s(2), rows[1])
    assert store.reading.due(first, s(4), 9) == [(s(2), rows[1]), (s(3), rows[2])]
    assert store.reading.due(first, s(4), 1) == [later]
    assert store.reading.due(later, s(4), 9) == [(s(3), rows[2])]
    done, _ = advance(replace(named(2), due_at=s(2)), CodeSubmitted(True, s(1)))
    run(store, update(rows[1], done))
    assert store.reading.due(first, s(4), 9) == [(s(3), rows[2])]


def test_what_is_overdue_says_what_it_begins(store: Store) -> None:
    """Of timers of the same time the row decides."""
    calls, ends = replace(named(1), due_at=s(1)), replace(named(2), due_at=s(1), step=len(named(2).steps))
    rows = run(store, insert(calls), insert(ends), insert(replace(calls, id=named(3).id)))
    begins = [(Channel.TTS, s(481)), (None, s(1)), (Channel.TTS, s(481))]
    wanted = [(Due(s(1), row), *begun) for row, begun in zip(rows, begins, strict=True)]
    assert store.reading.overdue(Due(s(0), 0), s(2), 9) == wanted
    assert store.reading.overdue(Due(s(1), rows[0]), s(2), 1) == wanted[1:2]


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


def test_what_a_device_has_not_answered_yet_is_found(store: Store) -> None:
    def sent(number: int, to: str, at: float, device: str = "sim1", **changes: Any) -> Request:
        """A request whose one message has gone out."""
        begun, _ = advance(replace(named(number), number=to), AttemptStarted(0, s(at), device))
        return replace(begun, attempts=(replace(begun.attempts[0], queued_at=s(at), **changes),))

    uncertain = {"state": AttemptState.UNCERTAIN}
    asked = sent(1, "447700900111", 50, **uncertain)
    again = sent(2, "447700900112", 60, state=AttemptState.REQUEUED)
    under_way = sent(3, "447700900113", 70)
    others = [
        sent(4, "447700900111", 5, **uncertain),  # too long ago
        sent(5, "447700900115", 50, "sim2", **uncertain),
        sent(6, "447700900116", 50, state=AttemptState.SENT, reference="7"),
        sent(7, "447700900117", 50, state=AttemptState.FAILED),
    ]
    run(store, *map(insert, (asked, again, under_way, *others)))
    for place, each in enumerate((asked, again, under_way, *others)):
        run(store, charge(50 + place, each.attempts[0].device, each.number))
    assert sorted(store.reading.unanswered("sim1", s(40))) == [(each.id, 0) for each in (asked, again, under_way)]
    assert store.reading.unanswered("sim1", s(90)) == []


SOON = Place(s(200), 0, 0)


def charge(at: float, device: str, number: str, count: int = 1) -> Write:
    return act(Charge(s(at), device, number, count), at=s(at))


def test_what_a_modem_sent_is_counted_for_its_quota(store: Store) -> None:
    run(store, charge(1, "sim1", "a"), charge(2, "sim2", "b"), charge(3, "sim1", "b"), charge(4, "sim1", "a"))
    assert store.reading.sent_by("sim1", s(0)) == [(s(1), "a"), (s(3), "b"), (s(4), "a")]
    assert sorted(store.reading.listing.recipients()) == ["a", "b"]
    assert store.reading.sent_by("sim1", s(3)) == [(s(3), "b"), (s(4), "a")]
    run(store, act(Refund("sim1", "a")), act(Refund("sim1", "c")))
    assert store.reading.sent_by("sim1", s(0)) == [(s(1), "a"), (s(3), "b")]
    assert deleted(store, Retention(), MONTH + s(2)) == (0, 0, 0, 1)
    assert store.reading.sent_by("sim1", s(0)) == [(s(3), "b")]
    assert store.reading.sent_by("sim2", s(0)) == [(s(2), "b")]


def test_the_rows_of_a_charge_are_as_many_as_its_sms_and_a_refund_takes_the_newest(store: Store) -> None:
    run(store, charge(1, "sim1", "a", 2), charge(2, "sim1", "a", 2))
    run(store, act(Refund("sim1", "a", 3)))
    assert store.reading.sent_by("sim1", s(0)) == [(s(1), "a")]


ANSWERED = AttemptAnswered(0, Verdict.TAKEN, s(2), reference="9", device="sim1")


LOST = AttemptAnswered(0, Verdict.UNCERTAIN, s(2), device="sim1")


def test_a_report_means_the_message_with_its_reference(store: Store) -> None:
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


def test_a_report_means_the_newest_message_with_its_reference(store: Store) -> None:
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


def test_a_report_without_a_known_reference_means_the_message_without_an_answer(store: Store) -> None:
    sending = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    uncertain = advance(sending, AttemptAnswered(0, Verdict.UNCERTAIN, s(2), resend=True))[0]
    rows = run(store, insert(uncertain), insert(named(2)))
    assert uncertain.attempts[0].state is AttemptState.REQUEUED
    assert meant(store, "447700900123", "7", "sim1", s(0)) == (rows[0], 0)
    assert meant(store, "447700900123", "7", "sim2", s(0)) is None


@pytest.mark.parametrize(
    ("story", "means_it"),
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
def test_a_report_whose_reference_nobody_knows_means_a_message_that_may_have_gone_out(
    store: Store, story: list[Event], *, means_it: bool
) -> None:
    message = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    for event in story:
        message = advance(message, event)[0]
    (row,) = run(store, insert(message))
    assert meant(store, "447700900123", "7", "sim1", s(0)) == ((row, 0) if means_it else None)


def test_a_report_with_a_known_reference_does_not_mean_a_newer_message_without_an_answer(
    store: Store,
) -> None:
    sending = advance(named(1), AttemptStarted(0, s(1), "sim1"))[0]
    sent, _ = advance(sending, ANSWERED)
    newer = replace(sending, id=named(2).id, attempts=(replace(sending.attempts[0], queued_at=s(50)),))
    rows = run(store, insert(sent), insert(newer))
    assert meant(store, "447700900123", "9", "sim1", s(0)) == (rows[0], 0)
    assert meant(store, "447700900123", "7", "sim1", s(0)) == (rows[1], 0)


def test_a_report_of_a_number_in_national_form_means_the_newest_message_of_its_modem(
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
    run(store, insert(named(1)), insert(done), insert(replace(named(3), key_number=2)))
    assert store.reading.live() == 2
    assert [store.reading.live(number) for number in (1, 2, 3)] == [1, 1, 0]
    assert store.reading.counts() == {"IN PROGRESS": 2, "SUCCESS": 1}
    assert store.reading.timers() == 2


def test_requests_are_read_in_pages_in_the_order_of_their_starts(store: Store) -> None:
    wanted = [named(3), named(1), advance(named(2), AttemptStarted(0, s(1), "sim1"))[0]]
    rows = run(store, *map(insert, wanted))
    assert store.reading.after(0, 2) == list(zip(rows, wanted, strict=True))[:2]
    assert store.reading.after(rows[1], 2) == [(rows[2], wanted[2])]
    assert store.reading.after(rows[2], 2) == []


def test_a_lasting_setting_is_changed(store: Store) -> None:
    assert store.reading.meta("duty") is None
    run(store, act(Remember("duty", "paused")), act(Remember("duty", "working")))
    assert store.reading.meta("duty") == "working"


def test_whoever_waits_for_a_commit_to_begin_is_told_once_before_it_is_durable(store: Store) -> None:
    seen: list[str | None] = []
    store.database.save(Changes(meta={"duty": "paused"}), lambda: seen.append(store.reading.meta("duty")))
    assert (seen, store.reading.meta("duty")) == ([None], "paused")


def test_checks_and_history_are_kept_in_order(store: Store) -> None:
    (row,) = run(store, insert(named(1)))
    run(
        store,
        act(RecordCheck(False, "192.0.2.1"), at=s(1), row=row),
        act(Note("check", None, "wrong"), at=s(1), request_id=named(1).id),
        act(Note("started", 0), at=s(2), request_id="other"),
    )
    assert store.reading.checks(named(1).id) == [CheckLine(s(1), False, "192.0.2.1")]
    assert [line.kind for line in store.reading.history(0, 10)] == ["check", "started"]
    assert [line.kind for line in store.reading.history(0, 10, named(1).id)] == ["check"]
    assert store.reading.history(1, 10)[0].seq == store.reading.last_seq() == 2


def test_the_newest_500_checks_are_shown(store: Store) -> None:
    (row,) = run(store, insert(named(1)))

    run(store, *(act(RecordCheck(False, "192.0.2.1"), at=s(second), row=row) for second in range(502)))
    shown = store.reading.checks(named(1).id)
    assert (len(shown), shown[0].at, shown[-1].at) == (500, s(2), s(501))


def test_the_checks_of_two_requests_are_kept_apart(store: Store) -> None:
    """There used to be no test with two requests: a search could have shown everybody's checks and addresses."""
    rows = run(store, insert(named(1)), insert(named(2)))
    for row, valid, address in ((rows[0], False, "192.0.2.1"), (rows[1], True, "192.0.2.2")):
        run(store, act(RecordCheck(valid, address), at=s(1), row=row))
    assert store.reading.checks(named(1).id) == [CheckLine(s(1), False, "192.0.2.1")]
    assert store.reading.checks(named(2).id) == [CheckLine(s(1), True, "192.0.2.2")]
    assert store.reading.checks(named(3).id) == []


def test_what_follows_a_commit_happens_also_when_nobody_waits_any_more(store: Store) -> None:
    async def main() -> Decision:
        told: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        store.submit(*insert(named(1)), told.set_result).cancel()
        return await asyncio.wait_for(told, 10)

    assert asyncio.run(main()).row == 1


def test_a_list_has_the_hash_of_a_number_as_it_is(store: Store) -> None:
    """There used to be stars in it, which the export and the console did not have."""
    run(store, insert(replace(named(1), number=HASH(NUMBER))))
    (summary,) = json.loads(store.reading.listing.requests(active_only=False, limit=9))
    assert summary["number"] == HASH(NUMBER) == masked(HASH(NUMBER))


TEXTS = ["", "größer", 'quoted " and \\', "two\nlines\r\t", "\u2028 \U0001f4f1", "\x01"]


@pytest.mark.parametrize("detail", TEXTS)
def test_lists_are_json_with_every_text(store: Store, detail: str) -> None:
    (row,) = run(store, insert(replace(named(1), brand=detail or "x")))
    run(store, act(Note("event", 0, detail), RecordCheck(False, "192.0.2.1"), at=s(1), row=row, request_id=named(1).id))
    listing = store.reading.listing
    (summary,) = json.loads(listing.requests(active_only=True, limit=9))
    assert summary == {
        "request_id": named(1).id,
        "number": masked("447700900123"),
        "brand": detail or "x",
        "status": "IN PROGRESS",
        "workflow_id": 1,
        "event": 1,
        "events": 3,
        "submitted": zoned_text(s(0)),
        "due": zoned_text(named(1).due_at),
        "finalized": "",
    }
    line = {"at": zoned_text(s(1)), "request_id": named(1).id, "kind": "event", "step": 0, "detail": detail}
    assert json.loads(listing.history_of(named(1).id, 9)) == [{"seq": 1, **line}]
    assert json.loads(listing.checks_of(row, 9)) == [
        {"at": zoned_text(s(1)), "valid": False, "ip_address": "192.0.2.1"}
    ]
    last, text = listing.events(0, 9)
    head, kind, data, *end = text.split("\n")
    assert (last, head, kind, end) == (1, "id: 1", "event: event", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {"seq": 1, **line}
    assert listing.events(1, 9) == (1, "")


def test_lists_are_in_order_and_no_longer_than_asked_for(store: Store) -> None:
    done, _ = advance(named(2), CodeSubmitted(True, s(1)))
    run(store, insert(named(1)), insert(done), insert(named(3)))
    listing = store.reading.listing
    newest = [item["request_id"] for item in json.loads(listing.requests(active_only=False, limit=2))]
    assert newest == [named(3).id, named(2).id]
    running = [item["request_id"] for item in json.loads(listing.requests(active_only=True, limit=2))]
    assert running == [named(3).id, named(1).id]
    assert (
        listing.requests(active_only=True, limit=0) == listing.history_of("none", 9) == listing.checks_of(1, 9) == "[]"
    )


def test_what_a_caller_may_write_in_an_id_is_only_unknown(store: Store) -> None:
    for wrong in ("", "\0", "x" * 10_000, "'; DROP TABLE request; --", "%s"):
        assert store.reading.request(wrong) is None
        assert store.reading.checks(wrong) == []
        assert store.reading.history(0, 9, wrong) == []
        assert found(store, Cancel(Caller(), wrong)).request is None
    assert store.reading.meta("\0") is None


def test_everything_is_there_after_closing_and_opening(store: Store) -> None:
    (row,) = run(store, insert(named(1)))
    assert store.meta("clock origin", "5") == "5"
    store.close()
    store.open()
    assert store.reading.request(named(1).id) == (row, named(1))
    assert store.meta("clock origin", "6") == "5"
    (later,) = run(store, insert(named(2)))
    assert later > row


# --- letting go ---------------------------------------------------------------------------------------------

HASH = number_hash(b"k" * 32)
NUMBER, NATIONAL_FORM = "447700900123", "07700 900123"


def ended(number: int, at: Ms) -> Request:
    """It ends a second after it began."""
    began = advance(replace(request(1), id=f"{number:032x}", created_at=at, number=NUMBER), Requested(at))[0]
    return advance(began, CodeSubmitted(True, at + s(1)))[0]


def with_rows(store: Store, new: Request) -> None:
    (row,) = run(store, insert(new))
    lines = (Note("failed", 0, f"sip:{NUMBER}@pbx"), Charge(new.created_at, "sim1", NUMBER), RecordCheck(True, "::1"))
    run(store, act(*lines, at=new.created_at, row=row, request_id=new.id))


def deleted(store: Store, ages: Retention, at: Ms) -> tuple[int, ...]:
    async def turn() -> Deleted:
        return await Retaining(Upkeep(store), ages, HASH).turn(at)

    return tuple(asyncio.run(turn()))


def test_what_is_too_old_goes_in_small_steps(store: Store) -> None:
    """There used to be no retention on PostgreSQL."""
    days = [s(86_400 * day) for day in range(60)]
    for number, at in enumerate(days[:4] + days[40:42]):
        with_rows(store, ended(number, at))
    run(store, insert(replace(named(99), created_at=days[0])))
    upkeep, first = Upkeep(store), horizon(days[3], numbers=1, requests=0, history=0, incoming=0)
    steps = [asyncio.run(upkeep.delete_old(first, HASH, 1)).numbers for _ in range(3)]
    assert steps == [1, 1, 0]
    assert deleted(store, Retention(history=1), days[3]) == (0, 0, 2, 0)
    found = [store.reading.request(f"{number:032x}") for number in range(3)]
    assert [request[1].number for request in found if request is not None] == [HASH(NUMBER), HASH(NUMBER), NUMBER]
    assert deleted(store, Retention(requests=1), days[42]) == (0, 5, 0, 4)
    assert store.reading.counts() == {"IN PROGRESS": 1, "SUCCESS": 1}
    assert [line.request_id for line in store.reading.history(0, 99)] == [f"{5:032x}"]
    assert [at for at, _ in store.reading.sent_by("sim1", s(0))] == days[40:42]


def test_numbers_in_texts_become_hashes_too(store: Store) -> None:
    with_rows(store, ended(1, s(0)))
    assert deleted(store, Retention(numbers=1), s(200_000)) == (1, 0, 0, 0)
    assert store.reading.history(0, 9)[0].detail == f"sip:{HASH(NUMBER)}@pbx"
    assert deleted(store, Retention(numbers=1), s(200_000)) == (0, 0, 0, 0)


def test_a_number_that_is_forgotten_is_in_no_row(store: Store) -> None:
    for number in range(2):
        with_rows(store, ended(number, s(0)))
    texts = ("incoming", f"sim1 from +{NUMBER}: it is me"), ("incoming", f"sim1 from +4477: ask {NATIONAL_FORM}")
    run(store, *(act(Note(kind, None, text), at=s(1)) for kind, text in texts))
    running = replace(named(9), number=NUMBER)
    (row,) = run(store, insert(running))

    async def forget() -> Forgotten:
        return await Upkeep(store).forget(forms(phonenumbers.parse("+" + NUMBER)), HASH)

    with pytest.raises(StillRunning, match=running.id):
        asyncio.run(forget())
    run(store, update(row, advance(running, CodeSubmitted(True, running.created_at + s(1)))[0]))
    done = asyncio.run(forget())
    assert (done.requests, done.history, done.sent) == (3, 4, 2)
    assert done.log_emptied is not bool(done.remains)
    assert [line.detail for line in store.reading.history(0, 9)] == ["sip:(forgotten)@pbx"] * 2 + [
        "sim1 from +4477: ask (forgotten)"
    ]
    found = [store.reading.request(name) for name in (*(f"{number:032x}" for number in range(2)), running.id)]
    assert [request[1].number for request in found if request is not None] == ["", "", ""]
    assert {ip for number in range(2) for *_, ip in map(astuple, store.reading.checks(f"{number:032x}"))} == {""}
    assert {number.split(":")[0] for _, number in store.reading.sent_by("sim1", s(0))} == {"nobody"}
