"""What all lanes say: how a device's change of state is logged (the worse, the higher), of a defect of our own, and
since when a delivery waits."""

import logging

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


def log_state(kind: str, name: str, status: ModemStatus | TrunkStatus) -> None:
    """One line: `modem=sim1 state=ready detail=''`."""
    log.log(LEVELS[status.state], "%s=%s state=%s detail=%r", kind, name, status.state, status.detail)
