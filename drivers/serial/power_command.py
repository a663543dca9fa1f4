"""The operator's command that cuts a modem's power for a moment: it helps where the modem's software does not."""

import contextlib
import logging
import os
import shlex
import subprocess
import time
from collections.abc import Callable

from drivers.processes import ending

log = logging.getLogger("pinwheel.modem")

KILL_S = 1.0  # for its end, once it was killed
LOOK_S = 0.1  # between two looks whether it has ended


def cycle(name: str, command: str, who: dict[str, str], at_most_s: float, wait: Callable[[float], bool]) -> bool:
    """Run it, for a bounded time; whether it has worked. who: of which modem, in its environment.

    wait: sleeps so many seconds; whether to go on.
    """
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
        return False
    end = time.monotonic() + at_most_s
    while process.poll() is None and time.monotonic() < end and wait(LOOK_S):
        pass
    late = process.poll() is None
    if late:
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # in the kernel's hands, say
        process.wait(KILL_S)
    if process.returncode != 0:
        ended = "did not end in time" if late else ending(process.returncode)
        log.error("modem=%s power_cycle %s", name, ended)
    return process.returncode == 0
