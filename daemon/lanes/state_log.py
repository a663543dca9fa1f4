"""What all lanes say: how a device's change of state is logged (the worse, the higher), of a defect of our own, and
since when a delivery waits."""

import logging
from dataclasses import dataclass, field

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
    """One line for each change of a device: `modem=sim1 state=ready detail=''`.

    A driver says that its state changed, not how: after several quick changes the last one is seen several times.
    """

    kind: str
    name: str
    _said: tuple[DeviceState, str] | None = field(default=None, init=False)

    def see(self, status: ModemStatus | TrunkStatus) -> None:
        now = (status.state, status.detail)
        if now != self._said:
            self._said = now
            log.log(LEVELS[status.state], "%s=%s state=%s detail=%r", self.kind, self.name, status.state, status.detail)
