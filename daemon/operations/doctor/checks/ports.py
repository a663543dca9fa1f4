"""The ports of the modems as the machine has them: who holds one, what takes it, which stick shows none. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from daemon.operations.doctor.facts import ModemPort, Ports
from daemon.operations.doctor.verdicts import Verdict, Words, error, info, warning
from daemon.operations.host.port_rivals import CD_ROM, HILINK, MAKERS, MODEM_MANAGER, RIVALS
from daemon.operations.host.values import Process, SerialPort
from daemon.operations.setup import udev
from daemon.operations.setup.model import Stick

MANY_RESETS = 3
RULE = "sudo pinwheel doctor {} --fix writes a udev rule"
WRITE = ("sh", "-c", 'printf %s "$1" >"$2"', "sh")
"""A text, and the file that gets it."""


def held(ports: Ports) -> Iterator[Verdict]:
    for port in ports.modems:
        for process in port.holders.found:
            where = port.found[0].device if port.found else port.pattern
            text = f"{process} has the port {where} of modem {port.modem}"
            stick = next((each for each in port.found[:1] if each.usb is not None), None)
            if process.name == MODEM_MANAGER and stick is not None:  # it may be needed for another stick
                yield error(text, RULE.format("port-held"), port.modem, _left_alone(port.modem, stick))
            else:
                yield error(text, _stop(process), port.modem, _stopping(process))
        if not port.holders.complete and port.found and not port.holders.found:
            yield info(f"who holds the port of modem {port.modem} is seen by root only", "sudo pinwheel doctor")


def modem_manager(ports: Ports) -> Iterator[Verdict]:
    """It opens every port that no udev rule keeps from it, at each start and when a stick is plugged in."""
    running = next((each for each in ports.rivals if each.name == MODEM_MANAGER), None)
    if running is None:
        return
    for port in ports.modems:
        exposed = next((each for each in port.found if not each.left_alone and each.usb is not None), None)
        if exposed is not None:
            text = f"ModemManager runs and does not leave {exposed.device} of modem {port.modem} alone"
            yield warning(text, RULE.format("modemmanager"), port.modem, _left_alone(port.modem, exposed))


def rivals(ports: Ports) -> Iterator[Verdict]:
    """Programs that might take the port at their next start."""
    holding = {process.pid for port in ports.modems for process in port.holders.found}
    for process in ports.rivals:
        if process.name != MODEM_MANAGER and process.pid not in holding:
            yield warning(f"{RIVALS[process.name]} runs here: {process}", _stop(process), "", _stopping(process))


def stable_name(ports: Ports) -> Iterator[Verdict]:
    for port in ports.modems:
        name = _last(port.pattern)
        first = port.found[0] if port.found else None
        if name.startswith(("ttyUSB", "ttyACM")) and "*" not in name and first is not None and first.by_id:
            text = f"modem {port.modem}: {port.pattern} may name another device after the next plugging"
            yield warning(text, f'set port = "{first.by_id[0]}"', port.modem)


def elsewhere(ports: Ports) -> Iterator[Verdict]:
    """A port that is gone, while a modem is at one that nobody uses."""
    for port in ports.modems:
        for other in ports.others if not port.found else ():
            name = other.by_id[0] if other.by_id else other.name
            maker = MAKERS.get(other.usb.vendor, "") if other.usb is not None else ""
            what = f"a modem of {maker}" if maker else "a modem"
            text = f"modem {port.modem}: {port.pattern} is gone, and {what} is at {other.device}"
            yield error(text, f'set port = "{name}", or: pinwheel setup', port.modem)
            break


def cd_rom(ports: Ports) -> Iterator[Verdict]:
    for stick in ports.sticks:
        if stick.ids in CD_ROM:
            text = f"the stick {stick.ids} {stick.name} still shows itself as a CD-ROM"
            yield error(text, "apt install usb-modeswitch, then plug it in again")


def hilink(ports: Ports) -> Iterator[Verdict]:
    for stick in ports.sticks:
        if stick.ids in HILINK:
            text = f"the stick {stick.ids} {stick.name} is a network card (HiLink) and has no port for AT commands"
            yield error(text, "use another stick, or its firmware for serial ports")


def suspended(ports: Ports) -> Iterator[Verdict]:
    for port, found in _usb_ports(ports):
        assert found.usb is not None
        if found.usb.control == "auto":
            text = f"modem {port.modem}: the kernel may suspend its USB device"
            order = f"echo on > {found.usb.folder}/power/control"
            yield warning(text, order, port.modem, (("sh", "-c", order),))


def resets(ports: Ports) -> Iterator[Verdict]:
    for port, found in _usb_ports(ports):
        assert found.usb is not None
        place = _last(found.usb.folder)
        count = (ports.resets or {}).get(place, 0)
        if count >= MANY_RESETS:
            text = f"modem {port.modem}: its USB device {place} went away {count} times"
            yield warning(text, "use a hub with power of its own, and another cable", port.modem)


def unused(ports: Ports) -> Iterator[Verdict]:
    """Modems that nobody configured."""
    if all(port.found for port in ports.modems):
        for device in sorted({other.usb.ids for other in ports.others if other.usb is not None}):
            yield info(f"a modem {device} is plugged in that no [[modem]] uses", "pinwheel setup")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _usb_ports(ports: Ports) -> Iterator[tuple[ModemPort, SerialPort]]:
    for port in ports.modems:
        if port.found and port.found[0].usb is not None:
            yield port, port.found[0]


def _stop(process: Process) -> str:
    return f"systemctl disable --now {process.unit}" if _is_service(process) else f"kill {process.pid}"


def _stopping(process: Process) -> tuple[Words, ...]:
    """Only of a service: what a person started, that person should end."""
    return (("systemctl", "disable", "--now", process.unit),) if _is_service(process) else ()


def _is_service(process: Process) -> bool:
    return process.unit.endswith(".service") and not process.unit.startswith("user@")


def _left_alone(modem: str, port: SerialPort) -> tuple[Words, ...]:
    """By ModemManager from now on: the rule is as `pinwheel setup` writes it."""
    assert port.usb is not None
    usb = port.usb
    stick = Stick(port.name, vendor=usb.vendor, product=usb.product, serial=usb.serial)
    stick = replace(stick, place=_last(usb.folder), interface=port.interface)
    rule = (*WRITE, udev.rules(modem, stick), udev.path_of(modem))
    return (rule, *udev.APPLIED, ("systemctl", "restart", MODEM_MANAGER))
