"""What became of requests: the figures of a report."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.milliseconds import Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.model import AttemptState, Channel, Request, Status
from daemon.operations.report import CAUSES, OTHER, Figures, Reckoning, Report, cause_of, first_since, percentile
from tests.daemon.core.story import request, started

RUNNING = started(request(1))
BY_CALL = replace(RUNNING.attempts[0], channel=Channel.TTS, state=AttemptState.DELIVERED)
TALK = "answered, rang 4.2 s, talked 12.5 s"


def ended(status: Status, after_s: float, state: AttemptState = AttemptState.SENT, detail: str = "") -> Request:
    sms = replace(RUNNING.attempts[0], state=state, tries=1, detail=detail, device="sim1")
    return replace(RUNNING, status=status, created_at=s(0), finalized_at=s(after_s), attempts=(sms,))


def reckoned(*requests: Request) -> Report:
    reckoning = Reckoning(lambda at: int(at) // 3_600_000 % 24, lambda number: number[:2])
    for each in requests:
        reckoning.add(each)
    return reckoning.report({"sim1": 3})


def test_each_request_that_has_ended_counts_once_in_each_group() -> None:
    verified, other = ended(Status.SUCCESS, 10), replace(ended(Status.EXPIRED, 300), number="331", workflow_id=4)
    called = replace(ended(Status.SUCCESS, 30), attempts=(*verified.attempts, BY_CALL, replace(BY_CALL, detail=TALK)))
    found = reckoned(verified, other, called, RUNNING, replace(other, created_at=s(3600), attempts=()))
    assert found.all == Figures(4, 2, 0.5, 10.0, 30.0)
    assert found.channels == {
        "none": Figures(1, 0, 0.0, None, None),
        "sms": Figures(2, 1, 0.5, 10.0, 10.0),
        "tts": Figures(1, 1, 1.0, 30.0, 30.0),
    }
    assert {name: each.requests for name, each in found.countries.items()} == {"33": 2, "44": 2}
    assert {name: each.requests for name, each in found.hours.items()} == {"00": 3, "01": 1}
    assert {name: each.requests for name, each in found.workflows.items()} == {"1": 2, "4": 2}
    assert (found.in_progress, found.statuses["EXPIRED"], found.seconds) == (1, 2, [10.0, 30.0])
    assert (found.messages, found.calls, found.talked_s, found.parts) == (3, 1, 12.5, {"sim1": 3})
    assert (found.first_at, found.document()["all"]["rate"]) == (s(0), 0.5)


def test_why_deliveries_failed_is_counted_by_the_beginning_of_their_records() -> None:
    busy = ended(Status.FAILED, 300, AttemptState.FAILED, "busy (486 Busy Here), rang 3.2 s")
    refused = ended(Status.SUCCESS, 300, AttemptState.REFUSED)
    assert reckoned(busy, busy, refused).causes == {
        "sms failed: busy (486 Busy Here)": 2,
        "sms refused: no reason given": 1,
    }
    several = [ended(Status.FAILED, 1, AttemptState.FAILED, f"cause {n}") for n in range(CAUSES + 5)]
    causes = reckoned(*several, several[0]).causes
    assert (len(causes), causes[OTHER], causes["sms failed: cause 0"]) == (CAUSES + 1, 5, 2)


def test_nothing_is_reckoned_of_nothing() -> None:
    found = reckoned()
    assert (found.all, found.first_at, found.channels) == (Figures(0, 0, None, None, None), None, {})
    assert reckoned(replace(ended(Status.SUCCESS, 1), finalized_at=None)).all == Figures(1, 1, 1.0, None, None)


def test_a_cause_has_no_number_of_a_person_in_it() -> None:
    assert cause_of("call to 447700900123 failed") == "call to ... failed"
    # Words used to be cut: "the modems are overload".
    assert cause_of("too late " * 20) == ("too late " * 9)[:-6]
    assert cause_of("x" * 90) == "x" * 80
    assert cause_of("x" * 76 + " 447700900123") == "x" * 76 + " ..."
    # There used to be "answered" as the cause of a failure.
    assert cause_of("answered, rang 0.2 s, talked 3.0 s, nobody pressed 1") == "nobody pressed 1"


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_so_many_values_are_not_above_a_percentile(values: list[float], part: float) -> None:
    found = percentile(sorted(values), part)
    assert found is not None
    assert sum(value <= found for value in values) >= part * len(values)
    assert sum(value < found for value in values) <= max(part * len(values), 0) + 1e-6 or found == min(values)


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(0, 90))
def test_the_first_request_since_a_time_is_found_by_halving(gaps: list[int], at: int) -> None:
    rows = [sum(gaps[: n + 1]) for n in range(len(gaps))]  # each began at the time that its row says
    looks = 0

    def of_next(row: int) -> tuple[int, Ms] | None:
        nonlocal looks
        looks += 1
        return next(((each, Ms(each)) for each in rows if each > row), None)

    behind = first_since(Ms(at), of_next)
    assert [row for row in rows if row > behind and row >= at] == [row for row in rows if row >= at]
    assert all(row >= at for row in rows if row > behind)
    assert looks <= 40


@pytest.mark.parametrize(
    ("rows", "at", "found"),
    [
        (tuple(range(1, 51)), 30, [*range(30, 51)]),
        ((), 5, []),
        ((3, 9, 40, 41), 41, [41]),
        ((3, 9, 40), 4, [9, 40]),
        ((3,), 1, [3]),
    ],
)
def test_only_requests_before_a_time_are_passed_over(rows: tuple[int, ...], at: int, found: list[int]) -> None:
    """Each row began at the time that it says; there are gaps, as retention leaves them."""
    behind = first_since(Ms(at), lambda row: next(((each, Ms(each)) for each in rows if each > row), None))
    assert [row for row in rows if row > behind] == found


@pytest.mark.parametrize(("part", "value"), [(0.5, 2.0), (0.95, 4.0), (0.0, 1.0)])
def test_percentiles_are_values_that_were_there(part: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], part) == value
