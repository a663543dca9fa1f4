"""Recipients whom the network did not take."""

import pytest

from daemon.core.held_recipients import Holds


def held(times: int, at: float = 100.0) -> Holds:
    """ "a" was not taken so many times, the last time at `at`."""
    holds = Holds()
    for _ in range(times):
        holds.deferred("a", at, "CMS 38")
    return holds


@pytest.mark.parametrize(
    ("times", "busy_s", "idle_s"), [(1, 2, 2), (2, 4, 4), (3, 15, 4), (4, 30, 4), (5, 30, 4), (99, 30, 4)]
)
def test_a_recipient_is_held_longer_each_time_and_less_long_while_nothing_else_waits(
    times: int, busy_s: float, idle_s: float
) -> None:
    """There used to be an end after six times, whatever the life of the PIN, and holds of up to a minute."""
    holds = held(times)
    assert holds.wait_s("a", 100, idle=False) == busy_s
    assert holds.wait_s("a", 100, idle=True) == idle_s


def test_a_hold_ends_with_time_and_holds_nobody_else() -> None:
    holds = held(1)
    assert holds.wait_s("a", 100.5, idle=False) == 1.5
    assert holds.wait_s("a", 102, idle=False) == 0
    assert holds.wait_s("b", 100, idle=False) == 0


@pytest.mark.parametrize("uptime_s", [100.0, 10_000_000.0])
def test_how_often_and_why_is_known_however_long_the_daemon_runs(uptime_s: float) -> None:
    hold = held(3, at=uptime_s).hold("a")
    assert hold is not None
    assert (hold.times, hold.why) == (3, "CMS 38")
    assert held(3).hold("b") is None


def test_a_message_that_was_taken_ends_the_count() -> None:
    holds = held(3)
    assert holds
    holds.taken("a")
    holds.taken("b")
    assert not holds
    assert holds.wait_s("a", 100, idle=False) == 0


def test_what_is_more_than_an_hour_past_does_not_count() -> None:
    holds = held(3, at=100)
    holds.deferred("b", 3700, "CMS 38")
    assert holds.hold("a") is None


def test_no_number_shows() -> None:
    assert "447700900123" not in repr(Holds({"447700900123": held(1).hold("a")}))  # type: ignore[dict-item]
