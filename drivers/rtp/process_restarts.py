"""Whether the audio process can be used, and when the next one is started after it ended.

A process that ends at once must not be started again at once: it would end again, a hundred times in ten seconds. So
each pause is twice as long as the one before, until a process has worked for a while.

Pure: times are arguments, in monotonic seconds.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from drivers.backoff import Backoff

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
WORKED_S = 10.0  # a process that was ready for so long is not one that dies at once


class AudioState(StrEnum):
    STARTING = "starting"  # the first process has not reported yet
    READY = "ready"
    FAILED = "failed"  # until a process reports


@dataclass(slots=True)
class Supervision:
    """One audio process after the other. start_at: when the next one is due; infinite while there is one.

    why: it failed, or "". plainly: the next one is not to ask the kernel for favours, since the last was killed for it.
    """

    state: AudioState = AudioState.STARTING
    why: str = ""
    start_at: float = 0.0
    plainly: bool = False
    _backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, WORKED_S))
    _ready_at: float = float("inf")

    def started(self) -> None:
        """There is a process; it has not reported yet."""
        self.start_at = float("inf")

    def reported(self, now: float) -> bool:
        """The process is ready. Whether that is new."""
        news = self.state is not AudioState.READY
        self.state, self.why, self._ready_at = AudioState.READY, "", now
        return news

    def ended(self, why: str, now: float, *, forbidden: bool = False) -> bool:
        """There is no process now, or none could be started. Whether that is new.

        forbidden: it was killed for a system call.
        """
        news = (self.state, self.why) != (AudioState.FAILED, why)
        self.plainly = self.plainly or (forbidden and self._ready_at == float("inf"))
        self.start_at = now + self._backoff.pause(now - self._ready_at)
        self.state, self.why, self._ready_at = AudioState.FAILED, why, float("inf")
        return news
