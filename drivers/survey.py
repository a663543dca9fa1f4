"""What a look at a serial port, or at the trunk, gives without a driver: a part of the contract."""

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


@dataclass(frozen=True, slots=True)
class TrunkSurvey:
    """What a look at the trunk gave, beside any driver that runs.

    addresses: none where its name leads nowhere; unreachable: why nothing answers, or ""; answer: to a request without
    effect, as "200 OK". seen_at, ours: our address as the trunk sees it and as we know it, "host:port" or "".
    rewritten: what we sent was changed on its way. certificate_days: of the trunk's, until it ends; None without one.
    """

    addresses: tuple[str, ...] = ()
    unreachable: str = ""
    answer: str = ""
    seen_at: str = ""
    ours: str = ""
    rewritten: bool = False
    certificate_days: float | None = None
    certificate_problem: str = ""
