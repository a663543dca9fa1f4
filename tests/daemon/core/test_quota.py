"""What a SIM may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.milliseconds import DAY, Ms
from daemon.core.milliseconds import seconds as s
from daemon.core.quota import HOUR, MONTH, Limits, Quota, Used

AT = s(1_800_000_000)


def quota(*sent: tuple[int, str], **limits: int) -> Quota:
    made = Quota(Limits(**limits))
    for ago_s, number in sent:
        made.charge(AT - s(ago_s), number)
    return made


def test_without_limits_everything_may_be_sent() -> None:
    assert quota((1, "a"), (0, "b")).allows(AT, "c")


@pytest.mark.parametrize(("limit", "span"), [("hourly", s(3600)), ("daily", s(24 * 3600))])
def test_a_limit_holds_until_its_oldest_message_has_left_the_window(limit: str, span: Ms) -> None:
    full = quota((10, "a"), (5, "b"), **{limit: 2})
    assert not full.allows(AT, "a")
    assert not full.allows(AT - s(10) + span - Ms(1), "a")
    assert full.allows(AT - s(10) + span, "a")


def test_a_known_recipient_is_served_when_no_new_one_is() -> None:
    full = quota((100, "a"), (50, "b"), (20, "a"), monthly_recipients=2)
    assert full.allows(AT, "a")
    assert not full.allows(AT, "c")


def test_a_recipient_counts_for_a_month_after_the_last_message() -> None:
    full = quota((100, "a"), (50, "b"), (20, "a"), monthly_recipients=2)
    assert not full.allows(AT - s(50) + s(30 * 24 * 3600) - Ms(1), "c")
    assert full.allows(AT - s(50) + s(30 * 24 * 3600), "c")


def test_what_was_used_is_told() -> None:
    assert quota((24 * 3600 + 1, "a"), (3600 + 1, "b"), (1, "b"), monthly_recipients=9).used(AT) == Used(1, 2, 2)
    assert quota((1, "b")).used(AT) == Used(1, 1, 0)


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("hourly", "the hourly limit"),
        ("daily", "the daily limit"),
        ("monthly_recipients", "the monthly limit of new recipients"),
    ],
)
def test_the_limit_that_is_reached_is_named(limit: str, told: str) -> None:
    assert quota((1, "a"), **{limit: 1}).full(AT) == told
    assert quota((1, "a"), **{limit: 2}).full(AT) == ""


def test_what_is_reserved_counts_already() -> None:
    one = quota(hourly=1)
    one.reserve("a")
    assert not one.allows(AT, "b")
    one.release("a")
    assert one.allows(AT, "b")
    one.release("a")  # it was charged, or released, before
    one.reserve("b")
    one.charge(AT, "b")
    assert (one.used(AT), one.allows(AT, "a")) == (Used(1, 1, 0), False)


def test_each_part_of_a_message_counts() -> None:
    one = quota(daily=3, monthly_recipients=2)
    one.reserve("a")
    one.charge(AT, "a")
    one.charge(AT, "a", 2)
    assert one.used(AT) == Used(3, 3, 1)
    assert not one.allows(AT, "a")


def test_a_new_recipient_that_is_reserved_is_one_of_the_months() -> None:
    one = quota((1, "a"), monthly_recipients=2)
    one.reserve("a")
    assert one.used(AT) == Used(2, 2, 1)
    one.reserve("b")
    assert one.used(AT) == Used(3, 3, 2)
    assert [one.allows(AT, number) for number in "abc"] == [True, True, False]


def test_a_refund_takes_the_last_message_to_its_recipient() -> None:
    """There used to be another one taken: the last that was counted, and the recipient stayed known."""
    one = quota((3601, "b"), (10, "a"), (5, "b"), (0, "a"), hourly=9, monthly_recipients=9)
    one.refund("b")
    assert one.used(AT) == Used(2, 3, 2)
    one.refund("b")
    assert one.used(AT) == Used(2, 2, 1)
    one.refund("a", 2)
    one.refund("a")  # more than there was
    assert one.used(AT) == Used(0, 0, 0)


numbers = st.sampled_from("abc")
spent = st.tuples(st.just("charge"), numbers, st.integers(1, 3), st.integers(0, 400_000_000))


@given(st.lists(spent | st.tuples(st.just("refund"), numbers, st.integers(1, 3), st.just(0)), max_size=40))
def test_the_quota_in_memory_is_what_the_rows_say(story: list[tuple[str, str, int, int]]) -> None:
    """The quota in memory used to be counted separately, with guesses that were undone later."""
    one, rows, now = Quota(Limits(monthly_recipients=9)), list[tuple[Ms, str]](), AT
    for kind, number, count, pause in story:
        now = now + Ms(pause)
        if kind == "charge":
            one.charge(now, number, count)
            rows += [(now, number)] * count
            continue
        one.refund(number, count)
        for _ in range(count):
            newest = max((place for place, row in enumerate(rows) if row[1] == number), default=None)
            if newest is not None:
                del rows[newest]
    within = [[number for at, number in rows if at > now - span] for span in (HOUR, DAY, MONTH)]
    assert one.used(now) == Used(len(within[0]), len(within[1]), len(set(within[2])))
