"""Whether a modem's delivery reports have stopped: the network sends none, or the modem gives them to another port.

Pure: times are arguments, monotonic seconds.
"""

from collections import deque
from dataclasses import dataclass, field

MESSAGES = 10  # a phone that is off, or two, must not look like it
WITHIN_S = 60.0  # a burst of messages is reported when it is over


@dataclass(slots=True)
class Reporting:
    """One modem's. Messages are counted in the order of time. within_s: how long a report may take."""

    within_s: float = WITHIN_S
    _first: deque[float] = field(default_factory=deque)  # when the first messages since the last report were taken
    _taken: int = 0

    def taken(self, now: float) -> None:
        """The network took a message whose report was asked for."""
        self._taken += 1
        if len(self._first) < MESSAGES:
            self._first.append(now)

    def reported(self) -> None:
        """A delivery report came, whatever it says."""
        self._first.clear()
        self._taken = 0

    def unreported(self, now: float) -> int:
        """How many messages were taken since the last report; 0 while that may be by chance."""
        late = len(self._first) == MESSAGES and self._first[-1] <= now - self.within_s
        return self._taken if late else 0
