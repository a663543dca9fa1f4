"""The wheel against brute force: nothing early, nothing twice, nothing lost."""

import random

import pytest

from daemon.core.milliseconds import Ms
from daemon.core.wheel import Wheel


class Rows:
    """What a database would hold: row id -> when it is due."""

    def __init__(self) -> None:
        self.due: dict[int, Ms] = {}

    def load(self, wheel: Wheel) -> None:
        start, end = wheel.extend()
        for row, due in sorted(self.due.items(), key=lambda item: int(item[1])):
            if start <= due < end:
                wheel.set(due, row)


def test_a_timer_fires_at_the_end_of_its_tick_and_not_before() -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    wheel.extend()
    wheel.set(Ms(1101), 7)
    assert wheel.expire(Ms(1149)) == []
    assert wheel.expire(Ms(1150)) == [7]
    assert wheel.expire(Ms(1150)) == []


def test_a_timer_beyond_the_edge_is_left_to_the_database() -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    assert wheel.extend() == (Ms(951), Ms(1351))
    assert not wheel.set(Ms(1351), 7)
    assert wheel.set(Ms(1350), 8)


def test_a_timer_of_the_past_fires_at_once() -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    wheel.extend()
    wheel.set(Ms(5), 7)
    assert wheel.next(Ms(2000)) == Ms(1000)
    assert wheel.expire(Ms(1000)) == [7]


def test_an_idle_wheel_names_the_time_it_was_asked_about() -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    wheel.extend()
    assert wheel.next(Ms(1300)) == Ms(1300)
    assert wheel.next(Ms(99_000)) == Ms(99_000)


@pytest.mark.parametrize(
    ("until", "told"), [(1199, 1199), (1200, 1200), (1249, 1249), (1250, 1250), (1299, 1250), (2000, 1250)]
)
def test_the_next_timer_is_named_and_none_that_is_later_than_was_asked(until: int, told: int) -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    wheel.extend()
    wheel.set(Ms(1250), 7)
    assert wheel.next(Ms(until)) == Ms(told)


def test_the_last_timer_before_the_edge_is_named_too() -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    _, edge = wheel.extend()
    wheel.set(edge - Ms(1), 7)
    assert wheel.next(Ms(2000)) == edge - Ms(1)


def test_what_is_loaded_when_it_is_due_fires_at_once() -> None:
    wheel = Wheel(Ms(0), tick=Ms(50), slots=8)
    wheel.extend()
    assert wheel.expire(Ms(400)) == []
    wheel.extend()
    wheel.set(Ms(400), 7)
    assert wheel.expire(Ms(400)) == [7]


def test_the_wheel_wants_more_once_half_of_it_has_passed() -> None:
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    wheel.extend()
    assert not wheel.half_empty(Ms(1200))
    assert wheel.half_empty(Ms(1250))


@pytest.mark.parametrize("seed", range(40))
def test_random_timers_suspends_and_cancels_against_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    rows, wheel, now, fired = Rows(), Wheel(Ms(0), tick=Ms(10), slots=16), Ms(0), dict[int, Ms]()
    rows.load(wheel)
    expected: dict[int, Ms] = {}
    for row in range(300):
        due = now + Ms(rng.randrange(0, 600))
        rows.due[row] = expected[row] = due
        wheel.set(due, row)
        if rng.random() < 0.2 and rows.due:
            cancelled = rng.choice(sorted(rows.due))
            del rows.due[cancelled], expected[cancelled]
        now += Ms(rng.choice([0, 1, 3, 7, 15, 400 if rng.random() < 0.05 else 2]))
        _turn(wheel, rows, now, fired)
    for _ in range(200):
        now += Ms(10)
        _turn(wheel, rows, now, fired)
    assert fired.keys() == expected.keys()
    assert all(fired[row] >= expected[row] for row in expected)


def _turn(wheel: Wheel, rows: Rows, now: Ms, fired: dict[int, Ms]) -> None:
    """As the engine does: expire, extend, look at the row."""
    hints = wheel.expire(now)
    while wheel.half_empty(now):
        rows.load(wheel)
        hints += wheel.expire(now)
    for row in hints:
        if rows.due.get(row, now + Ms(1)) <= now:
            del rows.due[row]
            fired[row] = now


def test_a_clock_that_steps_back_fires_nothing_twice_and_loses_nothing() -> None:
    """There used to be no test of it: a timer that was set for a tick of the past could be lost."""
    wheel = Wheel(Ms(1000), tick=Ms(50), slots=8)
    wheel.extend()
    wheel.set(Ms(1100), 1)
    assert wheel.expire(Ms(1200)) == [1]
    assert wheel.expire(Ms(1050)) == []
    assert wheel.set(Ms(1100), 2)  # due by now, in a tick that has gone
    assert wheel.next(Ms(1400)) == Ms(1250)
    assert wheel.expire(Ms(1100)) == []
    assert wheel.expire(Ms(1250)) == [2]
    assert wheel.expire(Ms(1300)) == []


def test_a_slot_that_has_fired_is_empty_one_revolution_later() -> None:
    """There used to be no test of it: what had fired would have fired again with each revolution."""
    wheel = Wheel(Ms(0), tick=Ms(50), slots=8)
    wheel.extend()
    for row, due in enumerate((0, 50, 100, 350)):
        wheel.set(Ms(due), row)
    assert wheel.expire(Ms(399)) == [0, 1, 2, 3]
    wheel.extend()
    assert wheel.next(Ms(750)) == Ms(750)
    assert wheel.expire(Ms(790)) == []


def test_a_stall_longer_than_the_wheel_fires_all_of_it_once_and_the_rest_when_it_is_loaded() -> None:
    wheel = Wheel(Ms(1_000_000), tick=Ms(50), slots=8)
    wheel.extend()
    wheel.set(Ms(1_000_100), 1)
    assert wheel.expire(Ms(1_009_000)) == [1]
    assert wheel.half_empty(Ms(1_009_000))
    since, until = wheel.extend()
    assert since < until
    assert wheel.set(until - Ms(1), 2)
    assert wheel.expire(Ms(1_009_000)) == [2]
    assert not wheel.set(until, 3)
