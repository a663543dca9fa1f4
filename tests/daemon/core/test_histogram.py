"""How observations are distributed."""

from daemon.core.histogram import Histogram


def test_an_observation_counts_below_the_first_bound_that_it_does_not_exceed() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5, 99.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 2], 106.5)


def test_a_copy_does_not_change_any_more() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.5)
    copy = histogram.copy()
    histogram.observe(0.5)
    assert copy == Histogram((1.0, 2.0), [0, 1, 0], 1.5)
