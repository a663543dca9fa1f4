"""How many calls there may be, and how soon one after the other; the clock is in the hand."""

import pytest

from daemon.lanes.voice.lines import Lines


def test_calls_begin_so_many_a_second_and_a_pause_saves_nothing_up() -> None:
    lines, now = Lines(100, a_second=4), 10.0
    lines.take(now)
    assert lines.wait_s(now) == 0.25
    assert lines.wait_s(now + 0.25) == 0
    now += 60
    lines.take(now)
    assert lines.wait_s(now) == 0.25


def test_while_all_lines_are_busy_none_begins_however_long_it_waits() -> None:
    lines = Lines(2, a_second=100)
    lines.take(1.0)
    lines.take(1.1)
    assert lines.wait_s(1000.0) == float("inf")
    lines.free()
    assert lines.wait_s(1000.0) == 0


def test_a_rest_ends_by_itself_and_never_shortens_the_pace() -> None:
    lines = Lines(2, a_second=0.5)
    lines.rest(5.0)
    assert lines.wait_s(4.0) == 1.0
    lines.take(5.0)
    lines.rest(6.0)
    assert lines.wait_s(5.0) == pytest.approx(2.0)
