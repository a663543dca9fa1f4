"""What monitoring reads: /metrics, in the text format of Prometheus.

The figures are taken on the event loop, as frozen values and copies; the text is written on another thread. Every label
has a closed set of values: there is no number, no request and no brand among them. Each series is there from the start,
but for countries, and what a device does not say. prometheus-client is loaded at the first look.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from daemon.operations.answer_times import HttpTimes
from daemon.operations.counters import Tally
from daemon.operations.metric_figures import Figures
from daemon.operations.status import Health

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """For the event loop's thread. database: its file, where it is SQLite; country: as of a Tally.

    routes: those with times of their own.
    """

    def __init__(
        self,
        health: Health,
        workflows: Iterable[int],
        database: Path | None,
        country: Callable[[str], str],
        routes: frozenset[str] = frozenset(),
    ) -> None:
        self._health, snapshots = health, health.snapshots
        slots = snapshots.sms.pool.slots if snapshots.sms is not None else ()
        names = [slot.name for slot in slots]
        self._tally = Tally(tuple(workflows), names, country, snapshots.engine.clock.speed)
        self._files = {}
        if database is not None:
            self._files = {"database": database, "wal": database.with_name(database.name + "-wal")}
        snapshots.engine.watchers.append(self._tally.see)
        self._times = HttpTimes(routes)
        self.observe = self._times.observe

    def watch(self, modems: Iterable[str], workflows: Iterable[int]) -> None:
        """Count what these send, and these workflows, too."""
        self._tally.watch(modems, workflows)

    async def text(self) -> bytes:
        return await asyncio.to_thread(written, await self.figures())

    async def figures(self) -> Figures:
        """As they are now."""
        snapshots = self._health.snapshots
        requests, timers = await snapshots.requests(), await snapshots.timers()
        now = snapshots.take()
        found = await self._health.examined_around(now)
        return Figures(
            now,
            requests,
            timers,
            counts=self._tally.counts(),
            files=self._files,
            problems=found.by_severity(),
            answers=self._times.copy(),
            commits=snapshots.engine.store.commits(),
            around=found.around,
        )


def written(figures: Figures) -> bytes:
    """The text; on any thread."""
    from daemon.operations.metric_families import exposition  # late: a start does not need prometheus-client

    return exposition(figures)
