"""What each command makes of the state that it needs, without a store."""

from dataclasses import replace

import pytest

from daemon.core.commands import (
    NOTHING,
    AddNote,
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Command,
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
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    AnsweredLate,
    AttemptAnswered,
    AttemptStarted,
    CancelRequested,
    Charge,
    CodeSubmitted,
    Event,
    GivenUp,
    Interrupted,
    NextRequested,
    Note,
    RecordCheck,
    Refund,
    Remember,
    Reported,
    Request,
    StepDue,
    Verdict,
)
from daemon.core.outcomes import Accepted, Busy, EventHasRun, Outcome, TooEarly, Unknown
from daemon.core.ownership import Caller
from daemon.core.request_states import advance
from tests.daemon.core.story import request, started

POLICY = Policy(resend={"sim1": True}, move_on=frozenset({Verdict.REFUSED}))
MINE, THEIRS, OPERATOR = Caller("acme"), Caller("bolt"), Caller("", operator=True)
WAITING = replace(started(request(1)), account="acme")
SENDING = advance(WAITING, AttemptStarted(0, s(1), "sim1"))[0]
UNCERTAIN = advance(SENDING, AttemptAnswered(0, Verdict.UNCERTAIN, s(2), "sim1"))[0]
ID, NUMBER = WAITING.id, WAITING.number


@pytest.mark.parametrize(
    ("command", "before", "event"),
    [
        (Check(MINE, ID, "1234", "192.0.2.1"), WAITING, CodeSubmitted(False, s(50), "192.0.2.1")),
        (Cancel(MINE, ID), WAITING, CancelRequested(s(50), s(30), 2)),
        (Next(MINE, ID), WAITING, NextRequested(s(50))),
        (Begin(ID, 0, "sim1"), WAITING, AttemptStarted(0, s(50), "sim1")),
        (
            Settle(ID, 0, Verdict.REFUSED, "sim1", "", "CMS 1", 0),
            SENDING,
            AttemptAnswered(0, Verdict.REFUSED, s(50), "sim1", "", "CMS 1", 0, resend=True, move_on=True),
        ),
        (
            Settle(ID, 0, Verdict.WITHDRAWN, "sim1", "", "late", 0),
            SENDING,
            AttemptAnswered(0, Verdict.WITHDRAWN, s(50), "sim1", "", "late", 0, resend=True, move_on=False),
        ),
        (
            SettleLate(ID, 0, Verdict.TAKEN, "sim1", "7"),
            UNCERTAIN,
            AnsweredLate(0, Verdict.TAKEN, s(50), "sim1", "7"),
        ),
        (GiveUp(ID, 0, Verdict.REFUSED, "no modem"), WAITING, GivenUp(0, Verdict.REFUSED, s(50), "no modem", True)),
        (Interrupt(ID, 0, 3), SENDING, Interrupted(0, s(50), resend=True, parts=3)),
        (
            Report(NUMBER, "7", "sim1", s(0), True, ""),
            UNCERTAIN,
            Reported(0, True, s(50), "sim1", "7"),
        ),
        (Fire(7), WAITING, StepDue(1, s(50))),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, Request) else "",
)
def test_a_command_is_an_event_under_the_policy(command: Command, before: Request, event: Event) -> None:
    decision = decide(command, Loaded(7, before), s(50), POLICY)
    assert (decision.after, decision.actions) == advance(before, event)
    assert (decision.row, decision.before, decision.request_id) == (7, before, ID)


@pytest.mark.parametrize("command", [Check(THEIRS, ID, "1234"), Cancel(THEIRS, ID), Next(THEIRS, ID)])
@pytest.mark.parametrize("found", [WAITING, None])
def test_a_foreign_request_is_as_unknown_as_one_that_does_not_exist(command: Command, found: Request | None) -> None:
    decision = decide(command, Loaded(7, found, right=True), s(50), POLICY)
    assert (decision.outcome, decision.after, decision.row) == (Unknown(), None, 0)


def test_an_operator_who_names_no_account_may_touch_it() -> None:
    assert decide(Next(OPERATOR, ID), Loaded(7, WAITING), s(50), POLICY).outcome == Accepted()


@pytest.mark.parametrize(
    "command",
    [
        Begin(ID, 0, "sim1"),
        Settle(ID, 0, Verdict.TAKEN),
        SettleLate(ID, 0, Verdict.TAKEN, "sim1"),
        GiveUp(ID, 0, Verdict.FAILED, ""),
        Interrupt(ID, 0),
        Report(NUMBER, "7", "sim1", s(0), True, ""),
        Fire(7),
    ],
)
def test_a_command_on_a_request_that_is_not_there_does_nothing(command: Command) -> None:
    decision = decide(command, Loaded(), s(50), POLICY)
    assert decision == NOTHING
    assert not decision.changed
    assert decision.begun(0) is None


def test_a_code_is_right_where_the_loaded_state_says_so() -> None:
    decision = decide(Check(MINE, ID, "1234"), Loaded(7, WAITING, right=True), s(50), POLICY)
    assert (decision.outcome, decision.actions.count(RecordCheck(True))) == (Accepted(), 1)
    assert "1234" not in repr(Check(MINE, ID, "1234"))


def test_a_start_is_written_into_the_history_and_begins_when_it_is_decided() -> None:
    decision = decide(Start(MINE, request(1)), Loaded(), s(50), POLICY)
    assert decision.after is not None
    assert (decision.before, decision.after.created_at, decision.outcome) == (None, s(50), Accepted())
    assert decision.actions[0] == Note("started", None, "workflow 1, en-gb", logged=False)


def running(number: int, account: str) -> Request:
    return replace(WAITING, id=f"{number:032x}", account=account)


@pytest.mark.parametrize(
    ("caller", "allowed", "active", "outcome"),
    [
        (MINE, 1, [], Accepted()),
        (MINE, 1, [running(1, "acme")], Busy(running(1, "acme").id)),
        (MINE, 1, [running(1, "bolt")], Busy(None)),
        (MINE, 2, [running(1, "bolt")], Accepted()),
        (MINE, 3, [running(1, "acme"), running(2, "acme"), running(3, "bolt")], Busy(running(2, "acme").id)),
        (OPERATOR, 1, [running(1, "bolt")], Busy(running(1, "bolt").id)),
        (MINE, 0, [running(1, "acme")], Accepted()),
    ],
)
def test_a_number_has_so_many_running_requests_and_a_caller_learns_only_its_own(
    caller: Caller, allowed: int, active: list[Request], outcome: Outcome
) -> None:
    policy = replace(POLICY, max_active_per_number=allowed)
    assert decide(Start(caller, request(1)), Loaded(active=tuple(active)), s(50), policy).outcome == outcome


def test_a_message_is_begun_only_while_it_is_wanted() -> None:
    begun = decide(Begin(ID, 0, "sim1"), Loaded(7, WAITING), s(50), POLICY)
    assert begun.after is not None
    assert begun.begun(0) == (begun.after, begun.after.attempts[0])
    assert begun.begun(1) is None
    assert decide(Begin(ID, 0, "sim1"), Loaded(7, SENDING), s(50), POLICY).begun(0) is None
    assert decide(Begin(ID, 0, "sim1"), Loaded(7, WAITING), s(300), POLICY).begun(0) is None


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (ChargeTest("sim1", NUMBER), Charge(s(50), "sim1", NUMBER)),
        (RefundTest("sim1", NUMBER), Refund("sim1", NUMBER)),
        (AddNote("", None, "incoming", "hello"), Note("incoming", None, "hello", logged=False)),
        (SetMeta("duty of modem sim1", "paused"), Remember("duty of modem sim1", "paused")),
    ],
)
def test_what_belongs_to_no_request_changes_none(command: Command, action: object) -> None:
    decision = decide(command, Loaded(), s(50), POLICY)
    assert (decision.actions, decision.before, decision.after) == ((action,), None, None)


def test_what_time_or_a_device_has_done_is_not_forgotten() -> None:
    insisting = {kind.__name__ for kind in (Settle, SettleLate, GiveUp, Interrupt, Fire, RefundTest) if kind.insist}
    assert insisting == {"Settle", "SettleLate", "GiveUp", "Interrupt", "Fire", "RefundTest"}
    assert not any(kind.insist for kind in (Start, Check, Cancel, Next, Begin, ChargeTest, SetMeta))


def test_no_number_shows_in_a_command() -> None:
    assert NUMBER not in repr([ChargeTest("sim1", NUMBER), RefundTest("sim1", NUMBER), Charge(s(1), "sim1", NUMBER)])
    assert NUMBER not in repr([Report(NUMBER, "7", "sim1", s(0), True, ""), Refund("sim1", NUMBER)])


# --- what is left out -------------------------------------------------------------------------------------------


def test_the_policy_of_an_operator_who_says_nothing_is_the_references() -> None:
    assert Policy() == Policy(1, s(30), 2, frozenset(), {})


def test_what_a_lane_does_not_say_is_nothing() -> None:
    assert Settle(ID, 0, Verdict.TAKEN) == Settle(ID, 0, Verdict.TAKEN, "", "", "", 1)
    assert SettleLate(ID, 0, Verdict.TAKEN, "sim1") == SettleLate(ID, 0, Verdict.TAKEN, "sim1", "", "")
    assert AddNote(ID, 0, "seen") == AddNote(ID, 0, "seen", "", insist=False)
    assert Report(NUMBER, "7", "sim1", s(0), True, "").insist
    assert "hello" not in repr(AddNote("", None, "incoming", "hello"))


@pytest.mark.parametrize(
    ("device", "step", "resends"), [("sim1", 0, True), ("sim2", 0, False), ("sim3", 0, False), ("sim1", 1, False)]
)
def test_a_message_goes_out_again_only_where_the_policy_of_its_modem_says_so(
    device: str, step: int, *, resends: bool
) -> None:
    policy = Policy(resend={"sim1": True, "sim2": False})
    assert policy.resends(advance(WAITING, AttemptStarted(0, s(1), device))[0], step) is resends


# --- in its time ------------------------------------------------------------------------------------------------


def test_a_timer_that_is_due_runs_the_next_event() -> None:
    after = decide(Fire(7), Loaded(7, WAITING), s(125), POLICY).after
    assert after is not None
    assert (after.step, after.last_event_at) == (2, s(125))


@pytest.mark.parametrize(
    ("at", "moved_on", "outcome"),
    [
        (29.9, False, TooEarly(s(30))),
        (30, False, Accepted()),
        (40, True, EventHasRun(2)),
        (20, True, TooEarly(s(30))),
    ],
)
def test_a_cancel_keeps_the_limits_of_the_policy(at: float, outcome: Outcome, *, moved_on: bool) -> None:
    before = advance(WAITING, NextRequested(s(10)))[0] if moved_on else WAITING
    assert decide(Cancel(MINE, ID), Loaded(7, before), s(at), POLICY).outcome == outcome


def test_what_was_interrupted_is_so_at_the_time_of_the_start() -> None:
    elsewhere = advance(WAITING, AttemptStarted(0, s(1), "sim2"))[0]
    after = decide(Interrupt(ID, 0), Loaded(7, elsewhere), s(50), POLICY).after
    assert after is not None
    assert after.attempts[0].settled_at == s(50)


def test_a_decision_says_what_it_is_of() -> None:
    new = decide(Start(MINE, request(1)), Loaded(), s(50), POLICY)
    assert (new.row, new.request_id, new.changed) == (0, request(1).id, True)
    note = decide(AddNote(ID, 0, "seen"), Loaded(), s(50), POLICY)
    assert (note.row, note.request_id) == (0, ID)
    charge = decide(ChargeTest("sim1", NUMBER), Loaded(), s(50), POLICY)
    assert (charge.request_id, charge.begun(0), charge.outcome) == ("", None, Unknown())
