"""What to try when a modem stays silent, and how often. Pure: times are monotonic seconds.

If the modem does not answer, the port is opened again, then the modem is reset, then its power is cut. A reset costs
half a minute or more, and sometimes the USB name. So the pause between two recovery steps grows, and in an hour there
are only so many (a reset a minute has ruined the service for others).
"""

from collections.abc import Sequence
from enum import StrEnum

from drivers.serial.hourly import Hourly

PATIENCE = 2  # silent sessions before the first step
ABSENT_TOO_LONG_S = 60.0  # after which cutting the power is worth a try


class RecoveryStep(StrEnum):
    """A recovery step: what is done to the modem itself."""

    RESET = "reset"  # AT+CFUN=1,1 (27.007 8.2)
    POWER_CYCLE = "power cycle"  # the operator's command


class Ladder:
    """Counts silent sessions; decides when to do what. pauses_s: after one step, two in a row, ..."""

    def __init__(self, pauses_s: Sequence[float], an_hour: int, *, power: bool) -> None:
        self._pauses_s, self._power = pauses_s, power
        self._steps = Hourly(an_hour)
        self._silent = 0
        self._in_a_row = 0
        self._absent_since = float("inf")
        self._power_failed = False

    def answers(self) -> None:
        """A session began well."""
        self._silent, self._absent_since = 0, float("inf")

    def works(self) -> None:
        """It sent a message."""
        self._in_a_row = 0

    def silent(self, now: float, *, sure: bool = False, resettable: bool = True) -> RecoveryStep | None:
        """One more session ended in silence. The step that is due, if any.

        sure: it is the modem, which worked before, or answers but does not send, so that no second session is awaited.
        resettable: it is known where to send the command.
        """
        self._silent += PATIENCE if sure else 1
        step = self._next(resettable)
        if step is None or self._silent < PATIENCE or not self._steps.allows(now) or not self._rested(now):
            return None
        self._steps.add(now)
        self._in_a_row += 1
        self._power_failed = False
        return step

    def power_failed(self) -> None:
        """The command for the power has not ended well: the next step is the other one, if it can be."""
        self._power_failed = True

    def absent(self, now: float, *, away: bool | None) -> RecoveryStep | None:
        """One more session ended otherwise. away: it is not there, and power may bring it back; None: who knows."""
        if away is None:
            return None
        self._absent_since = min(self._absent_since, now) if away else float("inf")
        if not self._power or now - self._absent_since <= ABSENT_TOO_LONG_S:
            return None
        return self.silent(now, resettable=False)

    def _next(self, resettable: bool) -> RecoveryStep | None:
        if self._power and not (self._power_failed and resettable) and (self._in_a_row or not resettable):
            return RecoveryStep.POWER_CYCLE
        return RecoveryStep.RESET if resettable else None

    def _rested(self, now: float) -> bool:
        if not self._in_a_row:
            return True
        return now - self._steps.last >= self._pauses_s[min(self._in_a_row, len(self._pauses_s)) - 1]
