"""How long a modem rests after failures of its own, longer each time, and for how long it is the last choice then.

Pure: times are arguments, monotonic seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LAST_CHOICE_S = 30.0  # after a failure of its own, while another modem is free


@dataclass(slots=True)
class Resting:
    """One modem's. failures: in a row."""

    until: float = 0.0
    last_choice_until: float = 0.0  # its last message failed by its fault
    failures: int = 0

    def over(self, now: float) -> bool:
        """Whether it does not rest."""
        return self.until <= now

    def last_choice(self, now: float) -> bool:
        """Whether another free modem goes first."""
        return self.last_choice_until > now

    def rest(self, now: float, seconds: float) -> None:
        self.until = now + seconds

    def fails(self, now: float, rests_s: Sequence[float]) -> None:
        """It rests for the first of these after one failure, for the second after two in a row, ..."""
        self.rest(now, rests_s[min(self.failures, len(rests_s) - 1)])
        self.failures += 1
        self.last_choice_until = now + LAST_CHOICE_S

    def works(self) -> None:
        self.until, self.last_choice_until, self.failures = 0.0, 0.0, 0

    def ready_again(self, now: float) -> None:
        """No need to rest any more. But if it restarted at its last message, it may at the next one, too."""
        self.until, self.failures = 0.0, 0
        if self.last_choice_until:
            self.last_choice_until = now + LAST_CHOICE_S
