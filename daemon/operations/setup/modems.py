"""Which modems there are: USB devices with their serial ports, and what answers there.

Only ports of known makers are opened: opening the port of an Arduino restarts it, and a Zigbee stick or a console is
no place for AT commands. Whoever wants another port names it.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

import drivers
from daemon.operations.host import port_rivals, programs, serial_ports
from daemon.operations.host.values import SerialPort, Usb
from daemon.operations.setup.model import Stick
from drivers.survey import SimLock, Survey

DRIVER = "serial"
PRIMARY = "ID_MM_PORT_TYPE_AT_PRIMARY"  # ModemManager's rules know the port for AT commands of many sticks
AT_ONCE = 8  # sticks that are looked at together
SIM_TROUBLES = {
    SimLock.PUK: "the SIM wants its PUK: put it into a phone and unlock it there",
    SimLock.ABSENT: "there is no SIM card in it, or not firmly: insert one",
}
CD_ROM = "it is still a CD-ROM: run: apt install usb-modeswitch, then unplug it and plug it in again"
HILINK = "it has the HiLink firmware, which has no port for AT commands: it needs other firmware (stick mode)"
NO_PORT = "it has no serial port: run: modprobe option, then unplug it and plug it in again"
UNKNOWN_MAKER = "not a maker of modems that is known: to try it, name its port"
NO_MESSAGES = "a modem answers, but no port of it takes messages"


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a port is already. rows: port, or pattern, of each [[modem]] by name; imeis: theirs, if they have one.

    daemons: the ports that a running daemon has open, by the name of the modem.
    """

    rows: Mapping[str, str] = field(default_factory=dict)
    imeis: Mapping[str, str] = field(default_factory=dict)
    daemons: Mapping[str, str] = field(default_factory=dict)


def find(root: Path, owned: Owned) -> tuple[Stick, ...]:
    """Every stick, the usable ones first."""
    by_device: dict[str, list[SerialPort]] = defaultdict(list)
    for port in serial_ports.usb_ports(root):
        by_device[os.path.realpath(port.usb.folder) if port.usb else port.device].append(port)
    usual = (usb for usb in serial_ports.usb_devices(root) if os.path.realpath(usb.folder) not in by_device)
    without = [usb for usb in usual if port_rivals.is_modem(usb) or usb.ids in port_rivals.CD_ROM]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda ports: _stick(ports, root, owned), by_device.values()))
    found += [_without_port(usb) for usb in without]
    return tuple(sorted(_once(found), key=lambda stick: (bool(stick.trouble), stick.port)))


def probe(name: str, root: Path, owned: Owned) -> Stick:
    """The stick at a port that somebody named, or that was found."""
    below = Path(name).relative_to(root) if Path(name).is_relative_to(root) else Path(name.lstrip("/"))
    ports = serial_ports.fitting(f"/{below}", root)
    if not ports:
        return Stick(name, name, f"there is no port {name}: plug the modem in, or correct the name")
    return replace(_judged(ports[0], root, owned), port=name)


def _once(found: Iterable[Stick]) -> list[Stick]:
    """Of two with one IMEI, which are one modem, the first."""
    seen: dict[str, Stick] = {}
    for stick in found:
        seen.setdefault(stick.imei or f"{stick.port} {stick.place}", stick)
    return list(seen.values())


# --- one stick -------------------------------------------------------------------------------------------------


def _stick(ports: list[SerialPort], root: Path, owned: Owned) -> Stick:
    """Of the ports of a device, the one that is for messages; else the one that says most."""
    if not port_rivals.is_modem(ports[0].usb):
        return replace(_named(ports[0], owned, root), trouble=UNKNOWN_MAKER)
    order = sorted(ports, key=lambda port: (port.properties.get(PRIMARY) != "1", port.interface, port.device))
    tried: list[Stick] = []
    for port in order:
        tried.append(_judged(port, root, owned))
        if not tried[-1].trouble or tried[-1].held:
            return tried[-1]
    return next((stick for stick in tried if stick.imei), tried[0])


def _judged(port: SerialPort, root: Path, owned: Owned) -> Stick:
    stick = _named(port, owned, root)
    if stick.held:
        return stick
    survey: Callable[[str], Survey] = drivers.load(DRIVER).survey
    found = survey(_path(port.name, root))
    trouble = found.trouble or SIM_TROUBLES.get(found.sim, "") or ("" if found.messages else NO_MESSAGES)
    row = stick.row or next((name for name, imei in owned.imeis.items() if imei and imei == found.imei), "")
    return replace(
        stick,
        title=stick.title or found.model or port.name,
        trouble=_blamed(trouble, port, root) if found.trouble else trouble,
        imei=found.imei,
        wants_pin=found.sim is SimLock.PIN,
        centre=found.centre,
        row=row,
    )


def _named(port: SerialPort, owned: Owned, root: Path) -> Stick:
    """Without a look at it."""
    name = _path(port.by_id[0] if port.by_id else port.name, root)
    usb = port.usb or Usb("", "")
    real = os.path.realpath(name)
    held = next((modem for modem, used in owned.daemons.items() if os.path.realpath(used) == real), "")
    row = held or next((row for row, pattern in owned.rows.items() if fits(pattern, name)), "")
    return Stick(
        name,
        _title(usb) if port.usb else "",
        vendor=usb.vendor,
        product=usb.product,
        serial=usb.serial,
        place=Path(usb.folder).name,
        interface=port.interface,
        row=row,
        held=bool(held),
    )


def fits(pattern: str, name: str) -> bool:
    """Whether a port that a [[modem]] has is this one."""
    return os.path.realpath(pattern) == os.path.realpath(name) or fnmatch(name, pattern)


def _blamed(trouble: str, port: SerialPort, root: Path) -> str:
    """Who has the port, where that can be seen."""
    holders = [each for each in programs.holders(port.number, root).found if each.pid != os.getpid()]
    if not holders:
        return trouble
    others = ", ".join(map(str, holders))
    if any(each.name == port_rivals.MODEM_MANAGER for each in holders):
        return f"{others} has the port: run: systemctl stop ModemManager; what setup writes keeps it away later"
    return f"{others} has the port: stop it there"


def _without_port(usb: Usb) -> Stick:
    trouble = CD_ROM if usb.ids in port_rivals.CD_ROM else HILINK if usb.ids in port_rivals.HILINK else NO_PORT
    return Stick("", _title(usb), trouble, vendor=usb.vendor, product=usb.product, place=Path(usb.folder).name)


def _title(usb: Usb) -> str:
    maker = port_rivals.MAKERS.get(usb.vendor, "")
    name = usb.name if maker.lower() in usb.name.lower() else f"{maker} {usb.name}"
    return f"{name.strip() or 'USB device'} ({usb.ids})"


def _path(name: str, root: Path) -> str:
    """A name below the root that stands for "/"."""
    return str(root / name.lstrip("/"))
