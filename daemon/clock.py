"""The daemon's clock: UTC in whole milliseconds, run faster on request.

Between readings it follows CLOCK_MONOTONIC, so a step of the wall clock moves no timer. At speed N, N seconds pass
in one real one, counted from `origin`, which the store keeps: so the clock goes on where it was after a restart.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from daemon.core.milliseconds import Ms, in_seconds


@dataclass(frozen=True, slots=True)
class Clock:
    speed: float = 1.0
    origin: float = 0.0
    _wall: float = field(default_factory=time.time)
    _monotonic: float = field(default_factory=time.monotonic)

    def now(self) -> Ms:
        """The time as the requests see it."""
        real_s = self._wall + (time.monotonic() - self._monotonic)
        return Ms(int((self.origin + (real_s - self.origin) * self.speed) * 1000))

    def monotonic(self) -> float:
        """Real seconds that no step of the wall clock moves: what the lanes measure rests and paces by."""
        return time.monotonic()

    def real_s(self, span: Ms) -> float:
        """How long a span of this clock takes in real time."""
        return in_seconds(span) / self.speed

    def step_s(self) -> float:
        """How far the wall clock has been moved since this clock started, in real seconds."""
        return (time.time() - self._wall) - (time.monotonic() - self._monotonic)


def zoned_text(at: Ms | None) -> str:
    """As `utc_text`, with its zone (RFC 3339 5.6): what operators and their programs read."""
    return f"{utc_text(at)}Z" if at is not None else ""


def utc_text(at: Ms | None) -> str:
    """`YYYY-MM-DD HH:MM:SS` in UTC, as the Verify reference writes dates; "" for None."""
    return "" if at is None else datetime.fromtimestamp(in_seconds(at), UTC).strftime("%Y-%m-%d %H:%M:%S")
