"""What all lanes say: how a device's change of state is logged (the worse, the higher), of a defect of our own, and
since when a delivery waits."""

import asyncio
import logging
from dataclasses import dataclass, field

from daemon.clock import Clock
from daemon.core.flapping import Change, Flapping
from daemon.core.milliseconds import Ms
from daemon.engine import Job
from drivers import DeviceState, ModemStatus, TrunkStatus

DEFECT = "a defect: report the log"

log = logging.getLogger("pinwheel.lanes")

LEVELS = {
    DeviceState.STARTING: logging.INFO,
    DeviceState.READY: logging.INFO,
    DeviceState.WAITING: logging.WARNING,
    DeviceState.ABSENT: logging.ERROR,
    DeviceState.FAILED: logging.ERROR,
    DeviceState.CLOSED: logging.INFO,
}


def queued_at(job: Job) -> Ms:
    """Since when it waits; a restart does not change it."""
    return next(attempt.queued_at for attempt in job.request.attempts if attempt.step == job.step)


@dataclass(slots=True)
class StateLog:
    """One line for each change of a device: `modem=sim1 state=ready detail=''`; of many, one a minute.

    A driver says that its state changed, not how: after several quick changes the last one is seen several times.
    Every method is for the event loop's thread.
    """

    kind: str
    name: str
    clock: Clock
    _flapping: Flapping[tuple[DeviceState, str]] = field(default_factory=Flapping, init=False)
    _look: asyncio.TimerHandle | None = field(default=None, init=False)

    def see(self, status: ModemStatus | TrunkStatus) -> None:
        now = self.clock.monotonic()
        closed = status.state is DeviceState.CLOSED
        self._log(self._flapping.see((status.state, status.detail), now, last=closed))
        if self._look is None and self._flapping.due != float("inf"):
            self._look = asyncio.get_running_loop().call_later(self._flapping.due - now, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._log(self._flapping.look(self._flapping.due))

    def _log(self, change: Change[tuple[DeviceState, str]] | None) -> None:
        if change is None:
            return
        state, detail = change.state
        if change.unlogged:
            level, many = max(LEVELS[state], logging.WARNING), f" unlogged_changes={change.unlogged}"
        else:
            level, many = LEVELS[state], ""
        log.log(level, "%s=%s state=%s detail=%r%s", self.kind, self.name, state, detail, many)
