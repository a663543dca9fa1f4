"""What commands of one batch see of each other, and what is saved of that."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from daemon.core.batch import Changes, Charged, CheckedCode, Found, Line, Needs, Refunded, ReportKey
from daemon.core.commands import (
    NOTHING,
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
    RefundTest,
    Report,
    SetMeta,
    Settle,
    SettleLate,
    Start,
)
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    Action,
    Attempt,
    AttemptState,
    Channel,
    Charge,
    ClearTimer,
    Deliver,
    Note,
    RecordCheck,
    Refund,
    Remember,
    Reply,
    Request,
    SetTimer,
    Status,
    StopDelivery,
    Verdict,
)
from daemon.core.outcomes import Accepted
from daemon.core.ownership import Caller
from daemon.core.working_set import WorkingSet
from tests.daemon.core.story import ABROAD, NATIONAL, OTHER, of, started

ACME = Caller("acme")
ENDING = ABROAD[-7:]
REPORT = Report(ABROAD, "7", "sim1", s(1), True, "", ending=ENDING)
REPORTED = Needs(reports=frozenset((ReportKey(ABROAD, ENDING, "7", "sim1", s(1)),)))


def sent(step: int = 0, *, at: int = 2, reference: str = "7", device: str = "sim1") -> Attempt:
    state = AttemptState.SENT if reference else AttemptState.SENDING
    return Attempt(step, Channel.SMS, 1, s(300), s(at), state, 1, device, reference)


def having(*requests: Request, wanted: Needs = REPORTED, new: Sequence[int] = ()) -> WorkingSet:
    """With these, in the rows that their ids name."""
    return WorkingSet(wanted, Found({int(each.id, 16): each for each in requests}, new))


# --- what a command is given --------------------------------------------------------------------------------

FOUND = of(3)


@pytest.mark.parametrize(
    "command",
    [
        Check(ACME, FOUND.id, "1234"),
        Cancel(ACME, FOUND.id),
        Next(ACME, FOUND.id),
        Begin(FOUND.id, 1, "sim1"),
        Settle(FOUND.id, 1, Verdict.TAKEN),
        SettleLate(FOUND.id, 1, Verdict.TAKEN, "sim1"),
        GiveUp(FOUND.id, 1, Verdict.WITHDRAWN, ""),
        Interrupt(FOUND.id, 1),
        Fire(3),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_command_is_given_the_request_that_it_names(command: Command) -> None:
    assert having(of(2), FOUND, of(4)).loaded(command) == Loaded(3, FOUND, 0)
    assert having(of(2)).loaded(command) == Loaded()


@pytest.mark.parametrize(
    "command", [ChargeTest("sim1", ABROAD), RefundTest("sim1", ABROAD), AddNote(FOUND.id, 0, "x"), SetMeta("a", "b")]
)
def test_a_command_of_no_request_is_given_nothing(command: Command) -> None:
    assert having(FOUND).loaded(command) == Loaded()


def test_a_start_is_told_what_runs_for_its_very_number_the_oldest_first() -> None:
    ended, elsewhere = of(2, status=Status.FAILED), of(5, "99" + ENDING)
    working = having(of(9), of(1), ended, elsewhere, of(4, OTHER))
    assert working.loaded(Start(ACME, of(10))) == Loaded(active=(of(1), of(9)))
    assert working.loaded(Start(ACME, of(10, "15550100"))) == Loaded()


def test_a_request_runs_once_although_its_number_is_no_longer_than_the_ending_of_a_report() -> None:
    working = having(of(1, ENDING))
    assert working.loaded(Start(ACME, of(2, ENDING))).active == (of(1, ENDING),)


def test_a_number_that_is_just_an_ending_does_not_run_because_a_longer_one_does() -> None:
    assert having(of(1, ABROAD)).loaded(Start(ACME, of(2, ENDING))).active == ()


# --- which message a report means ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "row", "step"),
    [
        ([of(1, ABROAD, sent())], 1, 0),
        ([of(1, NATIONAL, sent())], 1, 0),
        ([of(1, ABROAD, sent()), of(2, NATIONAL, sent(at=9))], 1, 0),  # the very number before the same ending
        ([of(1, ABROAD, sent(reference="")), of(2, NATIONAL, sent(at=9))], 1, 0),
        ([of(1, ABROAD, sent()), of(2, ABROAD, sent(at=9, reference=""))], 1, 0),  # a reference before none
        ([of(1, ABROAD, sent(at=9)), of(2, ABROAD, sent(at=8))], 1, 0),  # the newest
        ([of(1, ABROAD, sent()), of(2, ABROAD, sent())], 2, 0),
        ([of(1, ABROAD, sent(0), sent(1))], 1, 1),
        ([of(1, ABROAD, sent(0, at=9), sent(1, at=8))], 1, 0),
        ([of(1, ABROAD, sent(1)), of(2, ABROAD, sent(0))], 2, 0),
        ([of(1, ABROAD, sent(0), sent(1, device="sim2"))], 1, 0),
    ],
)
def test_a_report_means_the_newest_message_that_fits_best(requests: list[Request], row: int, step: int) -> None:
    assert having(*requests).loaded(REPORT) == Loaded(row, requests[row - 1], step)


@pytest.mark.parametrize(
    "found",
    [
        of(1),
        of(1, OTHER, sent()),
        of(1, ABROAD, sent(device="sim2")),
        of(1, ABROAD, sent(reference="8")),
        of(1, NATIONAL, sent(reference="")),
        of(1, ABROAD, sent(at=0)),
    ],
)
def test_a_report_that_fits_no_message_means_none(found: Request) -> None:
    assert having(found).loaded(REPORT) == Loaded()


def test_a_report_of_a_short_code_means_only_that_very_number() -> None:
    wanted = Needs(reports=frozenset((ReportKey("72345", "", "7", "sim1", s(1)),)))
    report = replace(REPORT, number="72345", ending="")
    working = having(of(1, "72345", sent()), of(2, "", sent(at=9)), of(3, "4472345", sent(at=9)), wanted=wanted)
    assert working.loaded(report).row == 1


def test_reports_with_endings_of_different_lengths_each_find_their_message() -> None:
    keys = (*REPORTED.reports, ReportKey(OTHER, OTHER[-4:], "7", "sim2", s(1)))
    working = having(
        of(1, NATIONAL, sent()), of(2, "5" + OTHER[-4:], sent(device="sim2")), wanted=Needs(reports=frozenset(keys))
    )
    assert working.loaded(REPORT).row == 1
    assert working.loaded(replace(REPORT, number=OTHER, device="sim2", ending=OTHER[-4:])).row == 2


# --- what was decided before is what the next command sees --------------------------------------------------


def test_a_new_request_gets_the_next_row_and_is_there_for_those_after_it() -> None:
    working = having(of(1), new=(7, 8))
    first, second = started(of(20, ABROAD, sent(at=5))), started(of(21, OTHER))
    assert working.apply(Decision(after=first, request_id=first.id), s(5)) == Decision((), 7, None, first, first.id)
    assert working.apply(Decision(after=second), s(5)).row == 8
    assert working.loaded(Cancel(ACME, first.id)) == Loaded(7, first)
    assert working.loaded(Fire(8)) == Loaded(8, second)
    assert working.loaded(REPORT).row == 7
    assert working.loaded(Start(ACME, of(22))).active == (of(1), first)
    assert working.changes().inserted == [(7, first), (8, second)]


def test_a_request_that_ended_in_the_batch_does_not_run_any_more() -> None:
    before, after = of(1), of(1, status=Status.CANCELLED)
    working = having(before)
    decision = Decision(row=1, before=before, after=after)
    assert working.apply(decision, s(5)) is decision
    assert working.loaded(Fire(1)) == Loaded(1, after)
    assert working.loaded(Start(ACME, of(2))) == Loaded()


# --- what is saved ------------------------------------------------------------------------------------------


def step(working: WorkingSet, before: Request, after: Request) -> None:
    working.apply(Decision(row=int(before.id, 16), before=before, after=after), s(5))


def of_requests(changes: Changes) -> tuple[Sequence[object], ...]:
    return changes.inserted, changes.updated, changes.attempts, changes.changed_attempts


def test_what_nobody_changed_is_not_saved() -> None:
    working = having(of(1, ABROAD, sent()), of(2))
    step(working, of(1, ABROAD, sent()), of(1, ABROAD, sent()))
    working.apply(NOTHING, s(5))
    assert working.changes().empty


def test_a_request_that_changed_twice_is_saved_once_as_it_is_in_the_end() -> None:
    first = of(1)
    second, third = replace(first, wrong=1), replace(first, wrong=2)
    working = having(first, of(2))
    step(working, first, second)
    step(working, second, third)
    assert of_requests(working.changes()) == ([], [(1, third)], [], [])


def test_a_request_that_is_again_as_it_was_is_not_saved() -> None:
    first = of(1)
    other = replace(first, wrong=1)
    working = having(first)
    step(working, first, other)
    step(working, other, replace(first))
    assert working.changes().empty


def test_only_attempts_that_are_new_or_changed_are_saved_and_their_request_only_if_it_changed() -> None:
    first, second, third = sent(0), sent(1, reference=""), sent(2)
    answered = sent(1)
    before = of(1, ABROAD, first, second)
    working = having(before)
    step(working, before, replace(before, attempts=(first, answered, third)))
    assert of_requests(working.changes()) == ([], [], [(1, third)], [(1, answered)])


def test_a_new_request_is_saved_with_all_its_attempts_as_it_is_in_the_end() -> None:
    working = having(new=(7,))
    new = of(20, ABROAD, sent(0))
    ended = replace(new, status=Status.SUCCESS, attempts=(sent(0), sent(1)))
    working.apply(Decision(after=new), s(5))
    working.apply(Decision(row=7, before=new, after=ended), s(6))
    assert of_requests(working.changes()) == ([(7, ended)], [], [(7, sent(0)), (7, sent(1))], [])


def test_requests_are_saved_in_the_order_in_which_they_first_changed() -> None:
    working = having(of(1), of(2), of(3))
    for row in (3, 1, 3, 2):
        step(working, of(row), replace(of(row), wrong=1))
    assert [row for row, _ in working.changes().updated] == [3, 1, 2]


def saved(*actions: Action, at: int = 60, row: int = 4, request_id: str = "abc") -> Changes:
    """What actions of one decision leave, that changed no request."""
    working = having()
    working.apply(Decision(actions, row, request_id=request_id), s(at))
    return working.changes()


def test_lines_of_history_and_codes_that_were_judged_are_kept_with_their_time_in_order() -> None:
    changes = saved(Note("sent", 1, "by sim1"), RecordCheck(False, "127.0.0.9"), Note("other"), RecordCheck(True))
    assert changes.history == [Line(s(60), "abc", "sent", 1, "by sim1"), Line(s(60), "abc", "other", None, "")]
    assert changes.checks == [CheckedCode(4, s(60), False, "127.0.0.9"), CheckedCode(4, s(60), True, "")]


def test_the_last_value_of_a_setting_is_kept() -> None:
    assert saved(Remember("duty", "a"), Remember("key", "k"), Remember("duty", "b")).meta == {"duty": "b", "key": "k"}


def test_what_is_for_after_the_commit_is_not_saved() -> None:
    deliver = Deliver(0, Channel.SMS, 1, s(300))
    assert saved(deliver, SetTimer(0, s(9)), ClearTimer(), StopDelivery(), Reply(Accepted())).empty


# --- the quota ----------------------------------------------------------------------------------------------


def test_each_sms_of_a_charge_counts() -> None:
    changes = saved(Charge(s(50), "sim1", ABROAD, 2), Charge(s(51), "sim2", OTHER))
    assert changes.charges == [Charged("sim1", s(50), ABROAD)] * 2 + [Charged("sim2", s(51), OTHER)]


def test_a_refund_takes_the_newest_charge_of_its_device_and_number_in_the_batch() -> None:
    first, second, third = (Charge(s(at), "sim1", ABROAD) for at in (50, 51, 52))
    others = Charge(s(53), "sim2", ABROAD), Charge(s(54), "sim1", OTHER)
    changes = saved(first, second, third, *others, Refund("sim1", ABROAD, 2))
    assert [each.at for each in changes.charges] == [s(50), s(53), s(54)]
    assert changes.refunds == []


def test_a_refund_takes_no_charge_that_comes_after_it() -> None:
    changes = saved(Refund("sim1", ABROAD), Charge(s(50), "sim1", ABROAD))
    assert changes.charges == [Charged("sim1", s(50), ABROAD)]
    assert changes.refunds == [Refunded("sim1", ABROAD, 1)]


def test_what_a_refund_finds_no_charge_for_in_the_batch_was_charged_before() -> None:
    charge = Charge(s(50), "sim1", ABROAD)
    changes = saved(charge, Refund("sim1", ABROAD, 3), Refund("sim1", ABROAD), Refund("sim1", OTHER, 2))
    assert changes.charges == []
    assert changes.refunds == [Refunded("sim1", ABROAD, 3), Refunded("sim1", OTHER, 2)]


def test_a_charge_after_a_refund_is_a_charge_of_its_own() -> None:
    def charge(at: int) -> Charge:
        return Charge(Ms(at), "sim1", ABROAD)

    changes = saved(charge(1), charge(2), Refund("sim1", ABROAD), charge(3))
    assert [each.at for each in changes.charges] == [Ms(1), Ms(3)]
