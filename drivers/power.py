"""The operator's command that cuts a modem's power for a moment: it helps where the modem's software does not."""

import logging
import os
import shlex
import subprocess
import time
from collections.abc import Callable

from drivers import ModemStatus

log = logging.getLogger("pinwheel.modem")

LOOK_S = 0.1  # between two looks whether it has ended


def cycle(name: str, command: str, status: ModemStatus, at_most_s: float, wait: Callable[[float], bool]) -> None:
    """Run it, for a bounded time; it learns from its environment which modem is meant.

    wait: sleeps so many seconds; whether to go on.
    """
    who = {"PINWHEEL_MODEM": name, "PINWHEEL_PORT": status.port, "PINWHEEL_IMEI": status.imei}
    try:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | who,
        )
    except (OSError, ValueError) as exc:
        log.error("modem=%s cannot run power_cycle: %s", name, exc)
        return
    end = time.monotonic() + at_most_s
    while process.poll() is None and time.monotonic() < end and wait(LOOK_S):
        pass
    if process.poll() is None:
        process.kill()
    exit_status = process.wait()
    if exit_status:
        log.error("modem=%s power_cycle failed with status %s", name, exit_status)
