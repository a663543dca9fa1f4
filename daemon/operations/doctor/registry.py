"""All checks, a row each: a check stands behind those that it needs, slow ones last. Pure.

To add one: a function in `checks`, and a row here. docs/doctor.md says of each code what to do; a test compares.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from daemon.operations.doctor.checks import audio, configuration, devices, machine, ports, prompts, sims, trunk
from daemon.operations.doctor.checks.configuration import telling
from daemon.operations.doctor.facts import Asker, Facts, Socket
from daemon.operations.doctor.judging import Check, Place
from daemon.operations.host.values import Backups, Database, Missing

FILE = ("config-file",)
SET_UP = ("devices-configured",)
"""Before `pinwheel setup`, which enables the units, they are disabled."""
STARTS = (
    *("config-file", "config-keys", "secret-mode", "unit-limits", "accounts"),
    *("master-key", "api-certificate", "api-listener", "socket-path"),
    *("database-file", "database-whole", "database-owner"),
    *("disk-read-only", "disk-room", "disk-inodes", "service-user"),
)
"""What may keep the daemon from its start."""
DATE = ("clock",)
"""Of a clock that is years behind every certificate is not good yet. One that is not synchronised explains none."""
PORT = (
    "port-held",
    "port-there",
    "port-elsewhere",
    "port-access",
    "port-kind",
    "modemmanager",
    "usb-cd-rom",
    "usb-hilink",
)
"""What keeps a modem's port from being opened, or its answers from being ours."""
NAME = ("trunk-name",)
WAY = (*NAME, "trunk-certificate", "trunk-reached")
DAEMON = partial(Check, part=lambda facts: facts.inside, place=Place.DAEMON)
MODEM = partial(DAEMON, stops=True)
DISK = partial(Check, part=lambda facts: facts.disks, place=Place.EITHER)


def _config(code: str, title: str, needs: tuple[str, ...] = FILE, **more: Any) -> Check:
    """A check that shows some findings of --check-config."""
    return Check(code, title, lambda facts: facts.config, telling(code), needs, **more)


def _part(name: str) -> Callable[[Facts], Any]:
    return lambda facts: getattr(facts, name)


def _database_and_backups(facts: Facts) -> "tuple[Database, Backups | Missing] | Missing":
    return facts.database if isinstance(facts.database, Missing) else (facts.database, facts.backups)


def _asker_and_socket(facts: Facts) -> "tuple[Asker, Socket] | Missing":
    if isinstance(facts.asker, Missing):
        return facts.asker
    return facts.socket if isinstance(facts.socket, Missing) else (facts.asker, facts.socket)


def _socket_of_systemd(facts: Facts) -> "Socket | Missing":
    """A daemon that makes its own socket has none while it does not run: that is no cause."""
    if isinstance(facts.service, Missing):
        return facts.service
    return facts.socket if facts.service.socket.loaded else Missing("the daemon makes its own socket")


CONFIGURATION: tuple[Check, ...] = (
    _config("config-file", "the configuration file can be read and is TOML", ()),
    _config("config-mode", "only its owner may write the configuration", fixes=True),
    _config("config-keys", "every key and value of the configuration"),
    _config("secret-mode", "files with secrets are closed to others", fixes=True),
    _config("unit-limits", "what the configuration names is visible to the service"),
    _config("clock-speed", "waits run at the speed of real time"),
    _config("accounts", "users, groups and secrets of accounts and operators"),
    _config("devices-configured", "something to send with is configured"),
    Check("channels", "messages and calls are both configured", _part("config"), configuration.channels, FILE),
    _config("pin-file", "the file with the SIM's PIN"),
    _config("prompts-folder", "the folder of the prompts can be read", fixes=True),
)

MACHINE: tuple[Check, ...] = (
    DISK("disk-read-only", "the disks can be written", judge=machine.read_only),
    DISK("disk-room", "room on the disks", judge=machine.room, needs=("disk-read-only",)),
    DISK("disk-inodes", "room for files on the disks", judge=machine.inodes, needs=("disk-read-only",)),
    Check("clock", "the clock is right and kept so", _part("clock"), machine.synchronised, fixes=True),
    Check("memory", "memory that is left", _part("machine"), machine.memory),
    Check("descriptors", "files that may be open on this machine", _part("machine"), machine.descriptors),
    Check("entropy", "random numbers of the kernel", _part("machine"), machine.entropy),
    Check("journal", "the journal is kept over a restart", _part("machine"), machine.journal),
    Check("sip-helper", "no kernel module rewrites SIP", _part("machine"), machine.sip_helper, fixes=True),
)

STORE: tuple[Check, ...] = (
    Check("database-owner", "the database belongs to the service", _part("database"), machine.owner, fixes=True),
    Check("database-whole", "the database is not damaged", _database_and_backups, machine.whole, ("database-owner",)),
    _config(
        "database-file", "the database can be opened", (*FILE, "database-whole", "database-owner", "disk-read-only")
    ),
    _config("master-key", "the master key is there, and the right one", (*FILE, "database-whole", "database-file")),
    Check("database-log", "the size of the write-ahead log", _part("database"), machine.log_size),
    Check("sqlite", "SQLite without known faults", _part("database"), machine.library),
    Check("backup", "a backup that is not old", _part("backups"), machine.backup, place=Place.EITHER),
    Check("backup-timer", "a daily backup", _part("service"), machine.backup_timer),
)

SERVICE: tuple[Check, ...] = (
    _config("socket-path", "the path of the socket can be used"),
    _config("api-certificate", "certificate and key of the TCP listener"),
    Check(
        "certificate-days",
        "the certificate of the TCP listener stays good",
        _part("certificate"),
        machine.in_force,
        ("api-certificate",),
        Place.EITHER,
        errors_of=DATE,
    ),
    _config("api-listener", "the address of the TCP listener"),
    Check("service-installed", "the units are installed", _part("service"), machine.installed),
    Check("service-user", "the user and the group of the service exist", _part("service"), machine.user, fixes=True),
    Check("service-reload", "systemd knows the units as they are", _part("service"), machine.reload_due, fixes=True),
    Check(
        "service-enabled", "the daemon starts with the machine", _part("service"), machine.enabled, SET_UP, fixes=True
    ),
    Check("watchdog", "systemd watches the daemon", _part("service"), machine.watchdog),
    Check(
        "socket-active",
        "systemd listens for clients",
        _part("service"),
        machine.socket_active,
        (*SET_UP, "service-user"),
        fixes=True,
    ),
    Check("service-active", "the service runs", _part("service"), machine.active, SET_UP, fixes=True, errors_of=STARTS),
    Check(
        "service-restarts",
        "the service stays up",
        _part("service"),
        machine.restarts,
        ("service-active",),
        errors_of=STARTS,
    ),
    Check("socket-group", "you may use the socket", _asker_and_socket, machine.in_group, ("service-user",)),
    Check("allow-uids", "the daemon takes requests of your user", _part("config"), configuration.allowed, FILE),
    Check("socket-mode", "the mode of the socket", _part("socket"), machine.socket_mode),
    Check(
        "socket-there",
        "the socket is there",
        _socket_of_systemd,
        machine.socket_there,
        ("service-active", "socket-active", "socket-group"),
        errors_of=STARTS,
    ),
    Check(
        "daemon-answers",
        "the daemon answers",
        _part("away"),
        machine.answers,
        ("service-active", "socket-active", "socket-there", "socket-group", "allow-uids"),
        errors_of=STARTS,
    ),
    Check("version", "the installed version is the one that runs", _part("running"), machine.version, fixes=True),
    Check("clock-stepped", "the clock was not set meanwhile", _part("running"), machine.stepped, ("clock",)),
    DAEMON(
        "store-in-place",
        "the database is in its place",
        judge=devices.in_place,
        health="the database is not in its place",
        is_reason=True,
    ),
    DAEMON(
        "store-whole",
        "the daemon has met no damage in the database",
        judge=devices.whole,
        needs=("database-whole", "store-in-place"),
        health="the database is damaged",
    ),
    DAEMON(
        "store-writes",
        "the daemon can write its database",
        judge=devices.writes,
        needs=("disk-read-only", "disk-room", "disk-inodes", "database-whole", "database-owner", "store-in-place"),
        health="the database cannot be written",
    ),
)

PORTS: tuple[Check, ...] = (
    Check("usb-cd-rom", "no stick waits as a CD-ROM", _part("ports"), ports.cd_rom),
    Check("usb-hilink", "no stick without a serial port", _part("ports"), ports.hilink),
    Check("port-elsewhere", "a modem is at the port that is configured", _part("ports"), ports.elsewhere),
    _config("port-there", "the port of each modem is there", (*FILE, "port-elsewhere", "usb-cd-rom", "usb-hilink")),
    _config("port-kind", "what the ports name are serial ports"),
    _config("port-access", "the service may open the ports"),
    Check("port-held", "no other program has a modem's port", _part("ports"), ports.held, fixes=True),
    Check(
        "modemmanager",
        "ModemManager leaves the modems alone",
        _part("ports"),
        ports.modem_manager,
        ("port-held",),
        fixes=True,
    ),
    Check("rivals", "no program that looks for modems runs", _part("ports"), ports.rivals, fixes=True),
    Check("port-name", "names of ports that stay the same", _part("ports"), ports.stable_name),
    Check("usb-suspend", "the kernel does not suspend the modem", _part("ports"), ports.suspended, fixes=True),
    Check("usb-resets", "the USB device does not go away", _part("ports"), ports.resets),
    Check("modem-unused", "every modem that is plugged in is used", _part("ports"), ports.unused),
)

MODEMS: tuple[Check, ...] = (
    DAEMON(
        "devices",
        "the daemon has a device",
        judge=devices.nothing_configured,
        needs=("devices-configured",),
        stops=True,
    ),
    MODEM("modem-duty", "no modem is paused or drained", judge=devices.on_duty),
    MODEM("modem-port", "the daemon has the port of each modem", judge=devices.ports, needs=PORT),
    MODEM("modem-tty", "the port is the modem's, and the one for messages", judge=devices.tty, needs=PORT),
    MODEM("modem-answers", "each modem answers", judge=devices.answers, needs=PORT),
    MODEM("sim", "a SIM is there and open", judge=devices.sims, needs=("pin-file",)),
    MODEM("network-denied", "the network takes the SIM", judge=devices.denied),
    MODEM("network", "each modem is in a network", judge=devices.networks),
    MODEM("modem-works", "each modem can send", judge=devices.works, needs=PORT),
    MODEM("quota", "no SIM has reached its limit", judge=devices.quotas),
    DAEMON("signal", "the signal is good enough", judge=devices.signals),
    DAEMON("balance", "enough is left on each SIM", judge=devices.balances, is_reason=True),
)

VOICE: tuple[Check, ...] = (
    _config("trunk-password", "the file with the trunk's password", fixes=True),
    _config("trunk-files", "certificates for the trunk"),
    _config("sip-address", "our own SIP address"),
    _config("audio-range", "enough ports for audio"),
    Check("audio-free", "ports for audio are free", _part("audio"), audio.free),
    Check("firewall", "the firewall lets audio in", _part("audio"), audio.firewall),
    MODEM("voice-alive", "the voice driver works", judge=devices.alive, health="voice is dead"),
    MODEM("prompts", "there is something to say in calls", judge=devices.spoken, needs=("prompts-folder",)),
    Check("prompts-broken", "no clip is broken", _part("prompts"), prompts.broken, ("prompts", "prompts-folder")),
    Check("prompts-lacking", "calls in the languages that are likely", _part("prompts"), prompts.lacking, ("prompts",)),
)

OF_MODEMS = tuple(check.name for check in MODEMS)
OF_CALLS = ("voice-alive", "prompts", "trunk-dns", "trunk-account", "trunk-silent", "trunk-works")
OF_BOTH = (*OF_MODEMS, *OF_CALLS)

SLOW: tuple[Check, ...] = (
    Check("trunk-name", "the name of the trunk", _part("trunk"), trunk.name, FILE, slow=True),
    Check(
        "trunk-certificate",
        "the certificate of the trunk",
        _part("trunk"),
        trunk.certificate,
        NAME,
        slow=True,
        errors_of=DATE,
    ),
    Check(
        "trunk-reached", "the trunk answers us", _part("trunk"), trunk.reached, (*NAME, "trunk-certificate"), slow=True
    ),
    Check("nat", "the trunk sees us where we say we are", _part("trunk"), trunk.nat, slow=True),
    Check("sip-alg", "nothing changes our SIP messages", _part("trunk"), trunk.rewritten, ("nat",), slow=True),
    Check("trunk-options", "the trunk takes requests of ours", _part("trunk"), trunk.options, WAY, slow=True),
    MODEM("trunk-dns", "the daemon finds the trunk", judge=devices.trunk_name, needs=WAY),
    MODEM("trunk-account", "the trunk takes our account", judge=devices.account, needs=("trunk-password",)),
    MODEM("trunk-silent", "the trunk answers the daemon", judge=devices.trunk_answers, needs=(*WAY, "sip-address")),
    MODEM(
        "trunk-works",
        "calls can be made",
        judge=devices.calls,
        needs=(*WAY, "sip-address", "trunk-files", "trunk-password"),
    ),
    Check("smsc", "each SIM knows its service centre", _part("answers"), sims.service_centre, slow=True),
    Check("sim-full", "room for messages on each SIM", _part("answers"), sims.full, slow=True),
    Check("roaming", "no SIM roams", _part("answers"), sims.roaming, slow=True),
    DAEMON(
        "modem-failures",
        "messages go out",
        judge=devices.failures,
        needs=("smsc", "sim-full", "network", "network-denied"),
    ),
    DAEMON("canary", "texts and calls of the canary arrive", judge=devices.canary, needs=OF_BOTH, is_reason=True),
    DAEMON("modem-remarks", "the modems do all that is asked of them", judge=devices.remarks),
    DAEMON("message-queue", "no message waits for long", judge=devices.messages, needs=OF_MODEMS),
    DAEMON("call-queue", "no call waits for long", judge=devices.waiting, needs=OF_CALLS),
    DAEMON("overload", "there are modems enough", judge=devices.overload, needs=OF_MODEMS),
)

CHECKS: tuple[Check, ...] = (*CONFIGURATION, *MACHINE, *STORE, *SERVICE, *PORTS, *MODEMS, *VOICE, *SLOW)
OF_DAEMON = tuple(check for check in CHECKS if check.place is not Place.MACHINE)
"""What the daemon itself judges."""
