"""Gathers the facts on this machine. Each part has a limit of time; one that fails is missing, with the reason.

What the service's user sees is looked at by a process that becomes that user: root may read everything.
"""

import grp
import multiprocessing
import os
import pwd
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import drivers
from daemon.client.connection import Client, HttpProblem, Unreachable
from daemon.config import Config, Inspection, read
from daemon.config.findings import Finding
from daemon.operations.check_config import NoSuchUser, daemon_user, inspected
from daemon.operations.doctor.facts import (
    Answers,
    Asker,
    Audio,
    Configuration,
    Facts,
    Given,
    ModemPort,
    Ports,
    Prompts,
    Remark,
    Running,
    Service,
    Socket,
    Trunk,
)
from daemon.operations.doctor.verdicts import State, Verdict
from daemon.operations.host import files, kernel, port_rivals, programs, serial_ports, units
from daemon.operations.host.audio import taken
from daemon.operations.host.sqlite_file import database
from daemon.operations.host.values import MISSING, Clock, Database, Disk, Missing, Process
from daemon.operations.prompts import lacking, loaded
from daemon.version import VERSION
from drivers.checks import split_port
from drivers.settings import FaultKind, Severity

Part = TypeVar("Part")

LIMIT_S = 6.0  # for a part, unless it says another
CONFIG_S, ANSWERS_S, SURVEY_S, PROMPTS_S = 20.0, 30.0, 4.0, 20.0
ASKED = ("AT+CSCA?", "AT+CPMS?", "AT+CREG?")
OUR_UNIT = "pinwheel.service"
TCP = "[api] tcp"
NO_FILE = Missing("the configuration cannot be used")
NO_ANSWER = Missing("the daemon does not answer")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined. root: the folder that stands for "/"; say: prints what is waited for."""

    config: Path
    client: Client
    root: Path = Path("/")
    say: Callable[[str], None] = lambda _: None


def gathered(subject: Subject, *, slow: bool = True) -> Facts:
    """Everything that can be seen. slow: also what waits for a network or a modem."""
    seen = _as_the_service(subject)  # first: it forks, and there is no thread yet
    config = seen.inspection.config if seen.inspection is not None and seen.inspection.readable else None
    facts = _of_daemon(subject, _of_machine(subject, Facts()))
    facts = replace(facts, config=_configuration(seen, facts, subject.root), database=seen.database)
    if config is None:
        return replace(facts, ports=NO_FILE, trunk=NO_FILE, audio=NO_FILE, prompts=NO_FILE, answers=NO_FILE)
    return _of_devices(subject, config, facts, slow=slow)


def within(limit_s: float, probe: Callable[..., Part], *given: Any) -> Part | Missing:
    """What the probe gives, on a thread that is left behind where it hangs."""
    future: Future[Part] = Future()

    def run() -> None:
        try:
            future.set_result(probe(*given))
        except Exception as exc:  # noqa: BLE001 - the end of this thread: whatever one probe meets, the others go on
            future.set_exception(exc)

    threading.Thread(target=run, name="doctor", daemon=True).start()
    try:
        return future.result(limit_s)
    except TimeoutError:
        return Missing(f"no answer within {limit_s:g} s")
    except OSError as exc:
        return Missing(exc.strerror or str(exc))
    except Exception as exc:  # noqa: BLE001 - what the probe met, on its thread
        return Missing(f"this look failed: {type(exc).__name__}")


# --- as the service's user -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """By the service's user: the file, and the database that it names. why: there is no inspection."""

    inspection: Inspection | None
    database: Database | Missing
    why: str = ""


def _as_the_service(subject: Subject) -> _Seen:
    """Root looks as the service's user does; others look as themselves, where they may read the file."""
    if os.geteuid():
        if os.path.exists(subject.config) and not os.access(subject.config, os.R_OK):
            return _Seen(None, MISSING, f"you may not read {subject.config}: be root, or join its group")
        return _looked_from_outside(subject.config)
    user = daemon_user(subject.config)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_looked, subject.config, user).result(CONFIG_S)
        except (TimeoutError, BrokenProcessPool):
            return _Seen(None, MISSING, "the configuration was not read within a reasonable time")


def _looked_from_outside(path: Path) -> _Seen:
    """Of a user who is not the daemon's, only what the text says counts: what he may not do, the daemon may."""
    found = read(path)
    state = found.config.store.directory
    if found.readable and state.exists() and not os.access(state, os.W_OK):
        return _Seen(found, Missing("root and the daemon's user see it"))
    return _looked(path, "")


def _looked(path: Path, user: str) -> _Seen:
    try:
        inspection = inspected(path, user)
    except NoSuchUser as exc:
        return _Seen(None, MISSING, str(exc))
    place = inspection.config.store.path
    if not inspection.readable or place is None:
        return _Seen(inspection, NO_FILE if not inspection.readable else Missing("the database is PostgreSQL"))
    return _Seen(inspection, database(place, user))


def _configuration(seen: _Seen, facts: Facts, root: Path) -> Configuration | Missing:
    if seen.inspection is None:
        return Missing(seen.why)
    config = seen.inspection.config
    remarks = tuple(_remarks(seen.inspection, root, running=not facts.away))
    uids = frozenset(config.api.allow_uids)
    voice = config.voice.configured
    return Configuration(str(seen.inspection.path), remarks, len(config.modem), voice, uids, os.getuid())


def _remarks(inspection: Inspection, root: Path, *, running: bool) -> Iterator[Remark]:
    """running: the daemon, which then has the ports that it listens at."""
    modems = inspection.config.modem
    for finding in inspection.findings:
        if finding.kind is FaultKind.ADDRESS_IN_USE:
            yield from _in_use(inspection.config, finding, root, running=running)
            continue
        words = finding.where.split()
        number = int(words[2]) if finding.where.startswith("[[modem]] number") and words[2].isdecimal() else 0
        subject = modems[number - 1].name if 0 < number <= len(modems) else ""
        mild = finding.severity is Severity.WARNING
        starts = finding.severity is not Severity.FATAL and finding.kind is not FaultKind.HIDDEN
        yield Remark(finding.where, finding.text, mild, subject, finding.kind, starts)


def _in_use(config: Config, finding: Finding, root: Path, *, running: bool) -> Iterator[Remark]:
    """The port of a listener is another program's; it is named, where that is seen."""
    ours, text = finding.where == TCP, finding.text
    _, port = split_port(config.api.tcp if ours else getattr(config.voice.options, "bind", ""))
    holders = programs.at_port("tcp" if ours else "udp", port or 0, root).found
    others = [each for each in holders if not _is_ours(each, root)]
    if others:
        text = f"{others[0]} has the port {port}; name another port, or stop that program"
    if others or not running:
        yield Remark(finding.where, text, kind=finding.kind, starts=not ours)


# --- the machine -----------------------------------------------------------------------------------------------


def _of_machine(subject: Subject, facts: Facts) -> Facts:
    root = subject.root
    return replace(
        facts,
        asker=within(LIMIT_S, _asker),
        service=within(LIMIT_S, _service, root),
        socket=_socket(subject.client.path),
        clock=within(LIMIT_S, _clock, root),
        machine=within(LIMIT_S, kernel.machine, root),
    )


def _asker() -> Asker:
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    numbers = {os.getegid(), *os.getgroups()}
    named = {group.gr_gid: group for group in grp.getgrall()}
    groups = frozenset(named[each].gr_name for each in numbers if each in named)
    return Asker(user, uid == 0, groups, frozenset(each.gr_name for each in named.values() if user in each.gr_mem))


def _service(root: Path) -> Service | Missing:
    names = (OUR_UNIT, "pinwheel.socket", "pinwheel-backup.timer")
    service, socket, backup = (units.unit(name, root) for name in names)
    if service is None or socket is None:
        return Missing("systemd does not run here")
    return Service(service, socket, backup, units.lost(service))


def _clock(root: Path) -> Clock | Missing:
    clock = kernel.clock()
    if isinstance(clock, Missing) or clock.synchronised:
        return clock
    return replace(clock, keeper=units.time_keeper(root))


def _socket(path: Path) -> Socket:
    try:
        about = os.stat(path)
    except OSError:
        return Socket(str(path), there=False)
    try:
        group = grp.getgrgid(about.st_gid).gr_name
    except KeyError:
        group = str(about.st_gid)
    return Socket(str(path), True, group, about.st_mode & 0o777)


# --- the daemon ------------------------------------------------------------------------------------------------


def _of_daemon(subject: Subject, facts: Facts) -> Facts:
    client = subject.client
    try:
        given = client.get("/v1/doctor")["checks"]
        status = client.get("/v1/status")
    except Unreachable as exc:
        return replace(facts, away=str(exc), given=MISSING, inside=NO_ANSWER, running=NO_ANSWER, answers=NO_ANSWER)
    except HttpProblem as exc:
        refused = Missing(f"the daemon refused: {exc}")
        return replace(facts, given=MISSING, inside=refused, running=refused, answers=refused)
    stepped = float(status.get("clock_stepped_s", 0))
    running = Running(status["version"], VERSION, stepped)
    return replace(facts, given=tuple(map(_given, given)), running=running)


def _given(each: dict[str, str]) -> Given:
    """A verdict of the daemon; one of a state that we do not know, of a newer daemon, is for information."""
    known = each["state"] if each["state"] in list(State) else State.INFO
    return Given(each["code"], Verdict(State(known), each["text"], each["remedy"], each["subject"]))


# --- what the configuration names ------------------------------------------------------------------------------


def _of_devices(subject: Subject, config: Config, facts: Facts, *, slow: bool) -> Facts:
    facts = replace(
        facts,
        disks=_disks(subject, config),
        backups=within(LIMIT_S, files.backups, config.store.directory / files.BACKUPS),
        certificate=within(LIMIT_S, files.certificate, Path(config.api.tls_cert)) if config.api.tls_cert else MISSING,
        ports=within(LIMIT_S, _ports, subject, config),
        audio=within(LIMIT_S, _audio, config),
        prompts=within(PROMPTS_S, _prompts, config),
    )
    if not slow:
        return facts
    if config.voice.configured:
        subject.say(f"asking the trunk {getattr(config.voice.options, 'server', '')} ...")
        facts = replace(facts, trunk=within(SURVEY_S * 4, _trunk, config))
    if config.modem and not isinstance(facts.given, Missing):
        subject.say("asking the modems ...")
        facts = replace(facts, answers=within(ANSWERS_S, _answers, subject.client))
    return facts


def _disks(subject: Subject, config: Config) -> tuple[Disk, ...] | Missing:
    wanted = (("the database", config.store.directory), ("the log", subject.root / "var/log"))
    found = [within(LIMIT_S, files.disk, what, path) for what, path in wanted]
    return tuple(each for each in found if isinstance(each, Disk)) or Missing("no disk answers")


def _ports(subject: Subject, config: Config) -> Ports:
    root = subject.root
    modems = tuple(
        _modem_port(modem.name, pattern, root)
        for modem in config.modem
        if (pattern := getattr(modem.options, "port", ""))
    )
    taken_sticks = {port.usb.folder for modem in modems for port in modem.found if port.usb is not None}
    free = [each for each in serial_ports.usb_ports(root) if each.usb is not None and port_rivals.is_modem(each.usb)]
    others = {each.usb.folder: each for each in reversed(free) if each.usb is not None}
    return Ports(
        modems,
        tuple(port for folder, port in sorted(others.items()) if folder not in taken_sticks),
        serial_ports.usb_devices(root),
        port_rivals.rivals(programs.processes(root)),
        kernel.resets(root),
    )


def _modem_port(modem: str, pattern: str, root: Path) -> ModemPort:
    found = serial_ports.fitting(pattern, root)
    if not found or not found[0].is_tty:
        return ModemPort(modem, pattern, found)
    holders = programs.holders(found[0].number, root)
    others = [each for each in holders.found if not _is_ours(each, root)]
    if others:  # once more: a child of ours has our ports for the moment until it becomes another program
        still = programs.holders(found[0].number, root).found
        others = [each for each in others if each in still and not _is_ours(each, root)]
    return ModemPort(modem, pattern, found, replace(holders, found=tuple(others)))


def _is_ours(process: Process, root: Path) -> bool:
    """The daemon's, also where it runs without a unit, or this one."""
    return process.pid == os.getpid() or process.unit == OUR_UNIT or programs.is_daemon(process.pid, root)


def _audio(config: Config) -> Audio | Missing:
    ports = getattr(config.voice.options, "rtp_ports", "")
    if not ports:
        return Missing("no calls are configured")
    low, _, high = ports.partition("-")
    tried, busy = taken(range(int(low), int(high), 2))
    return Audio(ports, tried, busy, kernel.drops(int(low)))


def _prompts(config: Config) -> Prompts | Missing:
    if not config.voice.configured:
        return Missing("no calls are configured")
    library = loaded(config)
    broken = tuple(each for mistakes in library.broken.values() for each in mistakes)
    return Prompts(tuple(library.locales), tuple(lacking(config, library)), broken)


def _trunk(config: Config) -> Trunk | Missing:
    module, options = drivers.load(config.voice.driver), config.voice.options
    if not hasattr(module, "survey"):
        return Missing(f"the driver {config.voice.driver} cannot look at its trunk")
    return Trunk(
        getattr(options, "server", ""),
        getattr(options, "transport", ""),
        module.survey(options, SURVEY_S),
        getattr(options, "external_address", ""),
        bool(getattr(options, "register", False)),
    )


def _answers(client: Client) -> tuple[Answers, ...]:
    """Of each modem that is ready; one that is busy, or of another kind, has none."""
    ready = [modem["name"] for modem in client.get("/v1/modems")["modems"] if modem["state"] == "ready"]
    return tuple(Answers(name, dict(_asked(client, name))) for name in ready)


def _asked(client: Client, modem: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for command in ASKED:
        with suppress(HttpProblem, Unreachable):
            yield command, tuple(client.post(f"/v1/modems/{modem}/at", command=command)["answer"])
