"""The state of the daemon: `pinwheel status`, /v1/status."""

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import zoned_text
from daemon.config import Config
from daemon.core.model import Channel
from daemon.lanes.snapshots import Duty, ModemSnapshot, SmsSnapshot, VoiceSnapshot
from daemon.operations.last_minute import LastMinute
from daemon.operations.snapshots import Snapshot, Snapshots
from daemon.store.condition import WELL
from daemon.version import VERSION
from drivers import Balance, DeviceState

if TYPE_CHECKING:
    from daemon.operations.doctor.self_check import Examination

UNREADABLE = "the database cannot be read"


@dataclass(frozen=True, slots=True)
class Health:
    """What an operator asks of the daemon, from its snapshots."""

    snapshots: Snapshots
    config: Config
    started: float = field(default_factory=time.monotonic)
    recent: LastMinute = field(default_factory=LastMinute)

    def __post_init__(self) -> None:
        self.snapshots.engine.watchers.append(self.recent.see)

    async def report(self) -> dict[str, Any]:
        """Everything an operator looks at first."""
        engine = self.snapshots.engine
        requests = await self.snapshots.requests()
        now = self.snapshots.take()
        found = await self.examined_around(now)
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self.started),
            "now": zoned_text(now.at),
            "clock_speed": engine.clock.speed,
            "clock_stepped_s": round(engine.clock.step_s(), 1),
            "health": found.health or "ok",
            "reasons": found.reasons,
            "problems": found.problems(),
            "store": UNREADABLE if requests is None and now.store == WELL else str(now.store),
            "requests": requests or {},
            "per_minute": self.recent.per_minute(now.at)._asdict(),
            "queues": queues(now),
            "overload": str((now.sms and now.sms.overload) or ""),
            "modems": modems(now.sms),
            "voice": voice(now.voice),
            "canary": canary(now),
        }

    def examined(self) -> "Examination":
        """At once, from memory."""
        from daemon.operations.doctor import self_check  # late: 20 ms of imports that a start need not wait for

        return self_check.examined(self.snapshots.take())

    async def examined_around(self, now: Snapshot) -> "Examination":
        """With the files around."""
        from daemon.operations.doctor import self_check  # late, as above

        return await self_check.examined_around(now, self.config)


def queues(now: Snapshot) -> dict[str, dict[str, float]]:
    """What waits for a device, by channel, and since when the first of it does."""
    lanes = {Channel.SMS: now.sms, Channel.TTS: now.voice}
    here = {channel: lane for channel, lane in lanes.items() if lane is not None}
    return {
        str(channel): {"waiting": lane.waiting, "oldest_s": round(lane.oldest_s, 1)} for channel, lane in here.items()
    }


def modems(sms: SmsSnapshot | None) -> list[dict[str, Any]]:
    """As /v1/modems shows them."""
    return [{**_modem(modem), "queue": sms.waiting} for modem in sms.modems] if sms is not None else []


def canary(now: Snapshot) -> list[dict[str, Any]]:
    """Of each device that tries itself: its last success, failures in a row, and why the last of them failed."""
    return [
        {
            "device": device,
            "last_success": zoned_text(standing.succeeded_at),
            "failures": standing.failures,
            "detail": standing.why,
        }
        for device, standing in now.canary.items()
    ]


def balance(known: Balance | None) -> dict[str, Any] | None:
    """age_s: since the network said it."""
    if known is None:
        return None
    age_s = round(time.monotonic() - known.at)
    return {"amount": float(known.amount), "currency": known.currency, "age_s": age_s}


def voice(now: VoiceSnapshot | None) -> dict[str, Any]:
    """As /v1/voice shows it."""
    if now is None:
        return {"driver": "none"}
    status = now.status
    return {
        "driver": now.driver,
        "state": str(status.state),
        "detail": status.detail,
        "server": status.server,
        "registered": status.registered,
        "calls": status.calls,
        "in_progress": [
            {"request_id": call.request_id, "phase": str(call.phase), "since_s": round(call.since_s)}
            for call in now.calls
        ],
        "waiting": now.waiting,
        "outcomes": now.outcomes,
        "locales": now.locales,
    }


def _modem(modem: ModemSnapshot) -> dict[str, Any]:
    """A modem with its SIM; state is what the operator decided, where that keeps it from work."""
    status, used, limits = modem.status, modem.used, modem.limits
    error_at, error = modem.last_error or (None, "")
    return {
        "name": modem.name,
        "state": str(status.state if modem.duty is Duty.WORKING else modem.duty),
        "detail": status.detail,
        "device": str(status.state),
        "operator": status.operator,
        "signal_dbm": status.signal_dbm,
        "model": status.model,
        "imei": status.imei,
        "imsi": status.imsi,
        "balance": balance(status.balance),
        "port": status.port,
        "remarks": [*status.remarks, *modem.remarks],
        "busy": modem.busy,
        "usual_s": round(modem.usual_s, 1),
        "sent": {"hour": used.hour, "day": used.day, "recipients": used.recipients},
        "limits": {"hour": limits.hourly, "day": limits.daily, "recipients": limits.monthly_recipients},
        "limit_reached": modem.full,
        "outcomes": modem.outcomes,
        "last_error": error,
        "last_error_over": status.state is DeviceState.READY and not status.detail and modem.failures == 0,
        "last_error_at": zoned_text(error_at),
    }
