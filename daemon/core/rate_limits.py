"""Limits on how often somebody may do something: a token bucket each, so that nobody uses up another's share.

Pure: times are arguments, monotonic seconds. A bucket is one number, the time at which it would be full again (GCRA, as
ATM networks police cells); one that is full is not kept.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

KEPT = 4096  # buckets that are not full
NAME = 64  # characters of a name that count: guessed names can have any length

K = TypeVar("K", bound=Hashable)


class Buckets(Generic[K]):
    """By key: `rate` a second, and `burst` at once. A rate of 0 is no limit."""

    def __init__(self, rate: float, burst: float) -> None:
        self._interval_s = 1 / rate if rate else 0.0
        self._span_s = (burst - 1) * self._interval_s
        self._full_at: dict[K, float] = {}

    def take(self, key: K, now: float) -> bool:
        """Take a token; False if there is none."""
        if not self.has(key, now):
            return False
        if self._interval_s:
            self._full_at[key] = max(self._full_at.pop(key, now), now) + self._interval_s
            if len(self._full_at) > KEPT:
                self._forget(now)
        return True

    def has(self, key: K, now: float) -> bool:
        """Whether there is a token to take."""
        return not self._interval_s or self._full_at.get(key, now) - now <= self._span_s

    def _forget(self, now: float) -> None:
        """The buckets that are full, and a quarter of those that have not been used for longest."""
        left = [(key, full_at) for key, full_at in self._full_at.items() if full_at > now]
        self._full_at = dict(left[max(len(left) - KEPT * 3 // 4, 0) :])


class Guesses:
    """Wrong secrets: how many may come from one place, for one name and in all.

    A name that has given its right secret from there is not refused for the others' guesses.
    """

    def __init__(self) -> None:
        self._by_name: Buckets[tuple[str, str]] = Buckets(1 / 3, 10)
        self._by_place: Buckets[str] = Buckets(1, 30)
        self._good: dict[tuple[str, str], None] = {}

    def may_try(self, place: str, name: str, now: float) -> bool:
        """Whether a secret is looked at."""
        known = _key(place, name) in self._good
        return self._by_name.has(_key(place, name), now) and (known or self._by_place.has(place, now))

    def wrong(self, place: str, name: str, now: float) -> None:
        """The secret was wrong."""
        self._by_name.take(_key(place, name), now)
        self._by_place.take(place, now)

    def right(self, place: str, name: str) -> None:
        """The secret was right."""
        if _key(place, name) not in self._good:
            self._good[_key(place, name)] = None
            if len(self._good) > KEPT:
                del self._good[next(iter(self._good))]


def _key(place: str, name: str) -> tuple[str, str]:
    return place, name[:NAME]
