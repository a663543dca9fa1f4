"""Which message or call is next, of those that wait for a modem or a line; and which of the free modems may send it.

Pure: times are arguments, monotonic seconds. The rule is the earliest deadline that can be met. A message takes a modem
about as long as any other, so this order brings the most PINs in time: what cannot arrive in time delays no other, and
what can still wait lets the others go first.
"""

import bisect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import field
from itertools import islice
from typing import Generic, TypeVar

from daemon.core.held_recipients import Holds
from daemon.core.modem_pace import Pace
from daemon.core.values import value

T = TypeVar("T")
SCANNED = 100  # messages from the first that can be in time, where quotas and holds pass some over


@value
class QueuedMessage(Generic[T]):
    """until: when its PIN expires; parts: SMS that it takes; job: what the caller knows it by."""

    until: float
    parts: int
    number: str = field(repr=False)
    job: T


@value
class FreeModem:
    """allows: whether its SIM may send to a number now; failed: recipients that it has not reached lately."""

    pace: Pace
    allows: Callable[[str], bool]
    failed: Collection[str] = field(default=(), repr=False)


Rule = Callable[[QueuedMessage[T], FreeModem], bool]


class Backlog(Generic[T]):
    """least_s: how long a PIN must still live when the network takes its message."""

    def __init__(self, least_s: float, holds: Holds) -> None:
        self._least_s = least_s
        self._holds = holds
        self._messages: list[QueuedMessage[T]] = []  # by deadline; of the same deadline, as they came
        self._most_parts = 1

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[QueuedMessage[T]]:
        return iter(self._messages)

    def cut(self, kept: int) -> list[QueuedMessage[T]]:
        """Take out all but the first so many."""
        gone = self._messages[kept:]
        del self._messages[kept:]
        return gone

    def put(self, message: QueuedMessage[T]) -> None:
        bisect.insort(self._messages, message, key=_until)
        self._most_parts = max(self._most_parts, message.parts)

    def take_next(self, now: float, modems: Sequence[FreeModem]) -> tuple[QueuedMessage[T], int] | None:
        """Take out the message that goes out next; with the place of its modem among these, the best first."""
        rules: tuple[Rule[T], ...] = (
            lambda message, modem: self._waits_s(message, now) == 0 and message.number not in modem.failed,
            lambda message, _: self._waits_s(message, now) == 0,
            lambda message, _: self._waits_s(message, now, idle=True) == 0,
        )
        for rule in rules:
            for place, modem in enumerate(modems):
                for message in self._in_time(now, modem.pace.slow_s(now)):
                    if modem.allows(message.number) and rule(message, modem):
                        return self._taken(message), place
        return self._take_latest(now, modems)

    def _take_latest(self, now: float, modems: Sequence[FreeModem]) -> tuple[QueuedMessage[T], int] | None:
        """All modems have been slow: one of them tries the message with the most time left, to measure again."""
        for place, modem in enumerate(modems):
            usual_s = modem.pace.usual_s(now)
            for message in islice(reversed(self._messages), SCANNED):
                held = self._waits_s(message, now) > 0
                if not held and self._spare_s(message, now, usual_s) >= 0 and modem.allows(message.number):
                    return self._taken(message), place
        return None

    def drop_late(self, now: float, paces: Sequence[Pace]) -> list[QueuedMessage[T]]:
        """Take out what none of these modems could bring in time any more, if it were free and no slower than usual."""
        usual_s = min((pace.usual_s(now) for pace in paces), default=0.0)
        end = bisect.bisect_left(self._messages, now + self._least_s + usual_s * self._most_parts, key=_until)
        late = [message for message in self._messages[:end] if self._spare_s(message, now, usual_s) < 0]
        if late:
            kept = [message for message in self._messages[:end] if self._spare_s(message, now, usual_s) >= 0]
            self._messages[:end] = kept
        return late

    def look_again_s(self, now: float) -> float:
        """After which a message is held no more, or can no longer arrive in time; inf if none waits."""
        if not self._messages:
            return float("inf")
        first = self._messages[: SCANNED if self._holds else 0]
        holds = (self._waits_s(message, now, idle=True) for message in first)
        return min([self._spare_s(self._messages[0], now, 0.0), *(wait_s for wait_s in holds if wait_s)])

    def _waits_s(self, message: QueuedMessage[T], now: float, *, idle: bool = False) -> float:
        return self._holds.wait_s(message.number, now, idle=idle)

    def _spare_s(self, message: QueuedMessage[T], now: float, part_s: float) -> float:
        return message.until - now - self._least_s - part_s * message.parts

    def _in_time(self, now: float, part_s: float) -> Iterator[QueuedMessage[T]]:
        """The first messages that arrive in time at so many seconds a part."""
        first = bisect.bisect_left(self._messages, now + self._least_s + part_s, key=_until)
        for message in islice(self._messages, first, first + SCANNED):
            if self._spare_s(message, now, part_s) >= 0:
                yield message

    def _taken(self, message: QueuedMessage[T]) -> QueuedMessage[T]:
        place = bisect.bisect_left(self._messages, message.until, key=_until)
        while self._messages[place] is not message:
            place += 1
        return self._messages.pop(place)


def _until(message: QueuedMessage[T]) -> float:
    return message.until
