"""Events, orders and news of the exchange of messages (`drivers.serial.sending`). Pure.

Besides these, the events of `drivers.serial.at` go in, and the late answers and delivery reports of `drivers` come out.
"""

from dataclasses import dataclass, field

from drivers import DriverError, LateAnswer, LeftBehind, Receipt, Sms, StatusReport
from drivers.serial import at
from drivers.serial.restart_signs import Settings

# --- events --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """A session with the modem has begun."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """It has ended. why: what a message under way is answered with."""

    why: str


@dataclass(frozen=True, slots=True)
class ModemRestarted:
    """The modem, or its power, has started again: no older answer will come."""


@dataclass(frozen=True, slots=True)
class Given:
    """A message to send. settings: of this modem, by which a restart shows."""

    sms: Sms
    settings: Settings


@dataclass(frozen=True, slots=True)
class Offered:
    """`Offer` was carried out. prompt_s: how long to wait for the prompt."""

    prompt_s: float


@dataclass(frozen=True, slots=True)
class BodyWritten:
    """`Body` was carried out."""


@dataclass(frozen=True, slots=True)
class Synchronised:
    """`Synchronise` was carried out."""


@dataclass(frozen=True, slots=True)
class Probed:
    """`Probe` was carried out. in_step: the modem has answered, and has no answer left to an older command."""

    in_step: bool


@dataclass(frozen=True, slots=True)
class Due:
    """The time for which the exchange waits has come."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A delivery report, as the network wrote it."""

    report: StatusReport


@dataclass(frozen=True, slots=True)
class StorageEmptied:
    """The full storage was looked through. made_room: something was deleted."""

    made_room: bool


Event = (
    at.Event
    | LeftBehind
    | SessionBegan
    | SessionEnded
    | ModemRestarted
    | Given
    | Offered
    | BodyWritten
    | Synchronised
    | Probed
    | Due
    | Reported
    | StorageEmptied
)

# --- orders --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """Write AT+CMGS, once no answer to an older command can come. length: of the TPDU. Then `Offered`."""

    length: int


@dataclass(frozen=True, slots=True)
class Body:
    """Write the message's body. Then `BodyWritten`."""

    hex: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Submit:
    """Write the Ctrl-Z behind the body."""


@dataclass(frozen=True, slots=True)
class ExpectResult:
    """What has ended was an older message's answer: the result of the one on the wire is still to come."""


@dataclass(frozen=True, slots=True)
class ExpectPrompt:
    """The last result was an older message's: AT+CMGS may still get its prompt."""


@dataclass(frozen=True, slots=True)
class Query:
    """Ask whether the modem is there, while the network has the message. answer: the name of the answer's line."""

    command: str
    answer: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Wait no more for the result of AT+CMGS, though it may come."""


@dataclass(frozen=True, slots=True)
class Synchronise:
    """Make sure that no answer to an older command can come. Then `Synchronised`.

    always: also where none is owed, since the modem may be about to prompt. no_prompt: none came in time.
    """

    always: bool = False
    no_prompt: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask once whether the modem answers. Then `Probed`."""


@dataclass(frozen=True, slots=True)
class Mute:
    """The modem answers nothing at all: end the session."""


Order = Offer | Body | Submit | ExpectPrompt | ExpectResult | Query | GiveUp | Synchronise | Probe | Mute

# --- news ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """The message under way has its result. listening: its answer may still come, and nothing else is sent before."""

    result: Receipt | DriverError
    listening: bool = False


News = Ended | LateAnswer | StatusReport
Output = Order | News
