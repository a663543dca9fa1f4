"""When the trunk's name is looked up, and what is wrong with the way to it. Pure; times are arguments."""

from dataclasses import dataclass

RETRY_S = 2.0  # after a name without an address, or a port that was taken
LOOK_AGAIN_S = 300.0  # names and our own address may change
LOOK_AGAIN_BROKEN_S = 30.0


@dataclass(slots=True)
class LookupSchedule:
    """asking: a look-up is under way; problem: why there is no way to the trunk, or ""."""

    due: float = 0.0
    asking: bool = False
    problem: str = ""

    def begin(self, now: float) -> bool:
        """Whether a look-up is to be made now."""
        begins = not self.asking and now >= self.due
        self.asking = self.asking or begins
        return begins

    def failed(self, why: str, now: float) -> None:
        self.asking, self.problem, self.due = False, why, now + RETRY_S

    def found(self, now: float, *, works: bool) -> None:
        """There are addresses, and a transport to them. works: calls can be made."""
        self.asking, self.due = False, now + (LOOK_AGAIN_S if works else LOOK_AGAIN_BROKEN_S)

    def deadline(self) -> float:
        return float("inf") if self.asking else self.due
