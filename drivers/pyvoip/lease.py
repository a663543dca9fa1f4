"""The lease of one generation of signalling: while it holds, that generation may act on the world."""

import contextlib
import os
import threading


class Lease:
    """It ends once, by whichever thread; then a thread that comes back from wherever it hung can do no harm.

    Whatever leaves the generation asks first whether the lease has ended: messages, the state file, news to whoever
    listens. An audio process has the reading end of a pipe: when the lease ends, it sees the pipe closed and ends.
    """

    def __init__(self) -> None:
        self.ended = False
        self._reading, self._writing = os.pipe()
        self._open = threading.Semaphore()

    def fileno(self) -> int:
        """Readable once the lease has ended; an audio process inherits it."""
        return self._reading

    def end(self) -> None:
        """For any thread."""
        self.ended = True
        if self._open.acquire(blocking=False):
            os.close(self._writing)

    def close(self) -> None:
        """For the generation's own thread, as its last act."""
        self.end()
        if self._reading >= 0:
            with contextlib.suppress(OSError):
                os.close(self._reading)
            self._reading = -1
