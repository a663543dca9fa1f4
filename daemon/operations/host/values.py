"""What the probes find on this machine: frozen values. Pure.

A part that could not be looked at is `Missing`, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that was not looked at."""

    why: str = "not looked at"


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Process:
    """unit: of systemd, that started it, "" for none. name: as the kernel has it, 15 characters (proc(5), comm)."""

    pid: int
    name: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}{f', {self.unit}' if self.unit else ''})"


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has a device open. complete: False where processes of others may not be looked into: be root."""

    found: tuple[Process, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Usb:
    """A USB device. vendor, product: hexadecimal, as lsusb prints them; folder: in sysfs.

    control: of power management, "auto" may suspend it.
    """

    vendor: str
    product: str
    name: str = ""
    serial: str = ""
    folder: str = ""
    control: str = ""

    @property
    def ids(self) -> str:
        return f"{self.vendor}:{self.product}"


@dataclass(frozen=True, slots=True)
class SerialPort:
    """name: as it was asked for; device: the kernel's, as "ttyUSB2"; number: st_rdev; group: whose name may open it.

    by_id: its stable names; interface: bInterfaceNumber of its USB interface; properties: what udev has decided of it
    and of its USB device. is_tty: False of what is no character device.
    """

    name: str
    device: str
    number: int
    group: str
    mode: int
    by_id: tuple[str, ...] = ()
    usb: Usb | None = None
    interface: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    is_tty: bool = True

    @property
    def left_alone(self) -> bool:
        """ModemManager does not touch it (its udev rules: ID_MM_PORT_IGNORE, ID_MM_DEVICE_IGNORE)."""
        return any(self.properties.get(each, "0") not in ("", "0") for each in IGNORED)


TIMESYNCD = "systemd-timesyncd.service"
KEEPERS = (TIMESYNCD, "chrony.service", "ntpsec.service", "ntp.service", "openntpd.service")
"""The units that set the clock of a Debian machine."""
IGNORED = ("ID_MM_PORT_IGNORE", "ID_MM_DEVICE_IGNORE", "ID_MM_TTY_BLACKLIST")


@dataclass(frozen=True, slots=True)
class Unit:
    """As `systemctl show` prints it. user, group: as which it runs; "" for root. up_s: how long it has been active."""

    name: str
    loaded: bool
    active: str
    enabled: str = ""
    restarts: int = 0
    reload_due: bool = False
    result: str = ""
    watchdog: bool = True
    user: str = ""
    group: str = ""
    up_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Disk:
    """Of a folder's file system, in octets. inodes: 0 of a file system that has no fixed number of them."""

    what: str
    path: str
    free: int
    total: int
    inodes_free: int = 0
    inodes: int = 0
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """synchronised: as the kernel says (adjtimex(2)); now: Unix time.

    keeper: the installed unit that can set it, "" where there is none, None where that is not known.
    """

    synchronised: bool
    now: float
    keeper: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """memory_free, memory: octets. entropy: random numbers come at once; journal: it is kept over a restart.

    modules: of the kernel. files: that are open, and may be open, on the whole machine.
    """

    memory_free: int
    memory: int
    entropy: bool = True
    journal: bool = True
    modules: frozenset[str] = frozenset()
    files: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Database:
    """The SQLite file. damage: what quick_check says, none for a whole one. owner, user: the file's and the service's.

    log: octets of the write-ahead log; library: the version of SQLite.
    """

    path: str
    damage: tuple[str, ...] = ()
    owner: str = ""
    user: str = ""
    log: int = 0
    library: tuple[int, ...] = (3, 53, 0)


@dataclass(frozen=True, slots=True)
class Backups:
    """In the usual place. newest_s: the age of the newest one, None where there is none; newest: its path, or ""."""

    newest_s: float | None
    newest: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of our own TCP listener. days: that it is still good."""

    path: str
    days: float
