"""What to try on a modem that stays silent, and how often. Pure: times are arguments, in monotonic seconds.

A reset costs a modem half a minute or more and sometimes its USB name, so it is the last thing to try: first the
session is begun again, then the modem is restarted, then its power is cut. Between two of these the pause grows, and
in an hour there are only so many (a reset a minute has ruined the service for others).
"""

from collections import deque
from collections.abc import Sequence
from enum import StrEnum

HOUR_S = 3600.0
PATIENCE = 2  # silent sessions before the first cure


class Cure(StrEnum):
    """What is done to the modem itself."""

    RESET = "reset"  # AT+CFUN=1,1 (27.007 8.2)
    POWER_CYCLE = "power cycle"  # the operator's command


class Ladder:
    """Counts silent sessions; says when to do what. pauses_s: after one cure, two in a row, ..."""

    def __init__(self, pauses_s: Sequence[float], an_hour: int, *, power: bool) -> None:
        self._pauses_s, self._an_hour, self._power = pauses_s, an_hour, power
        self._silent = 0
        self._in_a_row = 0
        self._done: deque[float] = deque()

    def answers(self) -> None:
        """A session began well."""
        self._silent = 0

    def works(self) -> None:
        """It sent a message."""
        self._in_a_row = 0

    def silent(self, now: float, *, stuck: bool = False) -> Cure | None:
        """One more session ended in silence, or stuck: it answers but does not send. The cure that is due, if any."""
        self._silent += PATIENCE if stuck else 1
        while self._done and self._done[0] <= now - HOUR_S:
            self._done.popleft()
        if self._silent < PATIENCE or len(self._done) >= self._an_hour or not self._rested(now):
            return None
        self._done.append(now)
        self._in_a_row += 1
        return Cure.RESET if self._in_a_row == 1 or not self._power else Cure.POWER_CYCLE

    def _rested(self, now: float) -> bool:
        if not self._in_a_row or not self._done:
            return True
        return now - self._done[-1] >= self._pauses_s[min(self._in_a_row, len(self._pauses_s)) - 1]
