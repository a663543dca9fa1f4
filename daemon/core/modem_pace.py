"""How long a modem takes for a message: running quantiles of its last ones, a part at a time.

Pure: times are arguments, monotonic seconds. Two figures are wanted. A message is sent where the slowest of the last
would bring it in time. It is dropped only where the median of the last minute would not, so that one slow message does
not cost the others behind it, and a modem that was too slow for every PIN is tried again.
"""

from collections import deque
from dataclasses import dataclass, field

LAST = 5  # messages that count
SLOW_COUNTS_S = 600.0
USUAL_COUNTS_S = 60.0


@dataclass(slots=True)
class Pace:
    """One modem's. Messages are counted in the order of time."""

    _taken: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=LAST))  # when, seconds a part

    def took(self, now: float, seconds: float, parts: int) -> None:
        """The network took a message of so many parts."""
        self._taken.append((now, seconds / parts))

    def took_in_vain(self, now: float, seconds: float) -> None:
        """A message ended otherwise: it would have taken no less."""
        if seconds > self.slow_s(now):
            self.took(now, seconds, 1)

    def slow_s(self, now: float) -> float:
        """For a part, by the slowest of the last; 0 while nothing is known."""
        return max(self._since(now - SLOW_COUNTS_S), default=0.0)

    def usual_s(self, now: float) -> float:
        """For a part, by the median of the last; 0 while nothing is known."""
        taken = sorted(self._since(now - USUAL_COUNTS_S))
        return taken[(len(taken) - 1) // 2] if taken else 0.0

    def _since(self, start: float) -> list[float]:
        return [seconds for at, seconds in self._taken if at > start]
