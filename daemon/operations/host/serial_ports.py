"""The serial ports of this machine: which device each is, who may open it, and the USB device behind it.

A device is known by its number, as the kernel knows it: names in /dev are links. USB is read from sysfs, what udev has
decided from its database in /run/udev/data, so that neither udevadm nor lsusb is needed.
"""

import contextlib
import glob
import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from daemon.operations.host.kernel_files import text_of
from daemon.operations.host.values import SerialPort, Usb

BY_ID = "dev/serial/by-id"
USB_MAJOR = 189  # of /dev/bus/usb (Documentation/admin-guide/devices.txt)
NAMES = ("ttyUSB", "ttyACM")  # of USB serial ports


def fitting(pattern: str, root: Path = Path("/")) -> tuple[SerialPort, ...]:
    """The ports that a [[modem]]'s port means: a name, or a pattern with *."""
    below = str(root / pattern.lstrip("/"))
    names = sorted(glob.glob(below)) if glob.has_magic(pattern) else [below]
    return tuple(found for each in names if (found := _port(each, root)) is not None)


def usb_ports(root: Path = Path("/")) -> tuple[SerialPort, ...]:
    """Every USB serial port that there is."""
    names = sorted(path for each in NAMES for path in glob.glob(str(root / f"dev/{each}*")))
    return tuple(found for each in names if (found := _port(each, root)) is not None)


def usb_devices(root: Path = Path("/")) -> tuple[Usb, ...]:
    """Every USB device, also one without a serial port: a stick that is still a CD-ROM, say."""
    folders = sorted(glob.glob(str(root / "sys/bus/usb/devices/*")))
    return tuple(_usb(Path(each)) for each in folders if os.path.exists(os.path.join(each, "idVendor")))


def _port(path: str, root: Path) -> SerialPort | None:
    """None where there is none of this name."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    number, name = about.st_rdev, "/" + os.path.relpath(path, root)
    if not stat.S_ISCHR(about.st_mode):
        return SerialPort(name, os.path.basename(path), 0, "", stat.S_IMODE(about.st_mode), is_tty=False)
    place = os.path.realpath(root / f"sys/dev/char/{os.major(number)}:{os.minor(number)}")
    here = os.path.exists(place)
    usb, interface = _behind(Path(place)) if here else (None, "")
    properties = _properties(f"c{os.major(number)}:{os.minor(number)}", root)
    if usb is not None:
        properties = {**_of_device(usb, root), **properties}
    return SerialPort(
        name,
        device=os.path.basename(place) if here else _below_dev(path, root),
        number=number,
        group=_group(about.st_gid),
        mode=stat.S_IMODE(about.st_mode),
        by_id=tuple(_stable_names(number, root)),
        usb=usb,
        interface=interface,
        properties=properties,
    )


def _below_dev(path: str, root: Path) -> str:
    """As "pts/7": the last part alone would mean nothing."""
    return os.path.realpath(path).removeprefix(str(root / "dev")).lstrip("/")


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _stable_names(number: int, root: Path) -> Iterator[str]:
    for link in sorted(glob.glob(str(root / BY_ID / "*"))):
        with contextlib.suppress(OSError):
            if os.stat(link).st_rdev == number:
                yield "/" + os.path.relpath(link, root)


def _behind(place: Path) -> tuple[Usb | None, str]:
    """The USB device above a port in sysfs, and the number of the interface between them."""
    interface = ""
    for folder in (place, *place.parents):
        interface = interface or _read(folder / "bInterfaceNumber")
        if (folder / "idVendor").exists():
            return _usb(folder), interface
    return None, ""


def _usb(folder: Path) -> Usb:
    return Usb(
        vendor=_read(folder / "idVendor"),
        product=_read(folder / "idProduct"),
        name=_read(folder / "product"),
        serial=_read(folder / "serial"),
        folder=str(folder),
        control=_read(folder / "power/control"),
    )


def _of_device(usb: Usb, root: Path) -> dict[str, str]:
    """What udev has decided of the USB device itself: some rules stand there, not at the port."""
    bus, device = _read(Path(usb.folder) / "busnum"), _read(Path(usb.folder) / "devnum")
    if not (bus.isdecimal() and device.isdecimal()):
        return {}
    return _properties(f"c{USB_MAJOR}:{(int(bus) - 1) * 128 + int(device) - 1}", root)


def _properties(key: str, root: Path) -> dict[str, str]:
    """Of udev's database: lines "E:NAME=VALUE"."""
    lines = text_of(root / "run/udev/data" / key).splitlines()
    pairs = (line[2:].partition("=") for line in lines if line.startswith("E:"))
    return {name: value for name, _, value in pairs}


def _read(path: Path) -> str:
    return text_of(path).strip()
