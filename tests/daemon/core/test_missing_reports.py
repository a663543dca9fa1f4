"""When delivery reports have stopped."""

import pytest

from daemon.core.missing_reports import Reporting


def reporting(messages: int, at: float = 100.0) -> Reporting:
    made = Reporting()
    for _ in range(messages):
        made.taken(at)
    return made


@pytest.mark.parametrize(("messages", "after_s", "unreported"), [(9, 999, 0), (10, 59, 0), (10, 60, 10), (25, 60, 25)])
def test_ten_messages_of_more_than_a_minute_ago_without_a_report_are_told(
    messages: int, after_s: float, unreported: int
) -> None:
    assert reporting(messages).unreported(100 + after_s) == unreported


def test_any_report_ends_it() -> None:
    one = reporting(25)
    one.reported()
    assert one.unreported(200) == 0
    for _ in range(10):
        one.taken(300)
    assert (one.unreported(359), one.unreported(360)) == (0, 10)


def test_the_minute_is_counted_from_the_tenth_message() -> None:
    one = Reporting()
    for second in range(10):
        one.taken(100 + second)
    assert (one.unreported(168.9), one.unreported(169)) == (0, 10)


def test_later_messages_put_nothing_off() -> None:
    one = reporting(10)
    one.taken(159)
    assert one.unreported(160) == 11
