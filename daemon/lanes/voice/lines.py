"""How many calls there may be at a time, and how soon one after the other they may begin."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Lines:
    """Times are arguments, monotonic seconds. busy: calls that there are; a_second: of them begin within a second."""

    most: int
    a_second: float
    busy: int = 0
    _next_at: float = field(default=float("-inf"))

    def wait_s(self, now: float) -> float:
        """Until a call may begin; inf while all lines are busy: until one is free."""
        return max(self._next_at - now, 0.0) if self.busy < self.most else float("inf")

    def take(self, now: float) -> None:
        """A call begins."""
        self.busy += 1
        self._next_at = max(self._next_at, now) + 1 / self.a_second

    def free(self) -> None:
        """A call has ended."""
        self.busy -= 1

    def rest(self, until: float) -> None:
        """Begin none before that."""
        self._next_at = max(self._next_at, until)
