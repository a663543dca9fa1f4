"""What the driver and the audio process send each other: orders for a call's audio, and what became of it.

A message is a JSON list: the name of its kind, then its fields. The first message of the process is `Ready`, whose
first field is its VERSION. An upgrade replaces files below a running daemon, so that a process that it starts then may
be of new code; whatever else changes, that form of the first message must stay.
"""

import json
import zlib
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

from drivers.figures import NO_PACKETS
from drivers.rtp.keys import Keys

FRAME_MS = 20  # RFC 3551 4.2: the default packet time
HEARTBEAT_S = 0.4
MAX_MESSAGE = 4096
PLAINLY = "--plainly"  # an argument of the process: ask the kernel for nothing special
COMFORT_NOISE = 13  # RFC 3389 4; sent instead of silence, also by who did not announce it


@dataclass(frozen=True, slots=True)
class Media:
    """What was agreed on a call's audio.

    target: where to; None for a socket that is connected. symmetric: rather to where the far end's packets come from,
    which through a NAT is not where it said (RFC 4961). rtcp_port: of the target, 0 for none. events: the payload types
    of keys; laws: the other ones that the far end may send. held: the far end does not want to hear anything now. near,
    strangers: as of `drivers.rtp.source.Signalled`.
    """

    payload_type: int
    target: tuple[str, int] | None = None
    symmetric: bool = False
    rtcp_port: int = 0
    events: tuple[int, ...] = ()
    frame_ms: int = FRAME_MS
    held: bool = False
    keys: Keys | None = None
    laws: tuple[int, ...] = ()
    near: tuple[str, ...] = ()
    strangers: tuple[tuple[str, int], ...] = ()

    @property
    def fitting(self) -> frozenset[int]:
        """The payload types that the far end may send."""
        return frozenset((self.payload_type, *self.laws, *self.events, COMFORT_NOISE))

    def to_message(self) -> dict[str, Any]:
        return asdict(self) | {"keys": self.keys.to_message() if self.keys is not None else None}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Media":
        target, keys = message["target"], message["keys"]
        changed: dict[str, Any] = {name: tuple(message[name]) for name in ("events", "laws", "near")}
        changed |= {"target": tuple(target) if target else None, "keys": Keys.from_message(keys) if keys else None}
        changed |= {"strangers": tuple(map(tuple, message["strangers"]))}
        return cls(**(message | changed))


@dataclass(frozen=True, slots=True)
class Finished:
    """All of an utterance was sent. played_s: how long it was.

    Of the call so far: sent: packets; late, late_s: counts and sum of a `drivers.figures.Lateness`.
    """

    call: int
    utterance: int
    played_s: float
    sent: int = field(default=0, compare=False)
    late: tuple[int, ...] = field(default=NO_PACKETS, compare=False)
    late_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call was stopped within this utterance or after it. sent, late, late_s: as of `Finished`."""

    call: int
    utterance: int
    played_s: float
    sent: int = field(default=0, compare=False)
    late: tuple[int, ...] = field(default=NO_PACKETS, compare=False)
    late_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Key:
    """The callee pressed a key."""

    call: int
    digit: str


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """A packet of the callee has come, the first of the call."""

    call: int


@dataclass(frozen=True, slots=True)
class Latched:
    """The audio goes to a host that the signalling does not name, as packets came from there (RFC 7362)."""

    call: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Who answered: a verdict of `drivers.rtp.answering`."""

    call: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing can be sent, and nothing was."""

    call: int
    why: str


PacerEvent = Finished | Stopped | Key | FirstPacket | Latched | Judged | Failed


# --- orders --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Play:
    """A new call; with it come its audio, its socket and, if there is one, the socket for RTCP."""

    call: int
    media: Media
    utterance: int
    hold: bool
    listen: bool


@dataclass(frozen=True, slots=True)
class Say:
    """The next utterance of a call; with it comes its audio."""

    call: int
    utterance: int


@dataclass(frozen=True, slots=True)
class Move:
    """Send like this from now on."""

    call: int
    media: Media


@dataclass(frozen=True, slots=True)
class Stop:
    """End the call's audio."""

    call: int


Order = Play | Say | Move | Stop


# --- the process ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The process is up. missing: what it asked the kernel for and did not get, each with the reason."""

    version: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life of the process."""


Message = PacerEvent | Order | Ready | Alive
KINDS: dict[str, type[Message]] = {kind.__name__.lower(): kind for kind in get_args(Message)}


def version_of(kinds: dict[str, type[Any]], revision: int) -> str:
    """A word that differs where names or types of fields differ."""
    shapes = [(name, [(each.name, str(each.type)) for each in fields(kind)]) for name, kind in sorted(kinds.items())]
    return f"{zlib.crc32(repr((revision, shapes)).encode()):08x}"  # hashlib takes 4 MB, and nobody would forge this


REVISION = 1  # to be raised when a field keeps its name and type, but not its meaning
VERSION = version_of(KINDS | {"media": Media, "keys": Keys}, REVISION)


def encoded(message: Message) -> bytes:
    """For the channel."""
    values = [getattr(message, each.name) for each in fields(message)]
    values = [value.to_message() if isinstance(value, Media) else value for value in values]
    return json.dumps([type(message).__name__.lower(), *values]).encode()


def decoded(data: bytes) -> Message:
    """What the other side encoded. It is our own program: anything else than a message of this version is a defect."""
    name, *values = json.loads(data)
    kind = KINDS[name]
    return kind(*(_decoded(each.name, value) for each, value in zip(fields(kind), values, strict=True)))


def _decoded(name: str, value: Any) -> Any:
    if name == "media":
        return Media.from_message(value)
    return tuple(value) if isinstance(value, list) else value


def greeting(data: bytes) -> Ready | None:
    """The first message of the process; None if it is none of this version."""
    try:
        name, version, *_ = json.loads(data)
    except (ValueError, TypeError):
        return None
    message = decoded(data) if (name, version) == ("ready", VERSION) else None
    return message if isinstance(message, Ready) else None
