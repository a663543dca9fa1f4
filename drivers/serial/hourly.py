"""A limit on what may happen too often: recovery steps, signs of a restart that are believed, warnings. Pure."""

from collections import deque

HOUR_S = 3600.0


class Hourly:
    """At most so many in any hour. To be used in the order of time: monotonic seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: deque[float] = deque()

    def allows(self, now: float) -> bool:
        while self._times and self._times[0] <= now - HOUR_S:
            self._times.popleft()
        return len(self._times) < self._most

    def add(self, now: float) -> None:
        self._times.append(now)

    @property
    def last(self) -> float:
        return self._times[-1] if self._times else float("-inf")
