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
    """Of one device. due: when `look` has something to say."""

    due: float = float("inf")
    _now: S | None = None
    _held: int = 0
    _lines: Buckets[None] = field(default_factory=lambda: Buckets(1 / EVERY_S, AT_ONCE))

    def see(self, state: S, now: float, *, last: bool = False) -> Change[S] | None:
        """A state, which may be the one that is known; the change that is to be logged at once. last: none follows."""
        if state == self._now:
            return None
        self._now = state
        if last or (not self._held and self._lines.take(None, now)):
            return self._logged(state, self._held)
        self._held += 1
        self.due = min(self.due, now + EVERY_S)
        return None

    def look(self, now: float) -> Change[S] | None:
        """The last of the changes that were not logged, once that is due."""
        if self._now is None or not self._held or now < self.due:
            return None
        self._lines.take(None, now)
        return self._logged(self._now, self._held - 1)

    def _logged(self, state: S, unlogged: int) -> Change[S]:
        self._held, self.due = 0, float("inf")
        return Change(state, unlogged)
