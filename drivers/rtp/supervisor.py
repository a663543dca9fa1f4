"""The audio process of a voice driver, one after the other: started, watched, and started again with growing pauses."""

import logging
import selectors
import time

from drivers.rtp.messages import PacerEvent
from drivers.rtp.process_handle import Pacer, PacerGone
from drivers.rtp.process_restarts import AudioState, Supervision

log = logging.getLogger("pinwheel.voice")


class Supervisor:
    """Not thread-safe: the thread that owns the selector owns it. `pacer` is for use while `ready`.

    lifeline: as of `Pacer.open`.
    """

    def __init__(self, name: str, selector: selectors.BaseSelector, lifeline: int | None = None) -> None:
        self.pacer = Pacer()
        self._name = name
        self._selector = selector
        self._lifeline = lifeline
        self._course = Supervision()
        self._missing: tuple[str, ...] = ()  # as it was logged

    @property
    def ready(self) -> bool:
        return self._course.state is AudioState.READY

    @property
    def problem(self) -> str:
        """Why there is no audio process; "" while one is ready or the first one starts."""
        return self._course.why

    def turn(self, now: float) -> None:
        """Start a process if one is due."""
        if now < self._course.start_at:
            return
        try:
            self.pacer.open(plainly=self._course.plainly, lifeline=self._lifeline)
        except OSError as exc:
            self._note_end(PacerGone(f"the audio process cannot be started: {exc.strerror}"))
            return
        self._course.started()
        self._selector.register(self.pacer.fileno(), selectors.EVENT_READ)

    def read(self) -> list[PacerEvent]:
        """What happened. Raises PacerGone once for a process; its calls are lost, and the next one will start."""
        if self.pacer.fileno() < 0:
            return []
        try:
            events = self.pacer.read()
        except PacerGone as exc:
            self._selector.unregister(self.pacer.fileno())
            self.pacer.close(grace_s=0.0)
            self._note_end(exc)
            raise
        if self.pacer.ready is not None and self._course.reported(time.monotonic()):
            log.info("voice=%s audio=ready", self._name)
            self._log_missing(self.pacer.ready.missing)
        return events

    def deadline(self) -> float:
        """When `turn` and `read` are to be called next, whatever happens (monotonic)."""
        return self._course.start_at if self.pacer.fileno() < 0 else self.pacer.deadline()

    def close(self) -> None:
        """End the process; no other one is started."""
        self._course.started()
        self.pacer.close()

    def _note_end(self, gone: PacerGone) -> None:
        if self._course.ended(str(gone), time.monotonic(), forbidden=gone.forbidden):
            log.error("voice=%s audio=failed because=%r", self._name, str(gone))

    def _log_missing(self, missing: tuple[str, ...]) -> None:
        if missing != self._missing:
            self._missing = missing
            log.warning("voice=%s audio=ready without=%r", self._name, "; ".join(missing))
