"""How much has happened within the last minute. Pure: the time is an argument."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from daemon.core.commands import Decision
from daemon.core.milliseconds import Ms
from daemon.core.model import Status

WINDOW_S = 60


class Rates(NamedTuple):
    """Requests within a minute of the requests' clock. ended: verified or not."""

    started: int = 0
    verified: int = 0
    ended: int = 0


@dataclass(slots=True)
class LastMinute:
    """Counts decisions by the second in which they became durable; it keeps a minute of them."""

    _seconds: deque["_Second"] = field(default_factory=deque)

    def see(self, decision: Decision, at: Ms) -> None:
        """Takes each decision once, when it is durable."""
        before, after = decision.before, decision.after
        if after is None:
            return
        ended = after.finished and not (before is not None and before.finished)
        if before is None or ended:
            second = self._second(int(at) // 1000)
            second.started += before is None
            second.verified += ended and after.status is Status.SUCCESS
            second.ended += ended

    def per_minute(self, at: Ms) -> Rates:
        """Of the last 60 seconds, the one under way included."""
        self._forget(int(at) // 1000)
        kept = self._seconds
        return Rates(sum(s.started for s in kept), sum(s.verified for s in kept), sum(s.ended for s in kept))

    def _second(self, at: int) -> "_Second":
        """The one that is counted now."""
        if not self._seconds or self._seconds[-1].at != at:
            self._forget(at)
            self._seconds.append(_Second(at))
        return self._seconds[-1]

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0].at <= second - WINDOW_S:
            self._seconds.popleft()


@dataclass(slots=True)
class _Second:
    """As `Rates`, of one second."""

    at: int
    started: int = 0
    verified: int = 0
    ended: int = 0
