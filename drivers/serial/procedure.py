"""Procedures: what a modem is asked in order to find it, set it up and look after it, as generators. Pure.

A procedure yields an order, the thread carries it out, and sends back what came of it, with the time. So it neither
waits nor reads a clock: a test plays the modem and the clock. What ends a session it raises
(`drivers.serial.session_ends`).

Of the orders, the first group is the line's (`drivers.serial.line`), the others are the session's.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from drivers import IncomingSms, StatusReport
from drivers.serial import at
from drivers.serial.modem_status import Became, Known

# --- orders to the line --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """Write a command. answer, free_text, prompt: as of `at.Parser.command`. The command may hold the SIM's PIN."""

    command: str = field(repr=False)
    answer: str = ""
    free_text: bool = False
    prompt: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """Write a query while the network has the message under way; the answer is an `at.Aside`."""

    query: str
    answer: str


@dataclass(frozen=True, slots=True)
class Body:
    """Write the message for a prompt; nothing is sent before `Send`."""

    hex: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Write Ctrl-Z: from here on the modem may send the message."""


@dataclass(frozen=True, slots=True)
class Escape:
    """Leave the prompt, if the modem is at one."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What has ended was an older command: the one under way is not over.

    answer: the name of its lines; prompt: it may still ask for its body.
    """

    answer: str
    prompt: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """The command under way has had its time: what still comes of it is a notice."""


@dataclass(frozen=True, slots=True)
class TrustEcho:
    """From now on an echo is a notice, if the last command had none: only a restart brings it back."""


@dataclass(frozen=True, slots=True)
class Unexpected:
    """What looked like a result of the command under way is said by the modem by itself."""

    notice: at.Notice


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for the next event but notices, which are handed on, until then (monotonic seconds)."""

    until: float


@dataclass(frozen=True, slots=True)
class Idle:
    """Wait, while no command is under way, until something has come or another thread has woken us, until then."""

    until: float


@dataclass(frozen=True, slots=True)
class Time:
    """Say what time it is."""


LineOrder = Begin | Beside | Body | Send | Escape | Expect | Drop | TrustEcho | Unexpected | Listen | Idle | Time

# --- orders and news to the session --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetRate:
    """From now on the port has this speed, in bit/s."""

    rate: int


@dataclass(frozen=True, slots=True)
class ReadPin:
    """Read the SIM's PIN from its file. Then `PinRead`."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give what the SIM has stored to who listens. Then `HandedOver`."""

    message: StatusReport | IncomingSms = field(repr=False)


@dataclass(frozen=True, slots=True)
class Await:
    """Go on when this is done, or after a while."""

    kept: Future[bool]


@dataclass(frozen=True, slots=True)
class GiveWay:
    """Here something more important, a message say, may come before what follows."""


@dataclass(frozen=True, slots=True)
class Warn:
    """A line for the log."""

    text: str


GIVE_WAY = GiveWay()

Order = LineOrder | SetRate | ReadPin | HandOver | Await | GiveWay | Warn | Known | Became

# --- what comes of them --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PinRead:
    """fault: why there is none."""

    pin: str = field(default="", repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """kept: ends in whether it is safe with who listens; None: there is nothing to keep."""

    kept: Future[bool] | None


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an order. Times are monotonic seconds.

    event: of `Listen` (None: nothing in time), `ReadPin` and `HandOver`. received_at: when the last octets came.
    """

    now: float
    event: at.Event | PinRead | HandedOver | None = None
    received_at: float = float("-inf")


T = TypeVar("T")
OrderT = TypeVar("OrderT")

Talk = Generator[LineOrder, Came, T]
"""A procedure that needs nothing but the line."""
Procedure = Generator[Order, Came, T]


def run(procedure: Generator[OrderT, Came, T], carry_out: Callable[[OrderT], Came]) -> T:
    """From its begin to its end: what it returns."""
    try:
        order = next(procedure)
        while True:
            order = procedure.send(carry_out(order))
    except StopIteration as end:
        result: T = end.value
        return result
