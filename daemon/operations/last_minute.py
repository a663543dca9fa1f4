"""How much has happened within the last minute. Pure: the time is an argument."""

from collections import deque
from collections.abc import Iterator
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
class Recent:
    """Counts decisions by the second in which they became durable; it keeps a minute of them."""

    _seconds: deque[tuple[int, Rates]] = field(default_factory=deque)

    def see(self, decision: Decision, at: Ms) -> None:
        """Takes each decision once, when it is durable."""
        more = _counted(decision)
        if not any(more):
            return
        second = int(at) // 1000
        self._forget(second)
        if self._seconds and self._seconds[-1][0] == second:
            more = _sum((self._seconds.pop()[1], more))
        self._seconds.append((second, more))

    def per_minute(self, at: Ms) -> Rates:
        """Of the last 60 seconds, the one under way included."""
        self._forget(int(at) // 1000)
        return _sum(rates for _, rates in self._seconds)

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - WINDOW_S:
            self._seconds.popleft()


def _counted(decision: Decision) -> Rates:
    before, after = decision.before, decision.after
    if after is None:
        return Rates()
    ended = after.finished and not (before is not None and before.finished)
    return Rates(int(before is None), int(ended and after.status is Status.SUCCESS), int(ended))


def _sum(several: "Iterator[Rates] | tuple[Rates, ...]") -> Rates:
    return Rates(*map(sum, zip(Rates(), *several, strict=True)))
