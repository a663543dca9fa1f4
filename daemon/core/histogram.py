"""How observations are distributed, as Prometheus counts them."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

LATENESS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # bounds for what should take milliseconds


@dataclass(slots=True)
class Histogram:
    """How many observations are not above each bound, as Prometheus counts them; the last count is of all others."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, counts: Sequence[int], total: float) -> None:
        """What somebody else has observed, counted by the same bounds."""
        self.counts = [ours + theirs for ours, theirs in zip(self.counts, counts, strict=True)]
        self.total += total

    def copy(self) -> "Histogram":
        return Histogram(self.bounds, list(self.counts), self.total)
