"""Recipients whom the network did not take: each is held by itself, longer each time, and given up at last.

Pure: times are arguments, monotonic seconds. One unreachable phone must not stop the messages to all others, and the
same cause from several phones in a row means the SIM or the network.
"""

from dataclasses import dataclass, field

HOLD_S = (2.0, 5.0, 15.0, 30.0, 60.0)  # after the first time, the second, ...; then it is given up
SEVERAL = 3  # recipients in a row
FORGOTTEN_S = 3600.0


@dataclass(slots=True)
class Holds:
    """By number: how often it was deferred, and when it may be tried again."""

    _held: dict[str, tuple[int, float]] = field(default_factory=dict, repr=False)

    def deferred(self, number: str, now: float, *, give_up: bool = True) -> int | None:
        """Hold the recipient; None once that has been done often enough to give up, else how often so far."""
        self._held = {held: entry for held, entry in self._held.items() if entry[1] > now - FORGOTTEN_S}
        times = self._held.pop(number, (0, 0.0))[0] + 1
        if times > len(HOLD_S):
            if give_up:
                return None
            times = len(HOLD_S)
        self._held[number] = (times, now + HOLD_S[times - 1])
        return times

    def taken(self, number: str) -> None:
        """The network took a message to it."""
        self._held.pop(number, None)

    def wait_s(self, number: str, now: float) -> float:
        """How long it is still held; 0 if it is not."""
        return max(self._held.get(number, (0, now))[1] - now, 0.0)
