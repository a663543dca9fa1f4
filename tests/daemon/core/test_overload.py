"""When the modems are overloaded, and how many would do."""

import pytest

from daemon.core.overload import Load


def load(sent: int, dropped: int, *, working: int = 1) -> Load:
    """So many messages of each kind, all of them at 100."""
    made = Load()
    for _ in range(sent):
        made.sent(100)
    for _ in range(dropped):
        made.dropped(100, working)
    return made


def test_as_long_as_nothing_is_dropped_there_is_no_overload() -> None:
    assert Load().overload(0) is None
    assert load(50, 0).overload(100) is None


@pytest.mark.parametrize(
    ("sent", "dropped", "working", "text"),
    [
        (39, 21, 1, "overloaded: 21 dropped, 2 modems would do"),
        (10, 1, 1, "overloaded: 1 dropped, 2 modems would do"),
        (10, 30, 1, "overloaded: 30 dropped, 4 modems would do"),
        (20, 10, 3, "overloaded: 10 dropped, 5 modems would do"),
        (0, 7, 2, "overloaded: 7 dropped, no number of modems would do"),
    ],
)
def test_an_operator_reads_how_many_modems_would_do(sent: int, dropped: int, working: int, text: str) -> None:
    assert str(load(sent, dropped, working=working).overload(100)) == text


def test_an_overload_is_over_after_a_minute_without_a_dropped_message() -> None:
    one = load(10, 3)
    assert one.overload(159) is not None
    assert one.overload(160) is None


def test_a_new_overload_is_counted_from_its_own_start() -> None:
    one = load(10, 3)
    one.dropped(150, 1)
    assert str(one.overload(150)).startswith("overloaded: 4 dropped")
    one.dropped(500, 1)
    assert str(one.overload(500)).startswith("overloaded: 1 dropped")


def test_what_was_sent_more_than_five_minutes_ago_says_nothing_of_the_modems_needed() -> None:
    one = load(100, 1)
    one.sent(399)
    one.dropped(400, 1)
    assert str(one.overload(400)) == "overloaded: 1 dropped, 2 modems would do"


@pytest.mark.parametrize(("at", "wanted"), [(399.9, "2 modems"), (400.0, "no number of modems")])
def test_what_was_sent_counts_for_five_minutes(at: float, wanted: str) -> None:
    one = load(10, 0)
    one.dropped(at, 1)
    assert str(one.overload(at)) == f"overloaded: 1 dropped, {wanted} would do"
