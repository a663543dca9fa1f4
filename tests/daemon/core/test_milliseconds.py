"""The one unit of time."""

import pytest

from daemon.core.milliseconds import EPOCH, Ms, in_seconds, seconds


@pytest.mark.parametrize(
    ("count", "ms"),
    [(0, 0), (1, 1000), (0.0004, 0), (0.0006, 1), (-1.5, -1500), (1_800_000_000.001, 1_800_000_000_001)],
)
def test_seconds_become_the_nearest_whole_milliseconds(count: float, ms: int) -> None:
    assert seconds(count) == Ms(ms)


@pytest.mark.parametrize(("span", "count"), [(Ms(0), 0.0), (Ms(1), 0.001), (Ms(125_000), 125.0)])
def test_milliseconds_become_seconds(span: Ms, count: float) -> None:
    assert in_seconds(span) == count


def test_time_begins_at_the_epoch() -> None:
    assert seconds(0) == EPOCH
