"""The wheel against brute force: nothing early, nothing twice, nothing lost."""

import random

import pytest

from daemon.core.wheel import Wheel


class Rows:
    """What a database would hold: row id -> due_ms."""

    def __init__(self) -> None:
        self.due: dict[int, int] = {}

    def load(self, wheel: Wheel) -> None:
        start, end = wheel.extend()
        for row, due_ms in sorted(self.due.items(), key=lambda item: item[1]):
            if start <= due_ms < end:
                wheel.set(due_ms, row)


def test_a_timer_fires_at_the_end_of_its_tick_and_not_before() -> None:
    wheel = Wheel(1000, tick_ms=50, slots=8)
    wheel.extend()
    wheel.set(1101, 7)
    assert wheel.expire(1149) == []
    assert wheel.expire(1150) == [7]
    assert wheel.expire(1150) == []


def test_a_timer_beyond_the_edge_is_left_to_the_database() -> None:
    wheel = Wheel(1000, tick_ms=50, slots=8)
    assert wheel.extend() == (951, 1351)
    assert not wheel.set(1351, 7)
    assert wheel.set(1350, 8)


def test_a_timer_of_the_past_fires_at_once() -> None:
    wheel = Wheel(1000, tick_ms=50, slots=8)
    wheel.extend()
    wheel.set(5, 7)
    assert wheel.next_ms(2000) == 1000
    assert wheel.expire(1000) == [7]


def test_an_idle_wheel_names_the_time_it_was_asked_about() -> None:
    wheel = Wheel(1000, tick_ms=50, slots=8)
    wheel.extend()
    assert wheel.next_ms(1300) == 1300
    assert wheel.next_ms(99_000) == 99_000


def test_the_wheel_wants_more_once_half_of_it_has_passed() -> None:
    wheel = Wheel(1000, tick_ms=50, slots=8)
    wheel.extend()
    assert not wheel.half_empty(1200)
    assert wheel.half_empty(1250)


@pytest.mark.parametrize("seed", range(40))
def test_random_timers_suspends_and_cancels_against_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    rows, wheel, now, fired = Rows(), Wheel(0, tick_ms=10, slots=16), 0, dict[int, int]()
    rows.load(wheel)
    expected: dict[int, int] = {}
    for row in range(300):
        due_ms = now + rng.randrange(0, 600)
        rows.due[row] = expected[row] = due_ms
        wheel.set(due_ms, row)
        if rng.random() < 0.2 and rows.due:
            cancelled = rng.choice(sorted(rows.due))
            del rows.due[cancelled], expected[cancelled]
        now += rng.choice([0, 1, 3, 7, 15, 400 if rng.random() < 0.05 else 2])
        _turn(wheel, rows, now, fired)
    for _ in range(200):
        now += 10
        _turn(wheel, rows, now, fired)
    assert fired.keys() == expected.keys()
    assert all(fired[row] >= expected[row] for row in expected)


def _turn(wheel: Wheel, rows: Rows, now: int, fired: dict[int, int]) -> None:
    """As the engine does: expire, extend, look at the row."""
    hints = wheel.expire(now)
    while wheel.half_empty(now):
        rows.load(wheel)
        hints += wheel.expire(now)
    for row in hints:
        if rows.due.get(row, now + 1) <= now:
            del rows.due[row]
            fired[row] = now
