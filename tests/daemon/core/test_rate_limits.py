"""Token buckets, one for each who asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.rate_limits import KEPT, Buckets, Guesses


def taken(buckets: Buckets[str], key: str, now: float, tries: int = 200) -> int:
    return sum(buckets.take(key, now) for _ in range(tries))


def test_a_bucket_holds_its_burst_and_fills_at_its_rate() -> None:
    buckets: Buckets[str] = Buckets(30, 30)
    assert taken(buckets, "a", 1000.0) == 30
    assert taken(buckets, "a", 1000.1) == 3
    assert taken(buckets, "a", 1000.5) == 12
    assert taken(buckets, "a", 1010.0) == 30


def test_the_flood_of_one_takes_nothing_from_another() -> None:
    """There used to be one bucket for all: one client's flood gave everybody else status 1."""
    buckets: Buckets[str] = Buckets(30, 30)
    assert taken(buckets, "flood", 5.0, 10_000) == 30
    assert taken(buckets, "other", 5.0, 30) == 30


def test_a_rate_of_0_is_no_limit() -> None:
    assert taken(Buckets(0, 0), "a", 5.0) == 200


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_span_gets_more_than_its_burst_and_its_rate(gaps: list[float]) -> None:
    buckets: Buckets[str] = Buckets(2, 5)
    now, passed = 0.0, list[float]()
    for gap in gaps:
        now += gap
        passed += [now] * taken(buckets, "a", now, 3)
    for place, first in enumerate(passed):
        for count, last in enumerate(passed[place:], 1):
            assert count <= 5 + (last - first) * 2 + 1e-6


def empty(buckets: Buckets[int], keys: range, now: float) -> list[int]:
    """The keys whose buckets are known to be empty."""
    return [key for key in keys if not buckets.has(key, now)]


def test_buckets_are_bounded_and_those_that_were_used_last_are_kept() -> None:
    buckets: Buckets[int] = Buckets(1, 1)
    for key in range(3 * KEPT):
        assert buckets.take(key, 0.0)
    kept = empty(buckets, range(3 * KEPT), 0.5)
    assert KEPT // 2 < len(kept) <= KEPT
    assert kept == list(range(3 * KEPT))[-len(kept) :]


def test_buckets_that_are_full_are_forgotten_before_any_other() -> None:
    buckets: Buckets[int] = Buckets(1, 1)
    for key in range(KEPT):
        assert buckets.take(-1 - key, 0.0)
    for key in range(KEPT):
        assert buckets.take(key, 100.0)
    assert empty(buckets, range(KEPT), 100.5) == list(range(KEPT))


def tried(guesses: Guesses, place: str, name: str, now: float, tries: int = 100) -> int:
    """How many wrong secrets were looked at."""
    looked = 0
    for _ in range(tries):
        if guesses.may_try(place, name, now):
            guesses.wrong(place, name, now)
            looked += 1
    return looked


def test_a_secret_is_guessed_ten_times_at_once_and_then_every_three_seconds() -> None:
    guesses = Guesses()
    assert tried(guesses, "192.0.2.1", "acme", 0.0) == 10
    assert tried(guesses, "192.0.2.1", "acme", 2.9) == 0
    assert tried(guesses, "192.0.2.1", "acme", 3.1) == 1
    assert tried(guesses, "192.0.2.1", "acme", 3600.0) == 10


def test_guesses_at_many_names_are_limited_too() -> None:
    guesses = Guesses()
    assert sum(tried(guesses, "192.0.2.1", f"name{i}", 0.0, 1) for i in range(200)) == 30
    assert sum(tried(guesses, "192.0.2.1", f"other{i}", 10.0, 1) for i in range(200)) == 10


@pytest.mark.parametrize("place", ["192.0.2.1", "192.0.2.2"])
def test_who_knows_the_secret_is_not_refused_for_the_guesses_of_others(place: str) -> None:
    guesses = Guesses()
    guesses.right("192.0.2.1", "bolt")
    for i in range(200):
        tried(guesses, "192.0.2.1", f"name{i}", 0.0, 1)
    assert guesses.may_try(place, "bolt", 0.0)
    assert guesses.may_try(place, "acme", 0.0) == (place == "192.0.2.2")


def test_names_that_were_right_are_bounded() -> None:
    guesses = Guesses()
    for i in range(2 * KEPT):
        guesses.right("192.0.2.1", str(i))
        guesses.right("192.0.2.1", str(i))
    assert sum(tried(guesses, "192.0.2.1", f"wrong{i}", 0.0, 1) for i in range(200)) == 30
    known = [i for i in range(2 * KEPT) if guesses.may_try("192.0.2.1", str(i), 0.0)]
    assert known == list(range(KEPT, 2 * KEPT))


def test_a_name_that_was_made_up_is_not_kept_at_its_whole_length() -> None:
    """There used to be no limit: 60 kB for each wrong name, 4096 times, of somebody who has no credentials."""
    guesses = Guesses()
    assert tried(guesses, "place", "x" * 60_000, 0.0) == 10
    assert tried(guesses, "place", "x" * 60_000 + "y", 0.0) == 0
    assert tried(guesses, "place", "x" * 64 + "y", 0.0) == 0
    assert tried(guesses, "place", "x" * 63 + "y", 0.0) == 10
