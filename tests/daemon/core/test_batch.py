"""What a batch needs, and what the commands of a batch make of each other's state."""

from dataclasses import fields, replace
from typing import Any

import pytest

from daemon.core.batch import (
    Changes,
    Charged,
    CheckedCode,
    Found,
    Line,
    Needs,
    Refunded,
    ReportKey,
    all_needs,
    needs,
    standing,
)
from daemon.core.commands import (
    AddNote,
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Command,
    Fire,
    GiveUp,
    Interrupt,
    Next,
    RefundTest,
    Report,
    SetMeta,
    Settle,
    SettleLate,
    Start,
)
from daemon.core.milliseconds import EPOCH
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, AttemptState, Channel, Status, Verdict
from daemon.core.ownership import Caller
from tests.daemon.core.story import request

CALLER = Caller("acme")
NEW = request(1)
ID, NUMBER = NEW.id, NEW.number
REPORT = Report(NUMBER, "7", "sim1", s(1), True, "", ending=NUMBER[-7:])
KEY = ReportKey(NUMBER, NUMBER[-7:], "7", "sim1", s(1))
THE_ID, NONE = Needs(ids=frozenset((ID,))), Needs()


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (Start(CALLER, NEW), Needs(numbers=frozenset((NUMBER,)), new=1)),
        (Check(CALLER, ID, "1234"), THE_ID),
        (Cancel(CALLER, ID), THE_ID),
        (Next(CALLER, ID), THE_ID),
        (Begin(ID, 0, "sim1"), THE_ID),
        (Settle(ID, 0, Verdict.TAKEN), THE_ID),
        (SettleLate(ID, 0, Verdict.TAKEN, "sim1"), THE_ID),
        (GiveUp(ID, 0, Verdict.WITHDRAWN, ""), THE_ID),
        (Interrupt(ID, 0), THE_ID),
        (REPORT, Needs(reports=frozenset((KEY,)))),
        (Fire(7), Needs(rows=frozenset((7,)))),
        (ChargeTest("sim1", NUMBER), NONE),
        (RefundTest("sim1", NUMBER), NONE),
        (AddNote("", None, "incoming"), NONE),
        (SetMeta("duty", "paused"), NONE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_command_names_what_it_needs(command: Command, wanted: Needs) -> None:
    assert needs(command) == wanted


def test_what_several_commands_need_is_asked_for_once() -> None:
    start = Start(CALLER, NEW)
    wanted = Needs(frozenset((ID,)), frozenset((7,)), frozenset((NUMBER,)), frozenset((KEY,)), 2)
    assert all_needs([Fire(7)]) == Needs(rows=frozenset((7,)))
    assert all_needs([start, start, Fire(7), Fire(7), Next(CALLER, ID), Cancel(CALLER, ID), REPORT, REPORT]) == wanted


@pytest.mark.parametrize(
    ("wanted", "nothing"),
    [
        (NONE, True),
        (Needs(known={1: NEW}), True),
        (THE_ID, False),
        (Needs(rows=frozenset((7,))), False),
        (Needs(numbers=frozenset((NUMBER,))), False),
        (Needs(reports=frozenset((KEY,))), False),
        (Needs(new=1), False),
    ],
)
def test_a_database_is_asked_for_each_thing_that_is_needed(wanted: Needs, *, nothing: bool) -> None:
    assert wanted.nothing is nothing


@pytest.mark.parametrize("kind", [ReportKey, Needs, Line, Charged, Refunded])
def test_what_has_numbers_shows_its_kind_and_no_more(kind: Any) -> None:
    assert repr(kind(*[NUMBER] * len(kind._fields))) == f"{kind.__name__}(...)"


ATTEMPT = Attempt(0, Channel.SMS, 1, s(300), s(2), AttemptState.SENT, 1, "sim1", "7")


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.FAILED},
        {"step": 1},
        {"generation": 2},
        {"pin_until": s(9)},
        {"wrong": 1},
        {"due_at": s(9)},
        {"first_event_at": s(9)},
        {"last_event_at": s(9)},
        {"finalized_at": s(9)},
    ],
    ids=str,
)
def test_what_events_change_of_a_request_is_part_of_how_it_stands(change: dict[str, Any]) -> None:
    assert standing(replace(NEW, **change)) != standing(NEW)


def test_how_a_request_stands_is_in_the_order_in_which_databases_store_it() -> None:
    dead, due, first, last, end = (s(at) for at in (1, 2, 3, 4, 5))
    fields = {"pin_until": dead, "wrong": 9, "due_at": due, "first_event_at": first, "last_event_at": last}
    stands = replace(NEW, status=Status.FAILED, step=7, generation=8, finalized_at=end, **fields)  # type: ignore[arg-type]
    assert standing(stands) == (Status.FAILED, 7, 8, dead, 9, due, first, last, end)


def test_attempts_are_no_part_of_how_a_request_stands() -> None:
    assert standing(replace(NEW, attempts=(ATTEMPT,))) == standing(NEW)


@pytest.mark.parametrize(
    "changes",
    [
        Changes(inserted=[(1, NEW)]),
        Changes(updated=[(1, NEW)]),
        Changes(attempts=[(1, ATTEMPT)]),
        Changes(changed_attempts=[(1, ATTEMPT)]),
        Changes(checks=[CheckedCode(1, EPOCH, False, "")]),
        Changes(history=[Line(EPOCH, "", "incoming", None, "")]),
        Changes(refunds=[Refunded("sim1", NUMBER, 1)]),
        Changes(charges=[Charged("sim1", EPOCH, NUMBER)]),
        Changes(meta={"duty": "paused"}),
    ],
    ids=lambda changes: next(name for name in [each.name for each in fields(Changes)] if getattr(changes, name)),
)
def test_a_change_of_any_kind_is_to_be_saved(changes: Changes) -> None:
    assert not changes.empty
    assert Changes().empty


def test_nothing_is_found_and_nothing_is_needed_unless_it_is_said() -> None:
    assert (dict(Found().requests), tuple(Found().rows)) == ({}, ())
    assert all_needs([]) == Needs(frozenset(), frozenset(), frozenset(), frozenset(), 0)
