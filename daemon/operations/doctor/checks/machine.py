"""The host: units, socket, groups, clock, disks, kernel, database file. Pure."""

from collections.abc import Iterator

from daemon.operations.doctor.facts import Asker, Running, Service, Socket
from daemon.operations.doctor.verdicts import RENEW_DAYS, Verdict, error, info, ok, warning
from daemon.operations.host.values import (
    TIMESYNCD,
    Backups,
    Certificate,
    Clock,
    Database,
    Disk,
    Machine,
    Missing,
    Unit,
)
from daemon.operations.setup import udev
from daemon.store.condition import restored_from

MB = 1_000_000
LITTLE, SCARCE, SCARCE_SHARE = 64 * MB, 500 * MB, 0.05
FEW_INODES = 1000
LITTLE_MEMORY = 0.05
STEP_S = 5.0
EARLIEST = 1_767_225_600.0  # 2026-01-01: no clock of a machine that runs this version is before it
MANY_RESTARTS, CALM_S = 3, 300.0
LARGE_LOG = 256 * MB
OLD_BACKUP_S = 8 * 86_400.0
WAL_RESET_FIXED = (3, 51, 3)
WAL_RESET_FIXED_IN_SERIES = ((3, 44, 6), (3, 50, 7))  # of older series, the first release with the fix
MOST_FILES = 0.8  # of the system's descriptors
SIP_HELPERS = ("nf_nat_sip", "nf_conntrack_sip")
GROUP = "pinwheel"


# --- units -----------------------------------------------------------------------------------------------------


def installed(service: Service) -> Iterator[Verdict]:
    for unit in (service.service, service.socket):
        if not unit.loaded:
            yield info(f"{unit.name} is not installed: the daemon runs by itself here")


def user(service: Service) -> Iterator[Verdict]:
    """A group that is made again has another number, which neither the user nor the ports of modems have."""
    unit = service.service
    for lost in service.lost:
        fix = (
            ("systemd-sysusers", "pinwheel.conf"),
            ("usermod", "--gid", unit.group or GROUP, unit.user or GROUP),
            ("systemd-tmpfiles", "--create", "pinwheel.conf"),
            ("systemctl", "restart", "pinwheel.socket", "pinwheel.service"),
            *udev.APPLIED,
        )
        yield error(f"there is no {lost}, as which the service runs", fix=fix)


def active(service: Service) -> Iterator[Verdict]:
    unit = service.service
    if unit.loaded and unit.active == "failed":
        yield error(f"{unit.name} has failed ({unit.result})", "journalctl -u pinwheel -n 50")
    elif unit.loaded and unit.active not in ("active", "activating", "reloading"):
        yield error(f"{unit.name} is {unit.active}", fix=(("systemctl", "start", "pinwheel"),))


def socket_active(service: Service) -> Iterator[Verdict]:
    unit = service.socket
    if unit.loaded and unit.active != "active":
        yield error(f"{unit.name} is {unit.active}, so no client reaches the daemon", fix=_now(unit))


def enabled(service: Service) -> Iterator[Verdict]:
    for unit in (service.service, service.socket):
        if unit.loaded and unit.enabled == "disabled":
            fix = (("systemctl", "enable", unit.name),)
            yield warning(f"{unit.name} does not start with the machine", fix=fix)


def restarts(service: Service) -> Iterator[Verdict]:
    """The count of systemd goes on after the cause is corrected: a service that has run for minutes is no problem."""
    unit = service.service
    if unit.restarts >= MANY_RESTARTS and unit.up_s < CALM_S:
        yield warning(f"{unit.name} has been restarted {unit.restarts} times", "journalctl -u pinwheel -p warning")


def reload_due(service: Service) -> Iterator[Verdict]:
    for unit in (service.service, service.socket):
        if unit.reload_due:
            yield warning(f"{unit.name} has changed on disk", fix=(("systemctl", "daemon-reload"),))


def watchdog(service: Service) -> Iterator[Verdict]:
    """Of a service that runs: systemd knows no watchdog of one that it has never started."""
    if service.service.active == "active" and not service.service.watchdog:
        yield warning(
            "the service has no watchdog: a daemon that hangs stays", "systemctl edit pinwheel: WatchdogSec=15"
        )


def backup_timer(service: Service) -> Iterator[Verdict]:
    unit = service.backup
    if unit is not None and unit.loaded and unit.active != "active":
        yield info("no daily backup is made", "systemctl enable --now pinwheel-backup.timer")


def _now(unit: Unit) -> tuple[tuple[str, ...], ...]:
    return (("systemctl", "enable", "--now", unit.name),)


# --- the socket, and who asks ----------------------------------------------------------------------------------


def socket_there(socket: Socket) -> Iterator[Verdict]:
    if not socket.there:
        yield error(f"there is no socket {socket.path}", "systemctl restart pinwheel.socket")


def socket_mode(socket: Socket) -> Iterator[Verdict]:
    if socket.mode & 0o002:
        yield warning(f"every user may use {socket.path}", 'SocketMode=0660, or [api] socket_mode = "0660"')
    elif socket.there and not socket.mode & 0o020:
        yield warning(f"only root may use {socket.path}", 'SocketMode=0660, or [api] socket_mode = "0660"')


def in_group(parts: tuple[Asker, Socket]) -> Iterator[Verdict]:
    """A new member of a group must log in again."""
    asker, socket = parts
    group = socket.group or GROUP
    if asker.is_root or group in asker.groups or socket.mode & 0o002:
        return
    if group in asker.member_of:
        yield error(f"you are in the group {group}, but not in this session", "log out and in again")
    else:
        yield error(
            f"you are not in the group {group}, which may use the daemon",
            f"sudo usermod -aG {group} {asker.user}, and log in again",
        )


def answers(away: str) -> Iterator[Verdict]:
    """away: why no daemon answers, with the remedy behind a semicolon."""
    if away:
        text, _, remedy = away.partition("; ")
        yield error(text, remedy or "systemctl start pinwheel")


def version(running: Running) -> Iterator[Verdict]:
    if running.version != running.installed:
        text = f"version {running.version} runs, {running.installed} is installed"
        yield warning(text, fix=(("systemctl", "restart", "pinwheel"),))


def stepped(running: Running) -> Iterator[Verdict]:
    if abs(running.stepped_s) >= STEP_S:
        text = f"the clock was set by {running.stepped_s:+.0f} s since the daemon started"
        yield warning(text, "timedatectl set-ntp true")


# --- clock, disks, kernel --------------------------------------------------------------------------------------


def synchronised(clock: Clock) -> Iterator[Verdict]:
    fix = _setting(clock.keeper)
    remedy = "" if fix else "apt install systemd-timesyncd"
    if clock.now < EARLIEST:
        yield error("the clock is years behind", remedy, fix=fix)
    elif not clock.synchronised:
        yield warning("the clock is not synchronised: PINs expire by it", remedy, fix=fix)


def _setting(keeper: str | None) -> tuple[tuple[str, ...], ...]:
    """The command that lets the clock be set; none where nothing is installed that could."""
    if keeper == "":
        return ()
    if keeper in (None, TIMESYNCD):
        return (("timedatectl", "set-ntp", "true"),)
    return (("systemctl", "enable", "--now", keeper),)


def room(disks: tuple[Disk, ...]) -> Iterator[Verdict]:
    for disk in disks:
        share = disk.free / disk.total if disk.total else 1.0
        text = f"{disk.what} has {disk.free // MB} MB left on the disk of {disk.path}"
        if disk.free < LITTLE:
            yield error(text, f"make room: df -h {disk.path}")
        elif disk.free < SCARCE and share < SCARCE_SHARE:
            yield warning(text, f"make room: df -h {disk.path}")
        else:
            yield ok(text)


def inodes(disks: tuple[Disk, ...]) -> Iterator[Verdict]:
    for disk in disks:
        if disk.inodes and disk.inodes_free < FEW_INODES:
            yield error(f"{disk.what} has {disk.inodes_free} inodes left on its disk", f"df -i {disk.path}")


def read_only(disks: tuple[Disk, ...]) -> Iterator[Verdict]:
    for disk in disks:
        if disk.read_only:
            yield error(f"the disk of {disk.path} is read-only", f"mount -o remount,rw $(stat -c %m {disk.path})")


def memory(machine: Machine) -> Iterator[Verdict]:
    if machine.memory and machine.memory_free / machine.memory < LITTLE_MEMORY:
        yield warning(f"{machine.memory_free // MB} MB of memory are left", "ps aux --sort=-rss | head")


def descriptors(machine: Machine) -> Iterator[Verdict]:
    used, most = machine.files
    if most and used / most > MOST_FILES:
        yield warning(f"{used} files are open on this machine, of {most} that may be", "lsof | wc -l")


def entropy(machine: Machine) -> Iterator[Verdict]:
    if not machine.entropy:
        yield error("the kernel has no random numbers yet: a start waits for them", "apt install rng-tools5")


def journal(machine: Machine) -> Iterator[Verdict]:
    if not machine.journal:
        fix = (("mkdir", "-p", "/var/log/journal"), ("systemctl", "restart", "systemd-journald"))
        yield info("the journal is lost at each restart of the machine", " && ".join(map(" ".join, fix)))


def sip_helper(machine: Machine) -> Iterator[Verdict]:
    there = [name for name in SIP_HELPERS if name in machine.modules]
    if there:
        fix = (("modprobe", "-r", *there),)
        yield warning("the kernel rewrites SIP on its way (nf_conntrack_sip)", fix=fix)


def in_force(certificate: Certificate) -> Iterator[Verdict]:
    if certificate.days < 0:
        yield error(f"the certificate {certificate.path} is over", "renew it, then: systemctl restart pinwheel")
    elif certificate.days < RENEW_DAYS:
        text = f"the certificate {certificate.path} ends in {certificate.days:.0f} days"
        yield warning(text, "renew it, then: systemctl restart pinwheel")


# --- the database file -----------------------------------------------------------------------------------------


def whole(parts: "tuple[Database, Backups | Missing]") -> Iterator[Verdict]:
    """The socket, too: a client would start the daemon in the middle of it."""
    database, backups = parts
    if database.damage:
        backup = "BACKUP" if isinstance(backups, Missing) or not backups.newest else backups.newest
        remedy = f"{restored_from(backup)}; systemctl start pinwheel"
        yield error(f"{database.path} is damaged: {database.damage[0]}", remedy)


def owner(database: Database) -> Iterator[Verdict]:
    if database.owner and database.user and database.owner != database.user:
        fix = (("chown", database.user, database.path),)
        yield error(f"{database.path} belongs to {database.owner}, not to {database.user}", fix=fix)


def log_size(database: Database) -> Iterator[Verdict]:
    if database.log > LARGE_LOG:
        text = f"the write-ahead log has {database.log // MB} MB: something reads the database without end"
        yield warning(text, f"fuser -v {database.path}")


def library(database: Database) -> Iterator[Verdict]:
    series = (each for each in WAL_RESET_FIXED_IN_SERIES if each[:2] == database.library[:2])
    if database.library < next(series, WAL_RESET_FIXED):
        version = ".".join(map(str, database.library))
        text = f"SQLite {version} can damage a database that two connections use (fixed in 3.51.3)"
        yield warning(text, "use a newer SQLite, or PostgreSQL (docs/postgresql.md)")


def backup(backups: Backups) -> Iterator[Verdict]:
    if backups.newest_s is None:
        yield info("there is no backup in the usual place", "pinwheel backup FILE --key KEYFILE")
    elif backups.newest_s > OLD_BACKUP_S:
        text = f"the newest backup is {backups.newest_s / 86_400:.0f} days old"
        yield warning(text, "systemctl status pinwheel-backup.timer")
