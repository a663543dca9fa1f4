"""Whether more messages come than the modems can send in time, and how many modems could.

Pure: times are arguments, monotonic seconds.
"""

from collections import deque
from dataclasses import dataclass, field

from daemon.core.values import value

WINDOW_S = 300.0  # how many modems would do is computed from what was sent and dropped in it
OVER_S = 60.0  # without a dropped message, and the overload is over


@value
class Overload:
    """dropped: messages since it began; modems: how many would do, None where no number would."""

    dropped: int
    modems: int | None

    def __str__(self) -> str:
        many = "no number of modems" if self.modems is None else f"{self.modems} modems"
        return f"overloaded: {self.dropped} dropped, {many} would do"


@dataclass(slots=True)
class Load:
    """Of all modems together. Messages are counted in the order of time."""

    _sent: deque[float] = field(default_factory=deque)
    _dropped: deque[float] = field(default_factory=deque)
    _since_start: int = 0
    _working: int = 0  # modems, when a message was last dropped

    def sent(self, now: float) -> None:
        """The network took a message in time."""
        self._sent.append(now)

    def dropped(self, now: float, working: int) -> None:
        """A message was dropped, since none of so many working modems could send it in time."""
        if not self.overload(now):
            self._since_start = 0
        self._since_start += 1
        self._dropped.append(now)
        self._working = working

    def overload(self, now: float) -> Overload | None:
        """None while all messages are sent in time."""
        for times in (self._sent, self._dropped):
            while times and times[0] <= now - WINDOW_S:
                times.popleft()
        if not self._dropped or self._dropped[-1] <= now - OVER_S:
            return None
        sent, wanted = len(self._sent), len(self._sent) + len(self._dropped)
        return Overload(self._since_start, -(-self._working * wanted // sent) if sent else None)
