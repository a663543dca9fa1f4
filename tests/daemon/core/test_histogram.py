"""Histograms: how observations are distributed."""

from itertools import pairwise

from daemon.core.histogram import LATENESS_S, Histogram


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
    assert (copy.counts, copy.total) == ([0, 1, 0], 1.5)
    assert copy.copy() == copy != histogram


def test_what_others_have_observed_is_added() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.5)
    histogram.add((3, 1, 0), 4.0)
    assert (histogram.counts, histogram.total) == ([3, 2, 0], 5.5)


def test_what_should_take_milliseconds_is_told_apart_from_one_to_two_and_a_half_thousand() -> None:
    assert (LATENESS_S[0], LATENESS_S[-1]) == (0.001, 2.5)
    assert all(1 < larger / smaller <= 5 for smaller, larger in pairwise(LATENESS_S))
