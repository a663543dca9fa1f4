"""Which changes of a device's state are logged, so that one that comes and goes ten times a second fills no journal.

Pure: times are arguments, monotonic seconds. Few changes are logged at once. Of many, the last is logged once in a
while, with how many there were: so the state that stays is always logged.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from daemon.core.rate_limits import Buckets
from daemon.core.values import value

AT_ONCE = 20  # changes; a start, or a modem that is unplugged, has five at most
EVERY_S = 60.0  # a line, of one that goes on

S = TypeVar("S")


@value
class Change(Generic[S]):
    """What is to be logged. unlogged: changes before it, since the last line."""

    state: S
    unlogged: int = 0


@dataclass(slots=True)
class Flapping(Generic[S]):
    """Of one device. due: when `look` has something to say; infinite where there is nothing."""

    due: float = float("inf")
    _now: S | None = None
    _held: int = 0
    _lines: Buckets[None] = field(default_factory=lambda: Buckets(1 / EVERY_S, AT_ONCE))

    def see(self, state: S, now: float) -> Change[S] | None:
        """A state, which may be the one that is known; the change that is to be logged at once."""
        if state == self._now:
            return None
        self._now = state
        if not self._held and self._lines.take(None, now):
            return Change(state)
        self._held += 1
        self.due = min(self.due, now + EVERY_S)
        return None

    def look(self, now: float) -> Change[S] | None:
        """The last of the changes that were not logged, once that is due."""
        if now < self.due or self._now is None:
            return None
        self._lines.take(None, now)
        held, self._held, self.due = self._held, 0, float("inf")
        return Change(self._now, held - 1)
