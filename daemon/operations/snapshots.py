"""What operators see is made of these: frozen values of one moment, and never the insides of lanes and drivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from daemon.core.canary import Standing
from daemon.core.milliseconds import Ms
from daemon.engine import Engine
from daemon.lanes.sms import SmsLane
from daemon.lanes.snapshots import SmsSnapshot, VoiceSnapshot
from daemon.lanes.voice import VoiceLane
from daemon.operations.canary import Canarying
from daemon.store.cached_figure import CachedFigure
from daemon.store.condition import Condition
from daemon.store.contract import StoreUnusable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon at one moment. sms, voice: None where it has no modem, or no voice driver."""

    at: Ms
    store: Condition
    sms: SmsSnapshot | None
    voice: VoiceSnapshot | None
    canary: Mapping[str, Standing] = field(default_factory=dict)
    """By device, of those that try themselves."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Where they come from. For the event loop's thread; what it gives may go to any other."""

    engine: Engine
    sms: SmsLane | None
    calls: VoiceLane | None
    canary: Canarying | None = None

    async def requests(self) -> dict[str, int] | None:
        """How many requests stand where; None while the database cannot be read."""
        return await _if_readable(self.engine.store.counts)

    async def timers(self) -> int | None:
        """How many requests have a timer; None while the database cannot be read."""
        return await _if_readable(self.engine.store.timers)

    def take(self) -> Snapshot:
        return Snapshot(
            self.engine.clock.now(),
            self.engine.store.condition,
            self.sms.snapshot() if self.sms is not None else None,
            self.calls.snapshot() if self.calls is not None else None,
            self.canary.standings if self.canary is not None else {},
        )


async def _if_readable(figure: CachedFigure[T]) -> T | None:
    try:
        return await figure.get()
    except StoreUnusable:
        return None
