"""The driver's own work between two messages, a step at a time, so that no message waits long. Pure.

The work of a chore is a procedure (`drivers.serial.procedure`). A step of it goes on until it gives way, which it does
behind each command, or waits for another thread.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from drivers.serial.procedure import Await, Came, GiveWay, Order, Procedure

PATIENCE_S = 5.0  # for how long messages may keep a chore that is due from its next step
SLICE_S = 1.0  # for which chores then go on, or for one step, so that what comes in by the storage keeps pace


@dataclass(slots=True)
class Chore:
    """work: the procedure. every_s: from its end to its next begin; infinite for what is only done when it is wanted.

    patience_s: for what work waits, at most. polite: it waits for a pause between messages, however long.
    """

    work: Callable[[], Procedure[None]]
    every_s: float
    patience_s: float = float("inf")
    polite: bool = False
    due: float = float("inf")
    _begun: Procedure[None] | None = None
    _waits_for: Future[bool] | None = None
    _waits_until: float = field(default=float("-inf"))

    def want(self, now: float) -> None:
        """As soon as may be; one that is under way is done once more."""
        self.due = min(self.due, now)

    def not_before(self, then: float) -> None:
        """Wait longer, if it waits."""
        self.due = max(self.due, then)

    def put_off(self, now: float) -> None:
        """As if it had just been done."""
        self.due = now + self.every_s

    def ready_at(self, now: float) -> float:
        """When its next step can be done: `now` or before, or a later time."""
        if self._begun is None:
            return self.due
        waits = self._waits_for is not None and not self._waits_for.done()
        return self._waits_until if waits else now

    @property
    def under_way(self) -> bool:
        """Whether it has begun, has not ended, and needs nothing but the modem to go on."""
        return self._begun is not None and self._waits_for is None

    def step(self, now: float) -> Procedure[None]:
        """Its next step."""
        try:
            order = self._resume(now)
            while not isinstance(order, GiveWay | Await):
                assert self._begun is not None
                order = self._begun.send((yield order))
        except StopIteration:
            self._begun = self._waits_for = None
            self.due = min(self.due, now + self.every_s)
            return
        self._waits_for = order.kept if isinstance(order, Await) else None
        self._waits_until = now + self.patience_s

    def _resume(self, now: float) -> Order:
        if self._begun is not None:
            return self._begun.send(Came(now))
        self._begun, self.due = self.work(), float("inf")
        return next(self._begun)


class Chores:
    """In the order of their importance. Times are monotonic seconds."""

    def __init__(self, *chores: Chore) -> None:
        self._chores = chores
        self._kept_since: float | None = None  # from its next step, by messages
        self._slice_until = float("-inf")

    def step(self, now: float) -> Procedure[bool]:
        """One step of the first that can go on; whether there was any."""
        self._kept_since = None
        for chore in self._chores:
            if chore.ready_at(now) <= now:
                yield from chore.step(now)
                return True
        return False

    def next_at(self, now: float) -> float:
        """When one can go on."""
        return min(chore.ready_at(now) for chore in self._chores)

    def starving(self, now: float) -> bool:
        """Whether messages have kept one that is not polite from its step for too long."""
        if min(chore.ready_at(now) for chore in self._chores if not chore.polite) > now:
            self._kept_since, self._slice_until = None, float("-inf")
            return False
        if now < self._slice_until:
            return True
        self._kept_since = now if self._kept_since is None else self._kept_since
        kept = now - self._kept_since >= PATIENCE_S
        if kept:
            self._slice_until = now + SLICE_S
        return kept
