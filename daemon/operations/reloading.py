"""Reloading: loads the prompts again, and reports the keys that have changed on disk and need a restart.

A file that a start would refuse, or a set of prompts that is broken, makes the reload fail; the prompts in use stay.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from daemon.config import Config, inspect
from daemon.config.probing import sections
from daemon.lanes.voice import VoiceLane
from daemon.operations.prompts import loaded, log_prompts
from daemon.operations.systemd import notify

log = logging.getLogger("pinwheel")

FOR_COMMANDS_ONLY = frozenset({"[prompts] engine", "[prompts] brands"})  # the daemon does not use them


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did. locales: that can be spoken. restart: keys that differ on disk. mistakes: why it failed."""

    locales: tuple[str, ...]
    restart: tuple[str, ...]
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reloader:
    """Of one daemon; one reload at a time."""

    path: Path
    running: Config
    calls: VoiceLane | None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self) -> Reloaded:
        """Do it, and notify systemd of its begin and end (sd_notify(3): the clock says which request that answers)."""
        async with self._turn:
            notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
            try:
                done = await self._reload()
            finally:
                notify("READY=1")
        for mistake in done.mistakes:
            log.error("reload=failed mistake=%r", mistake)
        if done.restart:
            log.warning("reload=incomplete restart_needed_for=%r", ", ".join(done.restart))
        if not done.mistakes:
            log.info("reload=done locales=%s", ",".join(done.locales) or "none")
        return done

    async def _reload(self) -> Reloaded:
        on_disk = await asyncio.to_thread(inspect, self.path)
        mistakes = [f"{self.path}: {mistake}" for mistake in on_disk.mistakes]
        restart = sorted(set(changed(self.running, on_disk.config)) - FOR_COMMANDS_ONLY) if on_disk.readable else ()
        if self.calls is None:
            return Reloaded((), tuple(restart), tuple(mistakes))
        found = await asyncio.to_thread(loaded, self.running)
        self.calls.speaker.prompts = found.or_else(self.calls.speaker.prompts)
        log_prompts(self.running, self.calls.speaker.prompts)
        mistakes += [mistake for broken in found.broken.values() for mistake in broken]
        return Reloaded(tuple(self.calls.speaker.prompts.locales), tuple(restart), tuple(mistakes))


def changed(running: Config, on_disk: Config) -> Iterator[str]:
    """The keys whose values differ, as "[api] tcp"; a table that only one of the two has, as "[[modem]] number 2"."""
    before, after = (dict(_tables(config)) for config in (running, on_disk))
    for where in dict.fromkeys((*before, *after)):
        if where not in before or where not in after:
            yield where
            continue
        names = dict.fromkeys((*before[where], *after[where]))
        yield from (f"{where} {name}" for name in names if before[where].get(name) != after[where].get(name))


def _tables(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each section with its keys, a driver's options among them."""
    tables: dict[str, dict[str, Any]] = {}
    for where, section in sections(config):
        values = {f.name: getattr(section, f.name) for f in fields(section) if f.name != "options"}
        tables.setdefault(where, {}).update(values)
    yield from tables.items()
