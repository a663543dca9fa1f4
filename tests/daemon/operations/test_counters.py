"""What is counted of each decision: it is counted once, when it is durable."""

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

import pytest

from daemon.core.commands import (
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Command,
    Decision,
    Fire,
    Loaded,
    Next,
    Policy,
    RefundTest,
    Settle,
    Start,
    decide,
)
from daemon.core.histogram import LATENESS_S, Histogram
from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Verdict
from daemon.core.ownership import Caller
from daemon.core.workflows import WORKFLOWS
from daemon.operations.counters import COUNTRIES, OTHER, Counts, Tally
from daemon.operations.counters import WORKFLOWS as APART
from tests.daemon.core.story import request

OPERATOR = Caller("", operator=True)
NEW = request(1)
ID = NEW.id
AT_ONCE = s(0)


def tally(workflows: Sequence[int] = tuple(WORKFLOWS)) -> Tally:
    return Tally(workflows, ["sim1"], lambda number: "GB" if number.startswith("44") else "")


def seen(found: Tally, *steps: tuple[Command, Ms, bool], new: int = 1, late: Ms = AT_ONCE) -> Counts:
    """A request from its start, command by command; each is durable so much later than it was decided."""
    at = s(0)
    done = decide(Start(OPERATOR, replace(NEW, workflow_id=new)), Loaded(), at, Policy())
    found.see(done, at)
    for command, at, right in steps:
        done = decide(command, Loaded(1, done.after, right=right), at, Policy())
        found.see(done, at + late)
    return found.counts()


BEGIN = (Begin(ID, 0, "sim1"), s(1), False)
SENT = (Settle(ID, 0, Verdict.TAKEN, "sim1", "7"), s(2), False)
RIGHT = (Check(OPERATOR, ID, "1234", ""), s(12), True)


def test_a_verified_request_is_counted_at_each_step_once() -> None:
    counts = seen(tally(), BEGIN, SENT, RIGHT)
    assert (counts.started["1", "v1"], sum(counts.started.values())) == (1, 1)
    assert (counts.finished["success", "1"], sum(counts.finished.values())) == (1, 1)
    assert (counts.attempts["sms", "sent"], sum(counts.attempts.values())) == (1, 1)
    assert (counts.conversions["sms", "GB"], sum(counts.conversions.values())) == (1, 1)
    assert (counts.parts, counts.refunded) == ({"sim1": 1}, {"sim1": 0})
    assert (counts.durations["sms"].total, sum(counts.durations["sms"].counts)) == (12, 1)


def test_the_last_channel_has_the_conversion() -> None:
    counts = seen(tally(), BEGIN, SENT, (Next(OPERATOR, ID), s(60), False), (RIGHT[0], s(80), True))
    assert (counts.conversions["sms", "GB"], counts.conversions["tts", "GB"]) == (0, 1)
    assert counts.durations["tts"].total == 80


def test_what_has_ended_is_not_counted_again() -> None:
    found = tally()
    once = seen(found, BEGIN, SENT, RIGHT)
    done = decide(Start(OPERATOR, NEW), Loaded(), s(0), Policy())
    assert done.after is not None
    over = decide(Cancel(OPERATOR, ID), Loaded(1, done.after), s(60), Policy()).after
    found.see(Decision((), 1, over, over), s(99))
    assert found.counts() == once


def test_a_request_that_is_given_up_converts_nothing() -> None:
    counts = seen(tally(), (Cancel(OPERATOR, ID), s(60), False))
    assert (counts.finished["cancelled", "1"], sum(counts.conversions.values())) == (1, 0)


def test_further_workflows_are_counted_together() -> None:
    many = range(100, 100 + APART + 5)
    found = tally(many)
    for workflow in (many[0], many[-1], many[-2]):
        counts = seen(found, new=workflow)
    started = counts.started
    assert (started[str(many[0]), "v1"], started[OTHER, "v1"], len(started)) == (1, 2, APART + 1)


def test_the_first_countries_are_counted_apart_and_further_ones_together() -> None:
    codes = [f"{a}{b}" for a in ascii_uppercase for b in ascii_uppercase]
    found = Tally((1,), [], lambda number: codes[int(number)] if number else "")
    assert found.counts().conversions == {("sms", OTHER): 0, ("tts", OTHER): 0}
    for number in ("", *map(str, range(COUNTRIES + 5)), "", "0"):
        verified(found, number)
    conversions = found.counts().conversions
    assert (conversions["sms", codes[0]], conversions["sms", codes[COUNTRIES - 1]]) == (2, 1)
    assert (conversions["sms", OTHER], conversions["tts", codes[0]]) == (7, 0)
    assert len(conversions) == 2 * (COUNTRIES + 1)


def verified(found: Tally, number: str) -> None:
    started = decide(Start(OPERATOR, replace(NEW, number=number)), Loaded(), s(0), Policy()).after
    found.see(decide(RIGHT[0], Loaded(1, started, right=True), s(12), Policy()), s(12))


def test_an_event_is_late_from_its_time_until_it_is_durable() -> None:
    due = decide(Start(OPERATOR, NEW), Loaded(), s(0), Policy()).after
    assert due is not None
    assert due.due_at is not None
    late = seen(tally(), (Fire(1), due.due_at, False), late=Ms(30)).lateness
    assert late.total == pytest.approx(0.03)
    assert late.counts[LATENESS_S.index(0.05)] == sum(late.counts) == 1
    wrong = Check(OPERATOR, ID, "1234", "")
    for other in (RIGHT, (wrong, s(12), False), (wrong, due.due_at, False)):  # after the last, it is still due
        assert sum(seen(tally(), other).lateness.counts) == 0


def test_a_clock_that_runs_faster_makes_no_event_late() -> None:
    """At speed 100, an event that was stored 30 ms after its time used to count as 3 s late: an alert, all the time."""
    due = decide(Start(OPERATOR, NEW), Loaded(), s(0), Policy()).after
    assert due is not None
    assert due.due_at is not None
    late = seen(Tally((1,), [], lambda _: "", speed=100.0), (Fire(1), due.due_at, False), late=s(3)).lateness
    assert late.total == pytest.approx(0.03)


def test_only_modems_of_the_configuration_are_counted() -> None:
    found = tally()
    for command in (ChargeTest("sim1", NEW.number), ChargeTest("gone", NEW.number), RefundTest("gone", NEW.number)):
        found.see(decide(command, Loaded(), s(1), Policy()), s(1))
    found.see(decide(RefundTest("sim1", NEW.number), Loaded(), s(1), Policy()), s(1))
    counts = found.counts()
    assert (counts.parts, counts.refunded) == ({"sim1": 1}, {"sim1": 1})


def test_a_modem_that_is_added_is_counted_from_then_on() -> None:
    found = tally()
    found.watch(["sim1", "sim2"])
    counts = seen(found, BEGIN, SENT)
    assert counts.parts == {"sim1": 1, "sim2": 0}
    found.watch(["sim2"])
    assert found.counts().parts == {"sim1": 1, "sim2": 0}


def test_a_workflow_that_a_reload_brings_is_counted_apart_from_then_on() -> None:
    """It used to be "other" until the next restart."""
    found = tally()
    assert seen(found, new=100).started[OTHER, "v1"] == 1
    found.watch([], [*WORKFLOWS, 100])
    counts = seen(found, new=100)
    assert (counts.started["100", "v1"], counts.started[OTHER, "v1"]) == (1, 1)
    assert counts.finished["success", "100"] == 0


def test_counts_that_were_taken_stay_as_they_are() -> None:
    found = tally()
    before = seen(found)
    seen(found, BEGIN, SENT, RIGHT)
    assert (before.started["1", "v1"], before.durations["sms"].total, sum(before.durations["sms"].counts)) == (1, 0, 0)


@pytest.mark.parametrize(("value", "place"), [(0.5, 0), (1.0, 0), (1.1, 1), (2.0, 1), (9.0, 2)])
def test_a_bound_belongs_to_what_is_below_it(value: float, place: int) -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(value)
    assert [at for at, count in enumerate(histogram.counts) if count] == [place]
    assert histogram.total == value
