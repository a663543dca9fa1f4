"""Whether the signalling thread works, and when the next generation takes its place. Pure; times are arguments."""

from dataclasses import dataclass, field

from drivers.backoff import Backoff

STILL_LOOKS = 5  # without a turn in between, a second apart, and the thread is stuck


@dataclass(slots=True)
class Watch:
    """Looks are counted, not seconds: in a suspended host nobody takes a turn, and nobody looks.

    check_s: between two looks. A generation that fails at once is replaced ever less often.
    """

    check_s: float
    _seen: tuple[int, int] = (-1, -1)  # generation and its turns at the last look
    _still: int = 0
    _began: float = float("-inf")
    _not_before: float = float("-inf")
    _backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.check_s)

    def look(self, generation: int, turns: int, now: float, *, dead: bool) -> bool:
        """Whether the generation is to be replaced now. dead: its thread has ended, though nobody closed it."""
        self._still = self._still + 1 if (generation, turns) == self._seen else 0
        self._seen = generation, turns
        if not (dead or self._still >= STILL_LOOKS) or now < self._not_before:
            return False
        self._not_before, self._began = now + self._backoff.pause(now - self._began), now
        return True
