"""The state of the daemon: `pinwheel status`, /v1/status."""

import os
import time
from dataclasses import dataclass, field
from typing import Any

from daemon.clock import zoned_text
from daemon.core.milliseconds import Ms
from daemon.engine import Engine
from daemon.lanes.sms import Duty, ModemSlot, SmsLane
from daemon.lanes.voice import VoiceLane
from daemon.store.contract import StoreUnusable
from daemon.version import VERSION
from drivers import DeviceState

AT_WORK = (DeviceState.READY, DeviceState.STARTING)


@dataclass(frozen=True, slots=True)
class Health:
    """Frozen looks at the parts of the daemon."""

    engine: Engine
    sms: SmsLane | None
    calls: VoiceLane | None
    started: float = field(default_factory=time.monotonic)

    async def report(self) -> dict[str, Any]:
        """Everything an operator looks at first."""
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self.started),
            "now": zoned_text(self.engine.clock.now()),
            "clock_speed": self.engine.clock.speed,
            "clock_stepped_s": round(self.engine.clock.step_s(), 1),
            "health": self.trouble() or "ok",
            "reasons": self.reasons(),
            "store": "the last write failed" if self.engine.store.broken else "ok",
            "requests": await self._counts(),
            "overload": str((self.sms and self.sms.overload) or ""),
            "modems": self.modems(),
            "voice": self.voice(),
        }

    async def _counts(self) -> dict[str, int]:
        """How many requests stand where; nothing while the database cannot be read."""
        try:
            return await self.engine.store.counts.get()
        except StoreUnusable:
            return {}

    def trouble(self) -> str:
        """Why the daemon cannot do its work, in a few words; "" where it can. `reasons` has the details."""
        if self.engine.store.broken:
            return "the database cannot be written"
        if self.calls is not None and not self.calls.driver.status().alive:
            return "voice is dead"
        devices = [self._modem_trouble(slot) for slot in self.sms.pool.slots] if self.sms is not None else []
        devices += [self._voice_trouble(self.calls)] if self.calls is not None else []
        return "" if "" in devices else "nothing can be sent"

    def reasons(self) -> list[str]:
        """What does not work, in a line each; why nothing can be sent, where that is so."""
        found: list[str] = []
        if self.sms is None and self.calls is None:
            found.append("the configuration has no [[modem]], and [voice] driver is none")
        if self.sms is not None:
            found += filter(None, map(self._modem_trouble, self.sms.pool.slots))
        if self.calls is not None:
            found += filter(None, [self._voice_trouble(self.calls)])
        return found

    def _modem_trouble(self, slot: ModemSlot) -> str:
        """Why the modem sends nothing now, or ""."""
        status, full = slot.driver.status(), slot.quota.full(self.engine.clock.now())
        if slot.duty is not Duty.WORKING:
            return f"modem {slot.name} is {slot.duty}: pinwheel modems resume {slot.name}"
        if status.state not in AT_WORK:
            return f"modem {slot.name} is {status.state}" + (f": {status.detail}" if status.detail else "")
        return f"modem {slot.name} has reached its limit: {full}" if full else ""

    def _voice_trouble(self, calls: VoiceLane) -> str:
        """Why no call is made now, or ""."""
        status = calls.driver.status()
        if status.state not in AT_WORK:
            return status.detail if status.state is DeviceState.FAILED else f"voice is {status.state}: {status.detail}"
        return "" if calls.prompts.locales else "voice has no prompts: pinwheel prompts check"

    def modems(self) -> list[dict[str, Any]]:
        if self.sms is None:
            return []
        now = self.engine.clock.now()
        return [{**_modem(slot, now), "queue": self.sms.waiting} for slot in self.sms.pool.slots]

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
            "in_progress": [
                {"request_id": request_id, "phase": str(call.phase), "since_s": round(time.monotonic() - call.since)}
                for request_id, call in self.calls.under_way.items()
            ],
            "waiting": self.calls.waiting,
            "outcomes": dict(self.calls.outcomes),
            "locales": self.calls.prompts.locales,
        }


def _modem(slot: ModemSlot, now: Ms) -> dict[str, Any]:
    """A modem with its SIM; state is what the operator decided, where that keeps it from work."""
    status, used, limits = slot.driver.status(), slot.quota.used(now), slot.quota.limits
    state = str(status.state) if slot.duty is Duty.WORKING else str(slot.duty)
    error_at, error = slot.last_error or (None, "")
    return {
        "name": slot.name,
        "state": state,
        "detail": status.detail,
        "device": str(status.state),
        "operator": status.operator,
        "signal_dbm": status.signal_dbm,
        "model": status.model,
        "imei": status.imei,
        "imsi": status.imsi,
        "port": status.port,
        "remarks": [*status.remarks, *slot.remarks],
        "busy": slot.busy,
        "usual_s": round(slot.pace.usual_s(time.monotonic()), 1),
        "sent": {"hour": used.hour, "day": used.day, "recipients": used.recipients},
        "limits": {"hour": limits.hourly, "day": limits.daily, "recipients": limits.monthly_recipients},
        "limit_reached": slot.quota.full(now),
        "outcomes": dict(slot.outcomes),
        "last_error": error,
        "last_error_over": status.state is DeviceState.READY and not status.detail and slot.resting.failures == 0,
        "last_error_at": zoned_text(error_at),
    }
