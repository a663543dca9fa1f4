"""Pauses before a part that ended is started again: twice as long each time, until it has worked for a while. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """In seconds. worked_s: what has worked for so long is started again after the first pause."""

    first_s: float
    longest_s: float = 30.0
    worked_s: float = 10.0
    _pause_s: float = 0.0

    def pause(self, worked_s: float) -> float:
        """It ended after it had worked for so long: the pause before the next try."""
        fresh = worked_s >= self.worked_s or not self._pause_s
        self._pause_s = self.first_s if fresh else min(2 * self._pause_s, self.longest_s)
        return self._pause_s
