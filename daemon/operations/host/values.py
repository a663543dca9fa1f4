"""What the probes find: processes, serial ports, USB devices, units. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


IGNORED = ("ID_MM_PORT_IGNORE", "ID_MM_DEVICE_IGNORE", "ID_MM_TTY_BLACKLIST")


@dataclass(frozen=True, slots=True)
class Unit:
    """As `systemctl show` prints it. user, group: as which it runs; "" for root."""

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
