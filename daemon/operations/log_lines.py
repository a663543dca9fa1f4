"""Log lines that nobody waits for: written at once where that is possible, else by a thread, in order and bounded.

A line that is written at once stands there before the answer to the request that it is about, no crash loses it, and it
costs some 12 µs. Handing each line to a thread would spare the event loop a part of these and cost more in all. Only
when the journal or the reader of a pipe does not keep up do lines wait for the thread; when too many wait, the newest
are dropped, and the next one that can wait says how many.
"""

import errno
import logging
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence

from daemon.engine import EACH_LINE

ROOM = 10_000  # lines that may wait; some MB
AGAIN_S = 0.2  # after which a line is tried again
FLUSH_S = 2.0  # how long lines that wait delay the end of the process


class LineHandler(logging.Handler):
    """What the handlers for the journal and for standard error have in common."""

    def __init__(self, room: int = ROOM) -> None:
        super().__init__()
        self._room = room
        self._waiting: deque[bytes] = deque()  # the first of them may be under way, or the rest of some
        self._dropped = 0
        assert self.lock is not None
        self._changed = threading.Condition(self.lock)  # logging holds this lock while it calls emit
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    @abstractmethod
    def entry(self, record: logging.LogRecord, text: str) -> bytes:
        """A record as it is sent. text: its line, with a traceback where there is one."""

    @abstractmethod
    def together(self, entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Entries in their order, by those that are sent at once, one behind the other."""

    @abstractmethod
    def send(self, octets: bytes, *, wait: bool) -> bytes:
        """Send one entry, or several that go together. Returns what is left: a disk that gets full takes a part.

        Raises OSError where nothing was sent, also where it would have to wait and may not.
        """

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits, and never raises for what a line cannot be written to."""
        if len(self._waiting) >= self._room:
            self._dropped += record.getMessage().count("\n") + 1 if _each_line(record) else 1
            return
        try:
            lines = self._lines(record)
        except Exception:  # noqa: BLE001 - a line that is not written as it should be must not end a call
            self.handleError(record)
            return
        if self._dropped:
            lines[0] += f" (and before this, {self._dropped} lines were dropped: they could not be written)"
            self._dropped = 0
        for entries in self.together([self.entry(record, line) for line in lines]):
            if left := entries if self._waiting else self._left_at_once(entries):
                self._waiting.extend(left)
                self._changed.notify_all()

    def _lines(self, record: logging.LogRecord) -> list[str]:
        """One with all that belongs to the record, or each with what stands in front of the first."""
        text = self.format(record)
        if not _each_line(record):
            return [text]
        front = text.removesuffix(record.message)
        return [front + line for line in record.message.split("\n")]

    def _left_at_once(self, entries: Sequence[bytes]) -> Sequence[bytes]:
        """What has to wait: for room, for a journal that is being restarted."""
        try:
            left = self.send(b"".join(entries), wait=False)
        except OSError:
            return entries
        return [left] if left else []

    def flush(self) -> None:
        """Wait until no line waits any more, at most FLUSH_S: logging does it as the process ends."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, FLUSH_S)

    def _write_on(self) -> None:
        """The thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                octets = self._waiting[0]
            lost, left = 0, b""
            try:
                left = self.send(octets, wait=True)
            except OSError as exc:
                if exc.errno != errno.EMSGSIZE:
                    time.sleep(AGAIN_S)
                    continue
                lost = 1  # it would never be taken, nor any line behind it
            with self._changed:
                self._dropped += lost
                if left:
                    self._waiting[0] = left
                else:
                    self._waiting.popleft()
                self._changed.notify_all()


def _each_line(record: logging.LogRecord) -> bool:
    return getattr(record, EACH_LINE, False)
