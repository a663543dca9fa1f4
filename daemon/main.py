"""pinwheeld: reads the configuration, puts the parts together, runs until it is told to stop."""

import asyncio
import contextlib
import faulthandler
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

import drivers
from daemon import config as configuration
from daemon import masterkey
from daemon.api.app import application
from daemon.api.server import (
    Listener,
    SocketUnusable,
    inherited_sockets,
    tcp_socket,
    tls_files,
    unix_socket,
)
from daemon.clock import Clock
from daemon.config import Config, ConfigErrors
from daemon.core.commands import Policy
from daemon.core.milliseconds import in_seconds, seconds
from daemon.core.model import Channel, Request
from daemon.core.phrases import DEFAULT_LOCALE, locale_for_region, sms_text
from daemon.engine import Engine
from daemon.lanes.sms import SmsLane
from daemon.lanes.voice import Manner, VoiceLane
from daemon.masterkey import KeyUnusable
from daemon.operations import journal, standby
from daemon.operations.checking import NoSuchUser, check
from daemon.operations.reloading import Reloader
from daemon.operations.status import Health
from daemon.operations.systemd import notify, watchdog_interval_s
from daemon.pins import Pins
from daemon.program import Program
from daemon.prompts.library import PromptLibrary, PromptsUnusable, load_phrases, shipped_prompts
from daemon.resources import DEFAULT_CONFIG
from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.store import SqliteStore
from daemon.version import VERSION
from drivers.settings import Severity

log = logging.getLogger("pinwheel")

UNUSABLE = (ConfigErrors, StoreUnusable, KeyUnusable, SocketUnusable, PromptsUnusable, OSError)
LOOK_S = 5.0  # how often the path of an inherited socket is looked for
OPEN_FILES = 8192  # as LimitNOFILE of the unit: one for each connection that the listeners take, and all others
EX_CONFIG, EX_SOFTWARE = 78, 70  # sysexits.h: a start that cannot succeed as things are; a defect of ours


@dataclass(frozen=True, slots=True)
class Daemon:
    """All parts, put together and not yet started."""

    config: Config
    path: Path
    store: SqliteStore
    engine: Engine
    sms: SmsLane | None
    calls: VoiceLane | None

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
        lanes = [lane for lane in (self.sms, self.calls) if lane is not None]
        for lane in lanes:
            lane.open()
        self.engine.recover()
        reloader = Reloader(self.path, self.config, self.calls, _prompts, _tell_prompts)
        app = application(self.config, self.engine, Health(self.engine, self.sms, self.calls), stopping, reloader)
        listeners = [Listener(app, sock, tls) for sock, tls in _sockets(self.config, inherited)]
        running = (self.engine.timers.run(), self._watchdog(), _reloads(reloader, hangup), _look_after(inherited))
        duties = [asyncio.create_task(duty) for duty in running]
        serving = [asyncio.create_task(listener.serve()) for listener in listeners]
        log.info("state=ready version=%s pid=%s", VERSION, os.getpid())
        notify("READY=1", f"STATUS=version {VERSION}")
        ready()
        ended = await _first_end(duties + serving, stopping)
        log.info("state=stopping")
        notify("STOPPING=1")
        stopping.set()
        if not inherited:
            Path(self.config.api.socket).unlink(missing_ok=True)  # while it is still ours
        for listener in listeners:
            listener.stop()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.gather(*(lane.close() for lane in lanes))
        for duty in duties:
            duty.cancel()
        if ended:
            raise PartEnded(", ".join(ended))

    async def _watchdog(self) -> None:
        """Tell systemd that the engine commits: a loop or a database that hangs is silent, and gets restarted."""
        interval_s = watchdog_interval_s()
        while True:
            await asyncio.sleep(interval_s or 3600)
            await self.store.submit(lambda _: None)
            notify("WATCHDOG=1")


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


def _prompts(config: Config) -> PromptLibrary:
    return PromptLibrary.open([Path(config.prompts.directory), shipped_prompts()])


def _tell_prompts(config: Config, prompts: PromptLibrary) -> None:
    """Which locales can be spoken, and which somebody may expect that cannot."""
    log.info("prompts=loaded complete=%s", ",".join(prompts.locales) or "none")
    lacking = {*prompts.begun, *_likely_locales(config.security.allow_prefixes), DEFAULT_LOCALE} - {*prompts.locales}
    if lacking:
        log.warning("prompts=incomplete locales=%s remedy='pinwheel prompts check'", ",".join(sorted(lacking)))
    for mistake in (mistake for mistakes in prompts.broken.values() for mistake in mistakes):
        log.error("prompts=broken reason=%r", mistake)


def _likely_locales(prefixes: Sequence[str]) -> set[str]:
    """The locales of the countries whose numbers are allowed, where only some are."""
    if not prefixes:
        return set()
    import phonenumbers  # late: most configurations allow all

    codes = {int(prefix[:digits]) for prefix in prefixes for digits in (1, 2, 3)}
    regions = (region for code in codes for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()))
    return {locale_for_region(region) for region in regions}


def assemble(config: Config, path: Path) -> Daemon:
    """Open the store and make the rest. Raises one of UNUSABLE."""
    phrases = load_phrases()
    prompts = _prompts(config)
    store, key, origin = _opened(config)
    policy = Policy(
        config.security.max_active_per_number,
        seconds(config.security.cancel_after),
        config.security.cancel_before_event,
        config.security.on_refused,
        config.sms.on_dropped,
        {modem.name: modem.on_uncertain == "resend" for modem in config.modem},
    )
    engine = Engine(store, Clock(config.clock.speed, origin), Pins(key), policy)

    def text(request: Request, pin: str) -> str:
        minutes = -(-int(request.pin_expiry) // 60_000)
        return sms_text(phrases.for_locale(request.locale), request.brand, pin, minutes, config.sms.origin)

    sms = calls = None
    if config.modem:
        modems = [(drivers.load(modem.driver).Driver(modem.name, modem.options), modem) for modem in config.modem]
        engine.lanes[Channel.SMS] = sms = SmsLane(
            engine, modems, text, flash=config.sms.flash, least_life_s=config.sms.least_life
        )
    if config.voice.driver != "none":
        voice, options = config.voice, config.voice.options
        if getattr(options, "state_file", None) == "":
            options = replace(options, state_file=str(_state_directory(config) / "voice.json"))
        driver = drivers.load(voice.driver).Driver(voice.driver, options)
        manner = Manner(
            voice.ring_seconds,
            voice.repeats,
            voice.confirm == "press1",
            voice.limit_seconds,
            voice.machine == "hangup",
        )
        _tell_prompts(config, prompts)
        engine.lanes[Channel.TTS] = calls = VoiceLane(
            engine, driver, prompts, manner, max_calls=voice.max_calls, a_second=voice.calls_per_second
        )
    return Daemon(config, path, store, engine, sms, calls)


def _opened(config: Config) -> tuple[SqliteStore, bytes, float]:
    """The store, the key that its requests know, and where its clock began. Raises StoreUnusable or KeyUnusable."""
    place = masterkey.place(config.security.key_file, _state_directory(config))
    store = SqliteStore(config.store.path)
    store.open()
    with contextlib.ExitStack() as undo:
        undo.callback(store.close)
        key = masterkey.load(place, store.reading.meta(masterkey.META) or "", store.reading.live())
        store.set_meta(masterkey.META, masterkey.identity(key))
        origin = float(store.meta("clock origin", repr(in_seconds(Clock().now()))))
        undo.pop_all()
    return store, key, origin


def _state_directory(config: Config) -> Path:
    directory = config.store.path.parent
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as exc:
        raise StoreUnusable(f"cannot make {directory}: {exc.strerror}; see [store] url") from exc
    return directory


def _sockets(config: Config, inherited: list[socket.socket]) -> list[tuple[socket.socket, tuple[str, str] | None]]:
    """The listening sockets, each with its TLS files or None."""
    local = inherited or [unix_socket(Path(config.api.socket), int(config.api.socket_mode, 8))]
    sockets: list[tuple[socket.socket, tuple[str, str] | None]] = [(sock, None) for sock in local]
    if config.api.tcp:
        sockets.append((tcp_socket(config.api.tcp), tls_files(config.api.tls_cert, config.api.tls_key)))
    return sockets


async def _main(path: Path, inherited: list[socket.socket], ready: Callable[[], None]) -> None:
    daemon = assemble(_usable(path), path)
    try:
        await daemon.run(inherited, ready)
    finally:
        daemon.store.close()


@click.command(cls=Program)
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)
@click.option("--check-config", is_flag=True, help="Only look at the configuration, and name every mistake in it.")
@click.option(
    "--user", default="", help="With --check-config, as root: as whom; default for the installed file: pinwheel."
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.version_option(VERSION)
def main(path: Path, check_config: bool, user: str, log_level: str) -> None:
    """The Pinwheel daemon: verifies phone numbers by SMS and by call.

    It listens on the Unix socket of its configuration, or on the one that systemd passes, and stays in the
    foreground; SIGTERM stops it after what is on the wire has been recorded, SIGHUP makes it load the prompts anew.
    Exit status: 0 stopped, 70 a part ended that must not (the log says which), 78 it cannot start as things are.
    Under systemd a start that fails again waits before it ends (0.5 to 15 s, longer each time; a change of the
    configuration file ends the wait) and answers clients that the daemon does not start.
    """
    if check_config:
        try:
            raise SystemExit(0 if check(path, user) else 1)
        except NoSuchUser as exc:
            raise click.UsageError(str(exc)) from exc
    faulthandler.enable()  # SIGABRT, which the watchdog sends, writes the stack of every thread to stderr
    journal.log_to(log_level)
    _allow_open_files()
    raise SystemExit(_serve(path, inherited_sockets(), standby.FailedStarts(os.environ.get("RUNTIME_DIRECTORY", ""))))


def _allow_open_files() -> None:
    """Raise the soft limit, which is 1024 in most shells and containers: connections alone could use these up."""
    with contextlib.suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _serve(path: Path, inherited: list[socket.socket], failed: standby.FailedStarts) -> int:
    """Run the daemon; its exit status. A start that fails under systemd is answered for (see `standby`)."""
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(_main(path, inherited, failed.clear))
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


if __name__ == "__main__":
    main()
