"""A modem of the pool, and what the lane knows of it."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

from daemon.config import Modem
from daemon.core.milliseconds import Ms
from daemon.core.quota import Limits, Quota
from daemon.engine import Job
from drivers import DeviceState, Sms, SmsDriver, Unavailable

REST_S = (0.5, 1, 2, 5, 10, 30)  # for a modem after one failure of its own, two in a row, ...
PASSED_OVER_S = 30.0  # after a failure of its own, while another modem is free
ANSWERED_LATE = 4  # messages to which a modem may still give an answer; it has two of them open at the most


class Duty(StrEnum):
    """What the operator wants of a modem."""

    WORKING = "working"
    PAUSED = "paused"  # sends nothing, hears everything
    DRAINED = "drained"  # has finished, and let go of its port


@dataclass(slots=True)
class ModemSlot:
    """A modem and what the lane knows of it. Times are monotonic."""

    driver: SmsDriver
    settings: Modem
    quota: Quota
    duty: Duty = Duty.WORKING
    busy: bool = False
    idle_since: float = 0.0
    rest_until: float = 0.0
    last_choice_until: float = 0.0  # its last message failed by its fault
    failures: int = 0
    deferred: set[str] = field(default_factory=set, repr=False)  # recipients since the last that it reached: a few
    outcomes: Counter[str] = field(default_factory=Counter)
    last_error: tuple[Ms, str] | None = None
    full: str = ""  # the limit that was last seen to hold a message up
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one order of the operator at a time
    unsettled: deque[tuple[Sms, Job]] = field(default_factory=lambda: deque(maxlen=ANSWERED_LATE))  # the last uncertain

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def ready(self) -> bool:
        return self.duty is Duty.WORKING and self.driver.status().state is DeviceState.READY

    def insist_on_port(self) -> None:
        """Raises Unavailable."""
        if self.duty is Duty.DRAINED:
            raise Unavailable(f"it is drained: pinwheel modems resume {self.name}")

    def rest(self, seconds: float) -> None:
        self.rest_until = time.monotonic() + seconds

    def fails(self) -> None:
        """It rests, longer each time; and whoever is free goes first, since it has been idle longest."""
        self.rest(REST_S[min(self.failures, len(REST_S) - 1)])
        self.failures += 1
        self.last_choice_until = time.monotonic() + PASSED_OVER_S

    def works(self) -> None:
        self.failures, self.rest_until, self.last_choice_until = 0, 0.0, 0.0

    def is_ready_again(self) -> None:
        """No need to rest any more. But if it restarted at its last message, it may at the next one, too."""
        self.failures, self.rest_until = 0, 0.0
        if self.last_choice_until:
            self.last_choice_until = time.monotonic() + PASSED_OVER_S


class NoSuchModem(Exception):
    """There is no modem of this name; the text names those that there are."""


def limits(modem: Modem) -> Limits:
    return Limits(modem.hourly_limit, modem.daily_limit, modem.monthly_recipients)


def duty_key(slot: ModemSlot) -> str:
    return f"duty of modem {slot.name}"
