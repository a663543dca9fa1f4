"""When an operator gets an alert."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.alerting import (
    MOST_LETTERS,
    MOST_TRIES,
    OVER,
    AlertMessage,
    Alerts,
    Missed,
    Rules,
    Trouble,
    acknowledged,
    addressees,
    looked,
    missed_by,
    read,
    went_out,
    written,
)
from daemon.core.milliseconds import Ms, seconds
from daemon.core.phrases import Announcement

RULES = Rules(seconds(300), seconds(3600), 5)
MODEM = Trouble("modem-absent", "sim1", "modem sim1 is absent: no such port")
TRUNK = Trouble("trunk", "[voice]", "voice is waiting: no answer")


class Operator:
    """Looks at the times given, and takes each message."""

    def __init__(self) -> None:
        self.alerts = Alerts()

    def look(self, at_s: int, *troubles: Trouble, taken: bool = True) -> str | None:
        self.alerts, message = looked(self.alerts, troubles, seconds(at_s), RULES)
        if message is not None and taken:
            self.alerts = went_out(self.alerts, message, seconds(at_s))
        return message.text if message is not None else None


def test_an_alert_comes_when_trouble_has_lasted_and_again_while_it_stays() -> None:
    operator = Operator()
    assert [operator.look(at, MODEM) for at in (0, 299)] == [None, None]
    assert operator.look(300, MODEM) == MODEM.text
    assert [operator.look(at, MODEM) for at in (301, 3899)] == [None, None]
    assert operator.look(3900, MODEM) == MODEM.text
    worse = Trouble(MODEM.name, MODEM.subject, "modem sim1 is absent: no SIM")
    assert operator.look(7500, worse) == worse.text


def test_trouble_that_comes_and_goes_is_one_trouble() -> None:
    operator = Operator()
    assert [operator.look(at, *[MODEM] * (at % 20 == 0)) for at in range(0, 300, 10)] == [None] * 30
    assert operator.look(300, MODEM) == MODEM.text
    assert [operator.look(at, *[MODEM] * (at % 20 == 0)) for at in range(310, 3000, 10)] == [None] * 269


@given(st.lists(st.integers(0, 10**15 - 1).map(Ms)))
def test_what_was_sent_can_be_written_down_and_read(sent: list[Ms]) -> None:
    assert read(written(sent)) == tuple(sent)


def test_what_is_no_time_is_left_out() -> None:
    assert read(f"{written([Ms(5), Ms(0)])} -1 x {'9' * 5000} 7") == (Ms(5), Ms(0), Ms(7))


@given(st.text())
def test_whatever_is_read_is_times(text: str) -> None:
    assert read(f"{text} {'9' * 5000} ٧ -1 7")[-1:] == (Ms(7),)


def test_times_that_a_clock_gave_that_was_wrong_do_not_count() -> None:
    """A clock that once stood in the year 2099 would else forbid alerts until then."""
    known, message = looked(Alerts(sent=(seconds(10**9),) * RULES.a_day), [MODEM], seconds(1000), RULES)
    assert (known.sent, message) == ((), None)


def test_short_trouble_makes_no_alert() -> None:
    operator = Operator()
    assert operator.look(0, MODEM) is None
    assert [operator.look(at) for at in (10, 300, 310, 1000)] == [None] * 4
    assert operator.alerts == Alerts()


def test_the_end_of_trouble_makes_one_alert() -> None:
    operator = Operator()
    operator.look(0, MODEM, TRUNK)
    assert operator.look(300, MODEM, TRUNK) == f"{MODEM.text}; {TRUNK.text}"
    assert [operator.look(at, TRUNK) for at in (400, 700)] == [None, None]
    assert [operator.look(at) for at in (710, 1009)] == [None, None]
    assert operator.look(1010) == "all is well again"
    assert operator.look(1020) is None


def test_an_alert_is_about_what_has_lasted_and_no_other_trouble() -> None:
    before, _ = looked(Alerts(), [MODEM], seconds(0), RULES)
    alerts, message = looked(before, [MODEM, TRUNK], seconds(300), RULES)
    assert message == AlertMessage(MODEM.text, Announcement.TROUBLE, frozenset({(MODEM.name, MODEM.subject)}))
    after = went_out(alerts, message, seconds(300))
    assert [(each.trouble, each.alerted) for each in after.alerted] == [(MODEM, seconds(300))]


def test_a_message_that_nobody_took_is_tried_again() -> None:
    operator = Operator()
    operator.look(0, MODEM)
    assert operator.look(300, MODEM, taken=False) == MODEM.text
    assert operator.look(360, MODEM) == MODEM.text


def test_what_the_operator_knows_makes_no_alert_until_it_has_come_back() -> None:
    operator = Operator()
    operator.look(0, MODEM)
    operator.look(300, MODEM)
    operator.alerts = acknowledged(operator.alerts)
    assert operator.look(5000, MODEM) is None
    operator.look(5010)
    assert operator.look(5310) == "all is well again"
    operator.look(6000, MODEM)
    assert operator.look(6300, MODEM) == MODEM.text


def test_a_message_says_what_fits_and_counts_the_rest() -> None:
    operator = Operator()
    many = [Trouble("modem-absent", f"sim{i}", f"modem sim{i} is absent: no such port") for i in range(9)]
    operator.look(0, *many)
    text = operator.look(300, *many) or ""
    assert text.endswith("; 6 more")
    assert len(text) <= 160 - len("x" * 20 + ": ")
    long = Operator()
    long.look(0, Trouble("x", "", "x" * 500))
    assert long.look(300, Trouble("x", "", "x" * 500)) == "x" * MOST_LETTERS


@pytest.mark.parametrize(("second", "shown"), [("b" * 61, "; " + "b" * 61), ("b" * 62, "; 1 more")])
def test_two_troubles_fill_a_message_to_its_last_letter(second: str, shown: str) -> None:
    operator = Operator()
    both = Trouble("x", "", "a" * 62), Trouble("y", "", second)
    operator.look(0, *both)
    assert operator.look(300, *both) == "a" * 62 + shown


def test_a_message_knows_its_devices() -> None:
    assert AlertMessage("x", Announcement.TROUBLE, frozenset({("a", "sim1"), ("b", "")})).subjects == {"sim1", ""}


@given(st.lists(st.tuples(st.integers(1, 4000), st.sets(st.sampled_from([MODEM, TRUNK]))), max_size=120))
def test_no_day_has_more_messages_than_the_rules_allow(looks: list[tuple[int, set[Trouble]]]) -> None:
    operator, now, sent = Operator(), 0, list[int]()
    for wait, troubles in looks:
        now += wait
        if operator.look(now, *troubles) is not None:
            sent.append(now)
    assert all(later - sooner >= 86_400 for sooner, later in zip(sent, sent[RULES.a_day :], strict=False))


def test_a_day_that_has_all_its_messages_gets_no_more_before_its_end() -> None:
    operator = Operator()
    times = [at for at in range(0, 90_000, 100) if operator.look(at, MODEM) is not None]
    assert times == [300, 3900, 7500, 11_100, 14_700, 86_700]


@pytest.mark.parametrize("after", [0, 1])
def test_messages_of_more_than_a_day_ago_count_no_more(after: int) -> None:
    alerts = Alerts(sent=(Ms(0),) * RULES.a_day)
    known, _ = looked(alerts, [], Ms(86_399_999 + after), RULES)
    assert len(known.sent) == RULES.a_day * (1 - after)


ONE, TWO, WELL = (
    AlertMessage("x", Announcement.TROUBLE, frozenset({("a", "")})),
    AlertMessage("y", Announcement.TROUBLE, frozenset({("a", ""), ("b", "")})),
    OVER,
)


def tried(message: AlertMessage, *, due: bool, reached: set[str], until_s: int) -> list[tuple[int, tuple[str, ...]]]:
    """When A and B are tried, where these are reached; due: the message is due until somebody was."""
    missed: Missed | None = None
    tries, first = [], True
    for now in range(0, until_s, 10):
        told = message if (due and first) or (not due and now == 0) else None
        found, numbers = addressees(told, missed, ("A", "B"), seconds(now))
        if found is not None and numbers:
            tries.append((now, numbers))
            left = [number for number in numbers if number not in reached]
            first = first and len(left) == len(numbers)
            missed = missed_by(found, left, len(left) < len(numbers), missed, seconds(now), RULES)
    return tries


def test_who_got_a_message_gets_it_once_and_who_did_not_is_tried_more_and_more_seldom_and_then_given_up() -> None:
    tries = tried(ONE, due=True, reached={"A"}, until_s=40_000)
    assert tries[:5] == [(0, ("A", "B")), (60, ("B",)), (180, ("B",)), (420, ("B",)), (900, ("B",))]
    assert len(tries) == MOST_TRIES == 8
    assert tried(ONE, due=True, reached={"A", "B"}, until_s=4000) == tries[:1]


def test_trouble_that_nobody_heard_of_is_never_given_up_but_pauses_become_long() -> None:
    times = [at for at, _ in tried(ONE, due=True, reached=set(), until_s=40_000)]
    assert times[:5] == [0, 60, 180, 420, 900]
    assert {later - sooner for sooner, later in pairwise(times[7:])} == {3600}


def test_the_end_of_trouble_is_said_later_where_nobody_took_it() -> None:
    assert len(tried(WELL, due=False, reached=set(), until_s=40_000)) == MOST_TRIES
    assert len(tried(ONE, due=False, reached=set(), until_s=40_000)) == 1


def test_new_trouble_is_tried_from_the_beginning() -> None:
    """There used to be no test of it: the tries of what was missed before could count for it."""
    before = Missed(ONE, ("A",), 7, Ms(0), True)
    assert missed_by(TWO, ["A"], False, before, Ms(0), RULES) == Missed(TWO, ("A",), 1, Ms(60_000), False)
    assert missed_by(ONE, ["A"], False, before, Ms(0), RULES) is None
    assert missed_by(ONE, [], True, None, Ms(0), RULES) is None


def test_new_trouble_and_the_end_of_it_wait_for_no_pause() -> None:
    missed = missed_by(ONE, ["A"], True, None, Ms(0), RULES)
    for message, expected in ((ONE, None), (TWO, TWO), (WELL, WELL)):
        assert addressees(message, missed, ["A"], Ms(1))[0] == expected
    assert addressees(None, missed, ["C"], seconds(60)) == (ONE, ())
    assert "'A'" not in repr(missed)
