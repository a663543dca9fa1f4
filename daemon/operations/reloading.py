"""Reloading: takes up what has changed in the configuration and can change live, and loads the prompts again.

All live keys of a file are taken up together, or none: first everything that they need is read and made, which may
fail; then every owner gets its new values within one turn of the event loop. `live` says which keys are live.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from daemon.config import Config, inspect
from daemon.lanes.voice import VoiceLane
from daemon.operations.prompts import loaded, log_prompts
from daemon.operations.reload_effects import ROW_NAMES, Effect, changed
from daemon.operations.systemd import notify
from daemon.prompts.library import PromptLibrary

log = logging.getLogger("pinwheel")

Apply = Callable[[], None]
Prepare = Callable[[Config], Apply]
"""Of an owner: makes all that it needs of a configuration, or raises OSError; what it gives takes that up."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did. locales: that can be spoken. applied, restart: keys that differ. mistakes: why it failed."""

    locales: tuple[str, ...]
    applied: tuple[str, ...]
    restart: tuple[str, ...]
    mistakes: tuple[str, ...]


class Reloader:
    """Of one daemon; one reload at a time. started: the configuration of its start.

    given: keys that the command line has set, whatever the file says.
    """

    def __init__(
        self,
        path: Path,
        started: Config,
        calls: VoiceLane | None,
        owners: Sequence[Prepare],
        given: frozenset[str] = frozenset(),
    ) -> None:
        self.owners = [*owners]
        self._path, self._calls, self._given = path, calls, given
        self._started, self._current = started, started  # of keys that need a restart; of live ones
        self._turn = asyncio.Lock()

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
        if done.applied:
            log.info("reload=applied keys=%r", ", ".join(done.applied))
        if done.restart:
            log.warning("reload=incomplete restart_needed_for=%r", ", ".join(done.restart))
        if not done.mistakes:
            log.info("reload=done locales=%s", ",".join(done.locales) or "none")
        return done

    async def _reload(self) -> Reloaded:
        on_disk = await asyncio.to_thread(inspect, self._path)
        config = on_disk.config
        mistakes = [f"{self._path}: {mistake}" for mistake in on_disk.mistakes]
        if mistakes:
            return Reloaded(self._locales, (), (), tuple(mistakes))  # a restart would fail, too: none is advised
        try:
            ready = [prepare(config) for prepare in self.owners]
        except OSError as exc:
            return Reloaded(self._locales, (), (), (f"{self._path}: {exc}; nothing was changed",))
        prompts = await asyncio.to_thread(loaded, config) if self._calls is not None else None
        applied, restart = self._differing(config, Effect.LIVE), self._differing(config, Effect.RESTART)
        for apply in ready:
            apply()
        self._current = config
        broken = self._speak(config, prompts) if prompts is not None else []
        return Reloaded(self._locales, applied, restart, tuple(broken))

    def _speak(self, config: Config, found: PromptLibrary) -> list[str]:
        """Take up the prompts; what is wrong with some of them, in place of which the ones in use stay."""
        assert self._calls is not None
        self._calls.speaker.prompts = found.or_else(self._calls.speaker.prompts)
        log_prompts(config, self._calls.speaker.prompts)
        return [mistake for broken in found.broken.values() for mistake in broken]

    @property
    def _locales(self) -> tuple[str, ...]:
        return tuple(self._calls.speaker.prompts.locales) if self._calls is not None else ()

    def _differing(self, config: Config, wanted: Effect) -> tuple[str, ...]:
        running = self._started if wanted is Effect.RESTART else self._current
        differing = changed(tables(running), tables(config))
        return tuple(sorted(key for key, effect in differing if effect is wanted and key not in self._given))


def tables(config: Config) -> dict[str, dict[str, Any]]:
    """Each section with its keys, a driver's options among them; rows by the key that distinguishes them."""
    found: dict[str, dict[str, Any]] = {}
    for where, section in named_sections(config):
        values = {f.name: getattr(section, f.name) for f in fields(section) if f.name != "options"}
        found.setdefault(where, {}).update(values)
    return found


def named_sections(config: Config) -> Iterator[tuple[str, Any]]:
    """As `probing.sections`, but rows are called by their names: their places change when one is removed."""
    for f in fields(config):
        content = getattr(config, f.name)
        for section in content if isinstance(content, tuple) else (content,):
            name = ROW_NAMES.get(f.name)
            where = f"[[{f.name}]] {getattr(section, name)}" if name else f"[{f.name}]"
            yield where, section
            if getattr(section, "options", None) is not None:
                yield where, section.options
