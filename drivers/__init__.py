"""The contract between the daemon and its devices.

A driver is one module of this package, named as `driver = "..."` in the configuration. It has two names:
`Options`, a frozen dataclass whose fields are the driver's own configuration keys, each declared by
`drivers.settings.setting`, and `Driver`, built from (name, Options) and satisfying `SmsDriver` or `VoiceDriver`. The
constructor does no work: `open()` opens.

How calls are made (how long it rings, how many at a time) is configured for the gateway and comes with each `Call`.
Two names in the `Options` of a voice driver have a meaning, if they are there: an empty `state_file` is replaced by a
path beside the database, where the driver may write; `room_for(calls)` yields a `Fault` if so many at a time cannot be.
A voice driver's module may have `survey(options, limit_s)`, which looks at the trunk and gives a
`drivers.survey.TrunkSurvey`; it may block for so long, registers nothing and calls nobody.

An SMS driver may have a third name, `survey(port)`, by which `pinwheel setup` looks for modems: what answers at a
serial port, as a `drivers.survey.Survey`. It takes SURVEY_S at most, changes nothing that lasts, and raises nothing.

Rules. A driver knows nothing of requests, queues or PINs. It never blocks its caller: work is answered through
a future, news through the listener. It may call the listener, `progress` and a future's callbacks on any thread, and
holds no lock meanwhile: they may call the driver. A device that is missing or broken is a state, not an exception: the
driver goes on trying until `close()`. Before `open()` and after `close()` the state is CLOSED, and work that is asked
for ends in Unavailable; `open()` works again after `close()`. Each change of state, or of its reason, is followed by
`StateChanged`: the queue in front asks `status()` only then. Only the exceptions below leave a driver, and their texts
hold no number, message or PDU. `tests/drivers/contract/` has these rules as a test class for each kind of driver.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from drivers.figures import Lateness, ModemCounts
from drivers.loading import load as load

if TYPE_CHECKING:
    from concurrent.futures import Future  # 1 MB that the audio process has no use for


class DriverError(Exception):
    """What a driver could not do; one of the three below says what that means for the caller."""


class Refused(DriverError):
    """The network or the far end said no for good: the same again would be refused again."""


class Unavailable(DriverError):
    """Not now, and nothing has been sent: it is safe to try again later or elsewhere."""


class Deferred(Unavailable):
    """Unavailable, as the network says: the recipient may be out of reach, or the network busy for all."""


class Uncertain(DriverError):
    """The device took the message, but no answer came: it may have been sent. parts: how many of it may have been."""

    def __init__(self, detail: str, parts: int = 1) -> None:
        super().__init__(detail)
        self.parts = parts


class DeviceState(StrEnum):
    """Whether a device can work, for operators and for the queue in front of it."""

    STARTING = "starting"  # opening and initialising
    READY = "ready"  # takes work
    WAITING = "waiting"  # answers, but has no network (not registered, trunk refuses)
    ABSENT = "absent"  # no such port, or no answer from it; the driver goes on trying
    FAILED = "failed"  # needs a person: SIM PIN wrong, PUK, bad credentials
    CLOSED = "closed"


class Reason(StrEnum):
    """What keeps a device from work, where that is known: for programs, as `detail` is for people."""

    NONE = ""  # it works, or nobody knows
    NO_PORT = "no port"
    PORT_HELD = "port held"  # by another program
    NO_PERMISSION = "no permission"  # to open the port
    NOT_SERIAL = "not serial"
    SILENT = "silent"  # nothing answers
    WRONG_PORT = "wrong port"  # what answers is another modem, or its port for something else
    NO_SIM = "no SIM"
    SIM_PIN = "SIM PIN"
    SIM_PUK = "SIM PUK"
    DENIED = "denied"  # the network does not take the SIM
    NO_COVERAGE = "no coverage"
    NO_ADDRESS = "no address"  # the name of the trunk leads nowhere
    UNAUTHORIZED = "unauthorized"  # 401, 407: the password
    FORBIDDEN = "forbidden"  # 403
    UNKNOWN_ACCOUNT = "unknown account"  # 404


# --- SMS ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sms:
    """One message. number: E.164 digits without "+"; validity_s: how long the network may keep trying.

    flash: shown at once and kept nowhere (class 0, 3GPP 23.038 4).
    """

    number: str = field(repr=False)
    text: str = field(repr=False)
    validity_s: int
    flash: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The network took the message. references: TP-MR of each part, in order (3GPP 23.040 9.2.3.6).

    A device that has none counts the parts itself, modulo REFERENCES.
    """

    references: tuple[int, ...]


REFERENCES = 256  # values of TP-MR: after 255 comes 0 (3GPP 23.040 9.2.3.6)
NATIONAL_DIGITS = 7  # at the end of a number, the same in every form of it; a shorter one is a short code


class Delivery(StrEnum):
    """What a status report says (3GPP 23.040 9.2.3.15): TP-ST 0x00-1F, 0x20-3F, 0x40 and above."""

    DELIVERED = "delivered"
    TRYING = "trying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A delivery report: reference is the TP-MR, number the recipient, status the raw TP-ST.

    number: E.164 digits; for a message that was sent before the driver was opened, as the network writes it.
    stored: the device keeps the report until the listener has it safe; if it has not, the report comes again.
    """

    reference: int
    number: str = field(repr=False)
    delivery: Delivery
    status: int
    stored: bool = False


@dataclass(frozen=True, slots=True)
class IncomingSms:
    """A message that the SIM received. sender: digits or an alphanumeric name; stored: as of a StatusReport."""

    sender: str = field(repr=False)
    text: str = field(repr=False)
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left on a SIM. currency: of ISO 4217, or "$" or "¥", or "" for unknown; at: in monotonic seconds."""

    amount: Decimal
    currency: str
    at: float


@dataclass(frozen=True, slots=True)
class ModemStatus:
    """A snapshot for operators. signal_dbm: -113..-51 or None; detail: what is wrong and what to do, or "".

    remarks: what this device does not do, though it works. reason: of the state, where the driver can say it.
    balance: None where nobody asks the network, or it does not say. counts: for monitoring.
    """

    state: DeviceState
    detail: str = ""
    operator: str = ""
    signal_dbm: int | None = None
    model: str = ""
    imei: str = ""
    imsi: str = ""
    port: str = ""
    remarks: tuple[str, ...] = ()
    reason: Reason = Reason.NONE
    balance: Balance | None = None
    counts: ModemCounts = field(default_factory=ModemCounts)


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer for a message that had already ended in Uncertain. sms: the very object that `send` was called with."""

    sms: Sms
    answer: Receipt | DriverError


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A message that the device got in an earlier run of the daemon, which did not see its end. age_s: since when."""

    sms: Sms
    age_s: float
    alone: bool = False  # a delivery report for its recipient can be of no other message of that time


class StateChanged:
    """The state of the driver's `status()`, or its reason, is a new one."""


SmsEvent = StatusReport | IncomingSms | LateAnswer | StateChanged
SmsListener = Callable[[SmsEvent], "Future[bool]"]
"""Returns at once. The future ends in whether the listener has the news safe: only then may a modem delete a message or
report that it has stored."""


class SmsDriver(Protocol):
    """One modem with one SIM; it sends one message at a time, in the order of `send`."""

    name: str

    def open(self, listener: SmsListener, left: Sequence[LeftBehind] = ()) -> None:
        """Start, also again after `close`; returns at once, also when the device is absent.

        left: in the order of sending; an answer that comes for one of them is a `LateAnswer`, and no other message's.
        """

    def send(self, sms: Sms) -> "Future[Receipt]":
        """Send; the future ends in a Receipt, Refused, Unavailable or Uncertain.

        `cancel()` of the future works until the device gets the message; then the message is not sent.
        """

    def ask(self, command: str) -> "Future[tuple[str, ...]]":
        """An operator's question in the device's language; the future ends in the lines of the answer, or Unavailable.

        What could change something is Refused, as is everything by a device that answers no questions.
        """

    def status(self) -> ModemStatus: ...

    def close(self) -> None:
        """Finish the message on the wire, or end it as Uncertain; end the others as Unavailable; release the device.

        Takes a few seconds at most; every future has ended after it.
        """


# --- voice -------------------------------------------------------------------------------------------------

KEY_S = 4.0
"""How long a driver waits for a key after an utterance."""

RATE = 8000
"""Samples of speech a second; G.711 has one octet for each."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Speech as ready G.711 octets, once in each law and of the same length (RFC 3551 4.5.14)."""

    pcmu: bytes = field(repr=False)
    pcma: bytes = field(repr=False)

    @property
    def seconds(self) -> float:
        return len(self.pcmu) / RATE


@dataclass(frozen=True, slots=True)
class Call:
    """One call. number: E.164 digits without "+"; ring_s: how long it may ring before we cancel.

    audio is the speech. question comes before it, if there is one, and asks for the key 1. again is said, up to
    `repeats` times, to who presses 1 after the speech, and bye to who does not. limit_s: the longest call, from its
    answer. hang_up_on_machine: listen first, and say nothing to what sounds like an answering machine.
    """

    number: str = field(repr=False)
    audio: Audio
    ring_s: float = 30.0
    question: Audio | None = None
    again: Audio | None = None
    bye: Audio | None = None
    repeats: int = 0
    limit_s: float = 600.0
    hang_up_on_machine: bool = False


class CallPhase(StrEnum):
    """How far a call has come."""

    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"


class CallOutcome(StrEnum):
    """How a call ended, as an operator would say it."""

    ANSWERED = "answered"
    BUSY = "busy"  # 486, 600
    DECLINED = "declined"  # 603, 607, 608
    NO_ANSWER = "no answer"  # ring time-out, 480, 408 after 180, 487 not by us
    NOT_FOUND = "not found"  # 404, 410, 484, 485, 604
    UNREACHABLE = "unreachable"  # no response from the trunk, 5xx
    REJECTED = "rejected"  # 401/407 not satisfied, 403, 488, 3xx, other 4xx and 6xx
    CANCELLED = "cancelled"  # we hung up before the answer
    FAILED = "failed"  # our side: no port, media process gone


@dataclass(frozen=True, slots=True)
class CallResult:
    """ring_s, talk_s: seconds ringing and talking; played_s: how much of the speech was sent, the first time.

    cause: of ITU-T Q.850, where the telephone network gave one (16 normal, 17 busy, 19 no answer, 31 unspecified).
    keys: what the callee pressed. machine: an answering machine seemed to answer, so that we hung up. one_way: no audio
    came from the callee, so that ours may not have arrived either. codec: of our audio, such as PCMA, "" where none was
    sent; sent: its RTP packets; late: those of speech against their schedule.
    """

    outcome: CallOutcome
    sip_code: int | None = None
    reason: str = ""
    ring_s: float = 0.0
    talk_s: float = 0.0
    played_s: float = 0.0
    cause: int | None = None
    keys: str = ""
    machine: bool = False
    one_way: bool = False
    codec: str = ""
    sent: int = 0
    late: Lateness = field(default_factory=Lateness, compare=False)


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """A snapshot for operators. registered: None where the trunk needs no registration.

    alive: False while the driver itself does not work, whatever the trunk does. reason: as of a ModemStatus.
    answered: the server has answered something.
    """

    state: DeviceState
    detail: str = ""
    server: str = ""
    registered: bool | None = None
    calls: int = 0
    alive: bool = True
    reason: Reason = Reason.NONE
    answered: bool = False


class CallHandle(Protocol):
    """A call under way."""

    result: "Future[CallResult]"
    """Ends in a CallResult, or in Unavailable where nothing was sent."""

    def hang_up(self) -> None:
        """Stop now, in whatever phase: CANCEL while it rings, BYE while it speaks. Harmless afterwards."""


class VoiceDriver(Protocol):
    """One SIP account; many calls at a time."""

    name: str

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        """Start, also again after `close`; returns at once, also when the trunk cannot be reached."""

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        """Dial; `progress` is called once for each phase that the call reaches, in order."""

    def status(self) -> TrunkStatus: ...

    def close(self) -> None:
        """Hang up what is left, unregister, release ports and processes; takes a few seconds at most.

        Every result is there after it: ANSWERED for a call that spoke, CANCELLED for one that still rang.
        """
