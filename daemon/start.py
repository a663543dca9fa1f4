"""One run of the daemon, and how it ends. `assembly` puts the parts together, `serving` runs them."""

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from daemon import config as configuration
from daemon.api.server import Listener, SocketUnusable
from daemon.assembly import assemble
from daemon.config import Config, ConfigErrors
from daemon.master_key_files import KeyUnusable
from daemon.operations import journal, standby
from daemon.operations.systemd import inherited_sockets, runtime_directory
from daemon.prompts.library import PromptsUnusable
from daemon.serving import PartEnded
from daemon.store.contract import StoreUnusable
from drivers.settings import Severity

log = logging.getLogger("pinwheel")

UNUSABLE = (ConfigErrors, StoreUnusable, KeyUnusable, SocketUnusable, PromptsUnusable, OSError)
LEVEL = "[log] level"
OPEN_FILES = 8192  # as LimitNOFILE of the unit: one for each connection that the listeners take, and all others
EX_CONFIG, EX_SOFTWARE = 78, 70  # sysexits.h: a start that cannot succeed as things are; a defect of ours


async def _main(path: Path, inherited: list[socket.socket], ready: Callable[[], None], *, log_level: bool) -> None:
    """log_level: the configuration's, also after a reload; False: the one that was given."""
    config = _usable(path)
    daemon = assemble(config, path)
    if log_level:
        journal.set_level(config)()
        daemon = replace(daemon, owners=(*daemon.owners, journal.set_level))
    else:
        daemon = replace(daemon, given=frozenset({LEVEL}))
    try:
        await daemon.run(inherited, ready)
    finally:
        daemon.store.close()


def start(path: Path, log_level: str | None) -> int:
    """Run the daemon until it ends; the exit status. log_level: in place of the configuration's."""
    journal.log_to(log_level or "info")
    _allow_open_files()
    failed = standby.FailedStarts(runtime_directory())
    return serve(path, inherited_sockets(), failed, log_level=log_level is None)


def _allow_open_files() -> None:
    """Raise the soft limit, which is 1024 in most shells and containers: connections alone could use these up."""
    with contextlib.suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(path: Path, inherited: list[socket.socket], failed: standby.FailedStarts, log_level: bool = True) -> int:
    """Run the daemon; its exit status. A start that fails under systemd is answered for (see `standby`)."""
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(_main(path, inherited, failed.clear, log_level=log_level))
    except PartEnded:
        return EX_SOFTWARE
    except UNUSABLE as exc:
        for line in str(exc).splitlines():
            log.error("%s", line)
        _stand_by(str(exc).partition("\n")[0], path, inherited, failed)
        return EX_CONFIG
    return 0


def _stand_by(reason: str, path: Path, inherited: list[socket.socket], failed: standby.FailedStarts) -> None:
    pause_s = standby.pause_s(failed.count())
    if inherited and pause_s:
        log.info("state=waiting pause_s=%g", pause_s)
        with asyncio.Runner(loop_factory=_new_loop) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(standby.wait(reason, pause_s, path, inherited, Listener))


def _usable(path: Path) -> Config:
    """What the file says; what is wrong with it and does not keep the daemon from its work is logged."""
    inspection = configuration.inspect(path)
    inspection.refuse_fatal()
    for finding in inspection.findings:
        level = logging.WARNING if finding.severity is Severity.WARNING else logging.ERROR
        log.log(level, "config=%s mistake=%r", path, str(finding))
    return inspection.config


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()
