"""What the record of a delivery says in the end: details, notes, times, and whether the next event starts."""

from dataclasses import replace

import pytest

from daemon.core.attempt_states import AFTER_EXPIRY
from daemon.core.milliseconds import seconds as s
from daemon.core.model import (
    AnsweredLate,
    Attempt,
    AttemptAnswered,
    AttemptStarted,
    AttemptState,
    Charge,
    CodeSubmitted,
    Deliver,
    Event,
    GivenUp,
    Interrupted,
    Note,
    Refund,
    Reported,
    Verdict,
)
from tests.daemon.core.test_attempt_states import (
    AGAIN,
    BEGUN,
    ELSEWHERE,
    LATE_NO,
    LATE_REFUSED,
    LATE_TAKEN,
    LOST,
    NUMBER,
    after,
    balance,
    fate,
)

A, V = AttemptState, Verdict
ENDED = CodeSubmitted(True, s(1.5))
LOST_TOO = AttemptAnswered(0, V.UNCERTAIN, s(4), "sim2", detail="no answer")


def record(*events: Event) -> Attempt:
    return after(*events)[0].attempts[0]


def test_a_try_after_the_pins_death_is_not_made_and_says_why() -> None:
    found, actions = after(AttemptStarted(0, s(300), "sim1"))
    why = "the PIN expired before a device was free"
    assert (found.attempts[0].state, found.attempts[0].detail, found.attempts[0].settled_at) == (A.DROPPED, why, s(300))
    assert actions == (Note("dropped", 0, why),)


def test_a_second_try_that_was_taken_is_sent_and_one_that_was_taken_is_not_repeated() -> None:
    assert fate(BEGUN, AGAIN, ELSEWHERE, AttemptAnswered(0, V.TAKEN, s(4), "sim2", "9")) == (A.SENT, 2)
    found, actions = after(BEGUN, AttemptAnswered(0, V.TAKEN, s(2), "sim1", "7", resend=True))
    assert found.attempts[0].state is A.SENT
    assert not [action for action in actions if isinstance(action, Deliver)]


@pytest.mark.parametrize("move_on", [True, False])
@pytest.mark.parametrize(
    ("before", "news"),
    [
        ((BEGUN,), AttemptAnswered(0, V.REFUSED, s(5), "sim1", parts=0)),
        ((BEGUN,), AttemptAnswered(0, V.WITHDRAWN, s(5), "sim1", parts=0)),
        ((), GivenUp(0, V.REFUSED, s(5))),
        ((), GivenUp(0, V.WITHDRAWN, s(5))),
        ((BEGUN, LOST), LATE_REFUSED),
    ],
)
def test_the_next_event_starts_after_what_the_policy_names(
    before: tuple[Event, ...], news: AttemptAnswered | GivenUp | AnsweredLate, *, move_on: bool
) -> None:
    assert after(*before, replace(news, move_on=move_on))[0].step == (2 if move_on else 1)


@pytest.mark.parametrize(
    ("before", "news"),
    [
        ((BEGUN,), AttemptAnswered(0, V.FAILED, s(5), "sim1", parts=0, move_on=True)),
        ((BEGUN,), AttemptAnswered(0, V.TAKEN, s(5), "sim1", "7", move_on=True)),
        ((), GivenUp(0, V.FAILED, s(5), move_on=True)),
        ((BEGUN, LOST), replace(LATE_NO, move_on=True)),
        ((BEGUN, LOST), replace(LATE_TAKEN, move_on=True)),
    ],
)
def test_the_next_event_does_not_start_after_anything_else(before: tuple[Event, ...], news: Event) -> None:
    assert after(*before, news)[0].step == 1


@pytest.mark.parametrize(
    ("events", "state", "detail"),
    [
        ((BEGUN, AttemptAnswered(0, V.NOT_SENT, s(300), parts=0)), A.DROPPED, "the PIN expired first"),
        ((BEGUN, AttemptAnswered(0, V.NOT_SENT, s(300), detail="CMS 38", parts=0)), A.DROPPED, "CMS 38"),
        ((BEGUN, ENDED, AttemptAnswered(0, V.NOT_SENT, s(2), parts=0)), A.DROPPED, ""),
        ((BEGUN, ENDED, AttemptAnswered(0, V.NOT_SENT, s(2), detail="CMS 38", parts=0)), A.DROPPED, "CMS 38"),
        ((BEGUN, AGAIN, GivenUp(0, V.WITHDRAWN, s(5))), A.UNCERTAIN, "no answer"),
        ((BEGUN, AGAIN, GivenUp(0, V.WITHDRAWN, s(5), "overloaded")), A.UNCERTAIN, "overloaded"),
        ((GivenUp(0, V.FAILED, s(5), "no modem"),), A.FAILED, "no modem"),
    ],
)
def test_what_is_not_sent_any_more_says_why(events: tuple[Event, ...], state: AttemptState, detail: str) -> None:
    found = record(*events)
    assert (found.state, found.detail) == (state, detail)


def test_the_time_of_the_last_news_is_kept_and_what_waits_again_has_none() -> None:
    assert record(BEGUN, LOST).settled_at == s(2)
    assert record(BEGUN, AGAIN).settled_at is None
    assert record(BEGUN, AGAIN, GivenUp(0, V.WITHDRAWN, s(5))).settled_at == s(5)
    assert record(BEGUN, LOST, LATE_NO).settled_at == s(5)


@pytest.mark.parametrize(
    ("events", "note"),
    [
        ((BEGUN, AttemptAnswered(0, V.NOT_SENT, s(2), detail="CMS 38", parts=0)), Note("queued", 0, "CMS 38")),
        ((BEGUN, AGAIN), Note("uncertain", 0, "no answer")),
        ((BEGUN, LOST), Note("uncertain", 0, "no answer")),
        ((BEGUN, LOST, Reported(0, True, s(9), "sim1", "7", "seen")), Note("delivered", 0, "seen")),
        ((BEGUN, LOST, Reported(0, False, s(9), "sim1", "7", "barred")), Note("failed", 0, "barred")),
        ((BEGUN, AGAIN, ELSEWHERE, Reported(0, False, s(9), "sim1", "7", "barred")), Note("uncertain", 0, "barred")),
        ((BEGUN, LOST, LATE_TAKEN), Note("sent", 0, "")),
        ((BEGUN, LOST, LATE_REFUSED), Note("refused", 0, "CMS 1")),
        ((BEGUN, LOST, LATE_NO), Note("failed", 0, "CMS 350")),
        ((BEGUN, AGAIN, ELSEWHERE, LOST_TOO, LATE_NO), Note("uncertain", 0, "CMS 350")),
        ((GivenUp(0, V.WITHDRAWN, s(5), "overloaded"),), Note("dropped", 0, "overloaded")),
    ],
)
def test_each_change_is_in_the_history(events: tuple[Event, ...], note: Note) -> None:
    assert note in after(*events)[1]


def test_a_reference_and_its_device_stay_where_later_news_has_none() -> None:
    taken = AttemptAnswered(0, V.TAKEN, s(2), "sim1", "7")
    for news in (Reported(0, True, s(5), "sim2", ""), Reported(0, True, s(5), "", "7")):
        found = record(BEGUN, taken, news)
        assert (found.reference, found.device) == ("7", "sim1")
    found = record(BEGUN, LOST, Reported(0, True, s(5), "sim2", "9"))
    assert (found.reference, found.device) == ("9", "sim2")


@pytest.mark.parametrize(
    ("events", "detail"),
    [
        ((BEGUN, LOST, Reported(0, True, s(300), "sim1", "7")), AFTER_EXPIRY),
        ((BEGUN, LOST, Reported(0, True, s(299.999), "sim1", "7")), ""),
        ((BEGUN, LOST, Reported(0, True, s(300), "sim1", "7", "seen")), f"seen, {AFTER_EXPIRY}"),
        ((BEGUN, LOST, Reported(0, False, s(300), "sim1", "7", "barred")), "barred"),
        ((BEGUN, AttemptAnswered(0, V.TAKEN, s(2), "sim1", "7"), Reported(0, True, s(400), "sim1", "7")), ""),
    ],
)
def test_what_arrives_after_the_pins_death_says_so(events: tuple[Event, ...], detail: str) -> None:
    assert record(*events).detail == detail


# --- the account ----------------------------------------------------------------------------------------------


def test_news_without_a_device_is_of_the_one_that_had_it() -> None:
    assert Refund("sim1", NUMBER) in after(BEGUN, AttemptAnswered(0, V.NOT_SENT, s(2), parts=0))[1]
    assert Charge(s(2), "sim1", NUMBER, 2) in after(BEGUN, AttemptAnswered(0, V.TAKEN, s(2), parts=3))[1]


def test_what_was_interrupted_counts_as_all_the_parts_that_it_may_have_sent() -> None:
    assert balance(BEGUN, Interrupted(0, s(9))) == {"sim1": 1}
    assert balance(BEGUN, Interrupted(0, s(9), parts=3)) == {"sim1": 3}


def test_what_went_out_twice_counts_twice() -> None:
    late = AnsweredLate(0, V.TAKEN, s(7), "sim2", "9")
    assert balance(BEGUN, AGAIN, ELSEWHERE, LATE_TAKEN, replace(LOST_TOO, at=s(6)), late) == {"sim1": 1, "sim2": 1}


def test_a_call_is_charged_to_nobody() -> None:
    for events in (
        (AttemptStarted(0, s(1), "voice"),),
        (AttemptStarted(0, s(1), "voice"), AttemptAnswered(0, V.HEARD, s(2), parts=2)),
    ):
        assert not [action for action in after(*events, workflow=7)[1] if isinstance(action, Charge | Refund)]


def test_an_attempt_waits_for_a_device_before_its_first_and_before_each_later_try() -> None:
    assert [state for state in AttemptState if state.waits] == [AttemptState.QUEUED, AttemptState.REQUEUED]
