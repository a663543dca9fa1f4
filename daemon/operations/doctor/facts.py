"""What was seen of this machine, of the configuration, and of the daemon: frozen values, which checks judge. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.core.canary import Standing
from daemon.lanes.snapshots import SmsSnapshot, VoiceSnapshot
from daemon.operations.doctor.verdicts import Verdict
from daemon.operations.host.values import (
    MISSING,
    Backups,
    Certificate,
    Clock,
    Database,
    Disk,
    Holders,
    Machine,
    Missing,
    Process,
    SerialPort,
    Unit,
    Usb,
)
from daemon.store.condition import Condition
from drivers.settings import FaultKind
from drivers.survey import TrunkSurvey


@dataclass(frozen=True, slots=True)
class Asker:
    """Who runs the doctor. groups: of this session; member_of: of whose list the user stands (getent group)."""

    user: str
    is_root: bool
    groups: frozenset[str] = frozenset()
    member_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding of the configuration. where: "[api] tcp"; mild: the daemon works with it; subject: the modem's name.

    starts: the daemon starts with it, though something does not work.
    """

    where: str
    text: str
    mild: bool = False
    subject: str = ""
    kind: FaultKind = FaultKind.VALUE
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """As the service's user sees it. remarks: of --check-config. allow_uids: empty for everybody."""

    path: str
    remarks: tuple[Remark, ...] = ()
    modems: int = 1
    voice: bool = True
    allow_uids: frozenset[int] = frozenset()
    uid: int = 0  # of who asks


@dataclass(frozen=True, slots=True)
class Service:
    """The units. backup: the timer's, None where it is not installed. lost: of the service's user and group, those that
    do not exist, as in "group pinwheel".
    """

    service: Unit
    socket: Unit
    backup: Unit | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Socket:
    """The daemon's socket. group, mode: "" and 0 where it is not there."""

    path: str
    there: bool
    group: str = ""
    mode: int = 0


@dataclass(frozen=True, slots=True)
class ModemPort:
    """The port of one [[modem]]. found: what fits it now; holders: of the first of these, ours left out."""

    modem: str
    pattern: str
    found: tuple[SerialPort, ...]
    holders: Holders = field(default_factory=lambda: Holders(()))


@dataclass(frozen=True, slots=True)
class Ports:
    """others: ports of modems that no [[modem]] names; sticks: every USB device; rivals: programs that take ports.

    resets: how often the kernel says that a USB device went, by its folder's name; None where that may not be read.
    """

    modems: tuple[ModemPort, ...]
    others: tuple[SerialPort, ...] = ()
    sticks: tuple[Usb, ...] = ()
    rivals: tuple[Process, ...] = ()
    resets: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Trunk:
    """The trunk as the configuration has it, and what a look at it gave, beside the daemon."""

    server: str
    transport: str
    seen: TrunkSurvey
    external: str = ""
    registers: bool = True


@dataclass(frozen=True, slots=True)
class Audio:
    """The ports of audio. tried, taken: how many were tried, and are others'.

    dropped: the firewall has no rule for them, it seems; None where it is not seen.
    """

    ports: str
    tried: int = 0
    taken: int = 0
    dropped: bool | None = None


@dataclass(frozen=True, slots=True)
class Prompts:
    """spoken: locales; lacking: that somebody may expect; broken: clips, with the reason."""

    spoken: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """What a modem answered to questions that change nothing, by command ("AT+CSCA?")."""

    modem: str
    lines: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Running:
    """What the daemon says of itself on /v1/status. installed: the version of this command.

    stepped_s: how far its clock was set since its start.
    """

    version: str
    installed: str
    stepped_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Inside:
    """What the daemon has itself, at one moment."""

    store: Condition
    sms: SmsSnapshot | None
    voice: VoiceSnapshot | None
    canary: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict of the daemon, by its check."""

    name: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything. given: what the daemon judged, where it answers; away: why it does not, or ""."""

    asker: Asker | Missing = MISSING
    config: Configuration | Missing = MISSING
    service: Service | Missing = MISSING
    socket: Socket | Missing = MISSING
    away: str = ""
    running: Running | Missing = MISSING
    disks: tuple[Disk, ...] | Missing = MISSING
    clock: Clock | Missing = MISSING
    machine: Machine | Missing = MISSING
    database: Database | Missing = MISSING
    backups: Backups | Missing = MISSING
    certificate: Certificate | Missing = MISSING
    ports: Ports | Missing = MISSING
    answers: tuple[Answers, ...] | Missing = MISSING
    trunk: Trunk | Missing = MISSING
    audio: Audio | Missing = MISSING
    prompts: Prompts | Missing = MISSING
    inside: Inside | Missing = MISSING
    given: tuple[Given, ...] | Missing = MISSING
