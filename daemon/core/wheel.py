"""The timer wheel: which rows are due, in memory.

It holds hints, never truth: a hint is the row id of a request, 8 bytes in the array of its slot. Whoever takes a hint
looks at the row, so a stale or doubled one does no harm, and nothing is ever removed. The wheel covers one
revolution; what is due beyond `edge` stays in the database until `extend()` lets the edge move on.
A timer never fires early, and late by less than one tick.
"""

from array import array

from daemon.core.milliseconds import Ms

TICK = Ms(10)
SLOTS = 16384
CHUNK = 320  # ticks that are loaded at a time


class Wheel:
    """A wheel that starts at `start` with nothing loaded: call `extend` first."""

    def __init__(self, start: Ms, tick: Ms = TICK, slots: int = SLOTS) -> None:
        self._tick_ms = int(tick)
        self._slots: list[array[int] | None] = [None] * slots
        self._cursor = int(start) // self._tick_ms  # every tick before it has been expired
        self._edge = self._cursor  # ticks from here on are not loaded

    @property
    def edge(self) -> Ms:
        """Timers due before this are in the wheel: those that belong to a tick before the edge."""
        return Ms((self._edge - 1) * self._tick_ms + 1)

    def extend(self) -> tuple[Ms, Ms]:
        """Move the edge on by CHUNK ticks, to one revolution ahead of the cursor at most.

        Returns the span [from, to) to load now: so small that loading it delays nothing.
        """
        start = self.edge
        self._edge = min(self._edge + CHUNK, self._cursor + len(self._slots))
        return start, self.edge

    def half_empty(self, now: Ms) -> bool:
        """Less than half a revolution is loaded ahead of now: time to extend."""
        return self._edge - int(now) // self._tick_ms < len(self._slots) // 2

    def set(self, due: Ms, row: int) -> bool:
        """Remember that a row is due; False when that lies beyond the edge (the next extend will find it)."""
        tick = max(-(-int(due) // self._tick_ms), self._cursor)
        if tick >= self._edge:
            return False
        slot = tick % len(self._slots)
        hints = self._slots[slot]
        if hints is None:
            hints = self._slots[slot] = array("q")
        hints.append(row)
        return True

    def expire(self, now: Ms) -> list[int]:
        """The rows whose ticks have passed, oldest first."""
        rows: list[int] = []
        last = min(int(now) // self._tick_ms, self._edge - 1)
        for tick in range(self._cursor, last + 1):
            hints = self._slots[tick % len(self._slots)]
            if hints is not None:
                rows.extend(hints)
                self._slots[tick % len(self._slots)] = None
        self._cursor = max(self._cursor, last + 1)
        return rows

    def next(self, until: Ms) -> Ms:
        """When the next timer is due, or `until` if none is before that."""
        last = min(int(until) // self._tick_ms, self._edge - 1)
        for tick in range(self._cursor, last + 1):
            if self._slots[tick % len(self._slots)] is not None:
                return Ms(tick * self._tick_ms)
        return until
