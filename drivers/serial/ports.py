"""Serial ports: which there are, opening one, and why one does not open."""

import contextlib
import errno
import glob
import os
import re
import termios
from collections.abc import Iterator
from dataclasses import dataclass

import serial

from drivers import Reason
from drivers.serial.line import WRITE_S
from drivers.serial.port_search import Port

FAILURES = (OSError, serial.SerialException, ValueError, termios.error)
"""What pyserial raises of a port; termios.error, which is no OSError, if the modem is unplugged while it is set up."""

IN_USE = frozenset({errno.EBUSY, errno.EAGAIN})
THERE = IN_USE | {errno.EACCES, errno.EPERM, errno.ENOTTY}
CAUSES = {
    errno.ENOENT: "no such port: plug the modem in, or correct port",
    errno.ENODEV: "no such device: plug the modem in",
    errno.ENXIO: "no such device: plug the modem in",
    errno.EACCES: "no permission to open the port: pinwheel doctor port-access",
    errno.EBUSY: "the port is in use by another program",
    errno.EAGAIN: "the port is in use by another program (ModemManager, gammu-smsd?): stop it there",
    errno.EIO: "the device does not answer: unplug it and plug it in again",
    errno.ENOTTY: "it is no serial port: correct port",
}
REASONS = {
    errno.ENOENT: Reason.NO_PORT,
    errno.ENODEV: Reason.NO_PORT,
    errno.ENXIO: Reason.NO_PORT,
    errno.EACCES: Reason.NO_PERMISSION,
    errno.EBUSY: Reason.PORT_HELD,
    errno.EAGAIN: Reason.PORT_HELD,
    errno.EIO: Reason.SILENT,
    errno.ENOTTY: Reason.NOT_SERIAL,
}
OURS = "another [[modem]] of this daemon has the port"

_held: set[str] = set()  # the devices that drivers of this process have open


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a port failed, with the remedy. there: the device is, so that cutting its power would not help.

    ours: another driver of this process has it.
    """

    cause: str
    there: bool
    ours: bool
    reason: Reason = Reason.NONE


def fitting(pattern: str) -> tuple[Port, ...]:
    """Those of a pattern, in an order that is stable while nothing is plugged; or the one of this name."""
    return tuple(port(name) for name in (sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]))


def port(name: str) -> Port:
    try:
        return Port(name, os.stat(name).st_ino)
    except OSError:
        return Port(name, 0)


@contextlib.contextmanager
def opened(name: str, rate: int, *, rtscts: bool) -> Iterator[serial.Serial]:
    """Raises one of FAILURES."""
    device = os.path.realpath(name)
    with serial.Serial(
        name,
        baudrate=rate,
        rtscts=rtscts,
        exclusive=True,  # two programs on one modem corrupt each other's commands
        timeout=0,
        write_timeout=WRITE_S,
    ) as open_port:
        _held.add(device)
        try:
            yield open_port
        finally:
            _held.discard(device)


def failure(name: str, exc: Exception) -> Failure:
    number = _errno(exc)
    if number in IN_USE and os.path.realpath(name) in _held:
        return Failure(OURS, there=True, ours=True, reason=Reason.PORT_HELD)
    unknown = f"cannot open the port: {os.strerror(number) if number else 'no cause is known'}"
    number = number or 0
    return Failure(CAUSES.get(number, unknown), number in THERE, ours=False, reason=REASONS.get(number, Reason.NONE))


def _errno(exc: Exception) -> int | None:
    """pyserial hides the number of some errors in its text, and termios.error in its arguments."""
    if "exclusively lock" in str(exc):
        return errno.EAGAIN
    hidden = re.search(r"\((\d+), ", str(exc))
    number = getattr(exc, "errno", None) or next(iter(exc.args), None)
    return number if isinstance(number, int) else int(hidden[1]) if hidden else None
