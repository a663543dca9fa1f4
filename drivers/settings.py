"""How a configuration key is declared: a field of a frozen dataclass, with its help, unit, bounds and checks.

There are two kinds of check. `check` looks at the text alone: what is wrong with it makes the file unusable. `probe`
opens, resolves or compares what the key names, without network traffic: it sees the machine and the whole section.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a fault of the configuration means for the daemon."""

    FATAL = "fatal"  # it does not start
    ERROR = "error"  # it starts, and a device, a listener or a feature does not work until this is corrected
    WARNING = "warning"  # it works, or will once something else has changed


class FaultKind(StrEnum):
    """What a fault is about, for whoever sorts faults: `pinwheel doctor` has a check for each."""

    VALUE = "value"  # the value, or what it names: its key says what that is
    READABLE = "readable"  # others may read a secret
    WRITABLE = "writable"  # others may write the configuration
    HIDDEN = "hidden"  # the unit of the service, or a disk, keeps away what its user may use
    NO_PORT = "no port"  # of a modem: nothing is there now
    NO_ACCESS = "no access"  # the user may not open a modem's port
    WRONG_PORT = "wrong port"  # it is no serial port, or not of this modem alone
    ADDRESS_IN_USE = "address in use"  # by another program, or by the daemon itself


@dataclass(frozen=True, slots=True)
class Fault:
    """What a probe found, with the remedy. It never repeats what may be a secret.

    key: which key of the section must be changed, where it is not the one that was probed.
    """

    text: str
    severity: Severity = Severity.ERROR
    key: str = ""
    kind: FaultKind = FaultKind.VALUE


Check = Callable[[str], str]
"""What is wrong with a text, or ""."""

Probe = Callable[[Any, Any], Iterator[Fault]]
"""What is wrong with a value, in its section (the dataclass that holds it), on this machine."""


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    check: Check | None = None,
    probe: Probe | None = None,
    required: bool = False,
    quoted: bool = True,
) -> Any:
    """A configuration key: its default, one sentence, unit, bounds or choices, checks.

    quoted: messages and reprs may repeat a value; False for what may be a secret that was written in the wrong place.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "check": check,
        "probe": probe,
        "required": required,
        "quoted": quoted,
    }
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata, repr=quoted)
    return field(default=default, metadata=metadata, repr=quoted)
