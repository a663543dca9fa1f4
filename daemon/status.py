"""What the daemon says of itself: `pinwheel status`, /v1/status."""

import os
import time
from dataclasses import dataclass, field
from typing import Any

from daemon.clock import utc_text
from daemon.engine import Engine
from daemon.lanes import SmsLane, VoiceLane

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Health:
    engine: Engine
    sms: SmsLane | None
    calls: VoiceLane | None
    started: float = field(default_factory=time.monotonic)

    def report(self) -> dict[str, Any]:
        """Everything an operator looks at first."""
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self.started),
            "now": utc_text(self.engine.clock.now()),
            "clock_speed": self.engine.clock.speed,
            "clock_stepped_s": round(self.engine.clock.step_s(), 1),
            "store": "the last write failed" if self.engine.store.broken else "ok",
            "requests": self.engine.store.reading.counts(),
            "modems": self.modems(),
            "voice": self.voice(),
        }

    def modems(self) -> list[dict[str, Any]]:
        if self.sms is None:
            return []
        return [
            {
                "name": slot.settings.name,
                "state": str(status.state),
                "detail": status.detail,
                "operator": status.operator,
                "signal_dbm": status.signal_dbm,
                "model": status.model,
                "queue": self.sms.waiting,
                "outcomes": dict(slot.outcomes),
            }
            for slot in self.sms.slots
            for status in [slot.driver.status()]
        ]

    def voice(self) -> dict[str, Any]:
        if self.calls is None:
            return {"driver": "none"}
        status = self.calls.driver.status()
        return {
            "driver": self.calls.driver.name,
            "state": str(status.state),
            "detail": status.detail,
            "server": status.server,
            "registered": status.registered,
            "calls": status.calls,
            "waiting": self.calls.waiting,
            "outcomes": dict(self.calls.outcomes),
        }
