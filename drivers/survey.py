"""What answers at a serial port: the part of the contract that `pinwheel setup` looks for modems by."""

from dataclasses import dataclass
from enum import StrEnum

SURVEY_S = 2.0


class SimLock(StrEnum):
    """What the SIM wants before it works."""

    OPEN = "open"
    PIN = "pin"
    PUK = "puk"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Survey:
    """What answers at a port. trouble: why nothing does, with the remedy; "" if a modem does.

    messages: it takes messages at this port; a stick has others, say for diagnostics, that answer, too.
    centre: a service centre is set, without which no message goes out; None if that is unknown.
    """

    trouble: str = ""
    model: str = ""
    imei: str = ""
    sim: SimLock = SimLock.UNKNOWN
    messages: bool = False
    centre: bool | None = None
