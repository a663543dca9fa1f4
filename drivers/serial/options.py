"""The keys of a [[modem]] with the serial driver, and what can be wrong with them."""

import glob
import grp
import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checks import whole_path
from drivers.named_files import Unreadable, open_to_others, secret, user_name
from drivers.serial.balance_text import template_fault
from drivers.serial.imei import SAME_IMEI
from drivers.serial.ussd import CODE
from drivers.settings import Fault, FaultKind, Severity, setting

PIN_DIGITS = range(4, 9)  # 3GPP 31.101 9.5.1
READ_WRITE = stat.S_IRGRP | stat.S_IWGRP
SETUP = "pinwheel setup, which writes a udev rule for the port"


def _port(value: str) -> str:
    if not value or value.startswith("/"):
        return ""
    return f'{value!r} must be a whole path, e.g. "/dev/serial/by-id/usb-..." or "/dev/{value}"'


def _serial_port(port: str, options: "Options") -> Iterator[Fault]:
    """A port that is not there may come; one that is there must be a serial port that we may open."""
    if not port:
        return
    found = glob.glob(port)
    if not found:
        what = "no port fits" if glob.has_magic(port) else "there is no port"
        text = f"{what} {port} now; is the modem plugged in? (ls /dev/serial/by-id)"
        yield Fault(text, Severity.WARNING, kind=FaultKind.NO_PORT)
    for name in found if len(found) == 1 else ():  # of several, those that are no modem are passed over
        if not stat.S_ISCHR(os.stat(name).st_mode):
            yield Fault(f"{name} is no serial port; name one of /dev/serial/by-id", kind=FaultKind.WRONG_PORT)
        elif not os.access(name, os.R_OK | os.W_OK):
            text = f"the user {user_name()} may not open {name}; run: {_admitting(os.stat(name), user_name())}"
            yield Fault(text, kind=FaultKind.NO_ACCESS)
    if len(found) > 1 and not options.imei:
        text = f"{len(found)} ports fit {port}; name one, or give the modem's imei"
        yield Fault(text, Severity.WARNING, kind=FaultKind.WRONG_PORT)


def _admitting(port: os.stat_result, user: str) -> str:
    """The command after which a user may open a port. Membership in a group that may not open it either is no help."""
    if port.st_gid == 0 or port.st_mode & READ_WRITE != READ_WRITE:
        return SETUP
    try:
        group = grp.getgrgid(port.st_gid).gr_name
    except KeyError:  # the group that it had is gone
        return SETUP
    return f"usermod -aG {group} {user} && systemctl restart pinwheel"


def _imei(value: str) -> str:
    fits = not value or (value.isascii() and value.isdecimal() and SAME_IMEI <= len(value) <= SAME_IMEI + 2)
    return "" if fits else f"{value!r} must be the 14 to 16 digits that `pinwheel modems show NAME` prints"


def _pin_file(value: str) -> str:
    """It does not repeat the value, which may be the PIN itself."""
    return "" if not whole_path(value) else "must be the whole path of a file that holds the PIN"


def sim_pin(path: str) -> str:
    """The PIN in a file. Raises Unreadable, which never repeats what is in it."""
    pin = secret(path)
    if not (pin.isascii() and pin.isdecimal() and len(pin) in PIN_DIGITS):
        raise Unreadable(f"{path} does not hold a PIN of 4 to 8 digits")
    return pin


def _pin(path: str, _: object) -> Iterator[Fault]:
    if not path:
        return
    try:
        sim_pin(path)
    except Unreadable as exc:
        yield Fault(str(exc))
        return
    yield from open_to_others(path)


def _code(value: str) -> str:
    fits = not value or CODE.fullmatch(value)
    return "" if fits else f'{value!r} is no code for USSD: it begins with * or #, and ends with #, e.g. "*100#"'


def _command(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as exc:
        return f"{value!r} is no command: {str(exc).lower()}"
    return f"{value!r} is no command" if value and not words else ""


def _program(command: str, _: object) -> Iterator[Fault]:
    program = next(iter(shlex.split(command)), "")
    if program and shutil.which(program) is None:
        yield Fault(f"there is no program {program} that the user {user_name()} may run; install it, or give its path")


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of a [[modem]] with this driver."""

    port: str = setting(
        "",
        "The serial port; names in /dev/serial/by-id stay the same; a pattern with * is searched for the modem.",
        required=True,
        check=_port,
        probe=_serial_port,
    )
    imei: str = setting("", "Use only the modem with this IMEI, at any port that fits the pattern.", check=_imei)
    baudrate: int | str = setting(
        115200, 'Its speed, or "auto"; USB modems ignore it.', choices=("auto",), low=300, high=4_000_000, unit="bit/s"
    )
    flow_control: str = setting("none", '"none" or "rtscts".', choices=("none", "rtscts"))
    pin_file: str = setting(
        "", "A file with the SIM's PIN; it is tried once.", check=_pin_file, probe=_pin, quoted=False
    )
    power_cycle: str = setting(
        "",
        "A command that cuts the modem's power for a moment, if the modem stays silent (uhubctl ...).",
        check=_command,
        probe=_program,
    )
    balance_ussd: str = setting(
        "",
        'The code by which the SIM\'s network says what is left on it, e.g. "*100#"; empty: nobody asks.',
        check=_code,
    )
    balance_every: int = setting(
        21600, "How often it is asked, in a pause between messages.", unit="s", low=600, high=604_800
    )
    balance_pattern: str = setting(
        "",
        'Where the amount stands in the answer, e.g. "Main account: {amount}"; empty: the first amount of money.',
        check=template_fault,
    )
