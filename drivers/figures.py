"""What drivers count for monitoring. The audio process imports this, so it imports little."""

from dataclasses import dataclass

LATE_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 1.0)
"""Bounds for a packet that is late. A phone hides 20 to 60 ms (its jitter buffer); above 100 ms the schedule moves."""
NO_PACKETS = (0,) * (len(LATE_S) + 1)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late packets of speech went out. counts: how many up to each of LATE_S, then the others; total_s: of all."""

    counts: tuple[int, ...] = NO_PACKETS
    total_s: float = 0.0
