"""The daemon while it serves: from the first listening socket to the last answer."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.api.app import application
from daemon.api.server import (
    Listener,
    tcp_socket,
    tls_files,
    unix_socket,
)
from daemon.config import Config
from daemon.engine import Engine
from daemon.lanes.sms import SmsLane
from daemon.lanes.voice import VoiceLane
from daemon.operations.alert_sender import alert_sender_of
from daemon.operations.canary import Canarying
from daemon.operations.forgetting import Forgetting
from daemon.operations.old_key import OldKey
from daemon.operations.reloading import Prepare, Reloader
from daemon.operations.retention import Retaining
from daemon.operations.snapshots import Snapshots
from daemon.operations.status import Health
from daemon.operations.systemd import notify, watchdog_interval_s
from daemon.store.contract import StoreUnusable
from daemon.store.store import Store
from daemon.version import VERSION

log = logging.getLogger("pinwheel")

LOOK_S = 5.0  # how often the path of an inherited socket is looked for
COLLECT_AFTER = 50_000  # new objects: more than 256 starts at once have; what a request leaves needs no collector


@dataclass(frozen=True, slots=True)
class Daemon:
    """All parts, put together and not yet started."""

    config: Config
    path: Path
    store: Store
    engine: Engine
    sms: SmsLane | None
    calls: VoiceLane | None
    retaining: Retaining
    forgetting: Forgetting
    old_key: OldKey
    canary: Canarying
    owners: tuple[Prepare, ...]
    """Of what a reload changes."""
    given: frozenset[str] = frozenset()
    """Keys that the command line has set, such as "[log] level"."""

    async def run(self, inherited: list[socket.socket], ready: Callable[[], None]) -> None:
        """On duty from the first listening socket until SIGTERM or SIGINT.

        inherited: the listening sockets that systemd passed. ready: is called once, when requests are served.
        Raises PartEnded when a part ends that must not.
        """
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        hangup = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
        reloader = Reloader(self.path, self.config, self.calls, self.owners, self.given)
        health = Health(Snapshots(self.engine, self.sms, self.calls, self.canary), self.config)
        sender = alert_sender_of(self.config.alert, health.snapshots)
        reloader.owners.append(sender.prepare)
        app = application(self.config, self.engine, health, reloader, self.forgetting, sender)
        listeners = [Listener(app, sock, tls) for sock, tls in _sockets(self.config, inherited)]
        for lane in self._lanes:  # not before: a start that fails touches no device
            lane.open()
        self.canary.open()
        self.engine.recover()
        changing = [asyncio.create_task(each) for each in (_reloads(reloader, hangup), sender.run())]
        duties = [*self._duties(), *changing, asyncio.create_task(_look_after(inherited))]
        serving = [asyncio.create_task(listener.serve()) for listener in listeners]
        log.info("state=ready version=%s pid=%s", VERSION, os.getpid())
        notify("READY=1", f"STATUS=version {VERSION}")
        ready()
        settling = asyncio.create_task(_settle())
        ended = await _first_end(duties + serving, stopping)
        log.info("state=stopping")
        notify("STOPPING=1")
        for each in changing:  # from now on nothing is opened, and nobody called
            each.cancel()
        if not inherited:
            Path(self.config.api.socket).unlink(missing_ok=True)  # while it is still ours
        app.stop()
        for listener in listeners:
            listener.stop()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.gather(*(lane.close() for lane in self._lanes), settling)
        for duty in duties:
            duty.cancel()
        if ended:
            raise PartEnded(", ".join(ended))

    @property
    def _lanes(self) -> list[SmsLane | VoiceLane]:
        return [lane for lane in (self.sms, self.calls) if lane is not None]

    def _duties(self) -> "list[asyncio.Task[None]]":
        """What goes on until the end."""
        retaining, old_key = self.retaining.run(self.engine.clock), self.old_key.run()
        forgetting = self.forgetting.run()
        timers, canary = self.engine.timers.run(), self.canary.run()
        running = (timers, self._watchdog(), _keeps_up(self.store), retaining, forgetting, old_key, canary)
        return [asyncio.create_task(duty) for duty in running]

    async def _watchdog(self) -> None:
        """Report to systemd that the engine commits; it restarts a daemon whose loop or database hangs."""
        interval_s = watchdog_interval_s()
        while True:
            await asyncio.sleep(interval_s or 3600)
            with contextlib.suppress(StoreUnusable):  # PostgreSQL is away: a restart would not bring it back
                await self.store.turn()
            notify("WATCHDOG=1")


async def _settle() -> None:
    """What need not be done before requests are served.

    What the start has made lasts as long as the process: the garbage collector need not go through it time and again.
    It took a fourth of the CPU of a start of a verification, and held the event loop up. Until now it was off: it
    would have found a thousand objects.
    """
    try:
        await asyncio.get_running_loop().run_in_executor(None, _load_late)
    finally:  # whatever could not be loaded: without the collector the daemon would grow
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        gc.enable()


def _load_late() -> None:
    """Import what the first requests need, and the start does not."""
    import daemon.api.premium_numbers
    import daemon.operations.doctor.self_check  # noqa: F401


async def _reloads(reloader: Reloader, hangup: asyncio.Event) -> None:
    """Reload at each SIGHUP; what came of it is in the log."""
    while True:
        await hangup.wait()
        hangup.clear()
        await reloader.reload()


async def _look_after(inherited: list[socket.socket]) -> None:
    """Log once that somebody removed the path of a socket that systemd passed: only systemd can make it again."""
    lost: set[str] = set()
    while True:
        await asyncio.sleep(LOOK_S)
        for path in map(str, (sock.getsockname() for sock in inherited if sock.family == socket.AF_UNIX)):
            if path not in lost and not os.path.exists(path):
                lost.add(path)
                log.error("socket=%s is gone; no client can connect; run: systemctl restart pinwheel.socket", path)


async def _keeps_up(store: Store) -> None:
    """End where the rows are not what the daemon knows: systemd starts it again, and it begins with the rows."""
    while not store.database.stale:
        await asyncio.sleep(LOOK_S)
    raise StoreUnusable(store.database.stale)


class PartEnded(Exception):
    """A part that must never end did; the log says why."""


async def _first_end(tasks: list["asyncio.Task[None]"], stopping: asyncio.Event) -> list[str]:
    """Wait for the order to stop, or for the end of a part that must never end: those are named, and logged."""
    stop = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
    for task in done - {stop}:
        log.critical("task=%s ended", task.get_name(), exc_info=task.exception())
    stop.cancel()
    return [task.get_name() for task in done - {stop}]


def _sockets(config: Config, inherited: list[socket.socket]) -> list[tuple[socket.socket, tuple[str, str] | None]]:
    """The listening sockets, each with its TLS files or None."""
    local = inherited or [unix_socket(Path(config.api.socket), int(config.api.socket_mode, 8))]
    sockets: list[tuple[socket.socket, tuple[str, str] | None]] = [(sock, None) for sock in local]
    if config.api.tcp:
        sockets.append((tcp_socket(config.api.tcp), tls_files(config.api.tls_cert, config.api.tls_key)))
    return sockets
