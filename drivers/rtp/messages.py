"""What the driver and the audio process say to each other: what was agreed on a call's audio, and what became of it."""

from dataclasses import asdict, dataclass
from typing import Any

from drivers.srtp import Keys

FRAME_MS = 20  # RFC 3551 4.2: the default packet time
HEARTBEAT_S = 0.25
MAX_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class Media:
    """What was agreed on a call's audio.

    target: where to; None for a socket that is connected. symmetric: rather to where the far end's first packet comes
    from, which through a NAT is not where it said (RFC 4961). rtcp_port: of the target, 0 for none. events: the payload
    types of keys. held: the far end does not want to hear anything now.
    """

    payload_type: int
    target: tuple[str, int] | None = None
    symmetric: bool = False
    rtcp_port: int = 0
    events: tuple[int, ...] = ()
    frame_ms: int = FRAME_MS
    held: bool = False
    keys: Keys | None = None

    def to_message(self) -> dict[str, Any]:
        return asdict(self) | {"keys": self.keys.to_message() if self.keys is not None else None}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Media":
        target, keys = message["target"], message["keys"]
        changed = {"target": tuple(target) if target else None, "events": tuple(message["events"])}
        return cls(**(message | changed | {"keys": Keys.from_message(keys) if keys else None}))


@dataclass(frozen=True, slots=True)
class Finished:
    """All of an utterance was sent. played_s: how long it was."""

    call: int
    utterance: int
    played_s: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call was stopped within this utterance or after it."""

    call: int
    utterance: int
    played_s: float


@dataclass(frozen=True, slots=True)
class Key:
    """The callee pressed a key."""

    call: int
    digit: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Who answered: a verdict of `drivers.answering`."""

    call: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing can be sent, and nothing was."""

    call: int
    why: str


PacerEvent = Finished | Stopped | Key | Heard | Failed
EVENTS: dict[str, type[PacerEvent]] = {
    "finished": Finished,
    "stopped": Stopped,
    "key": Key,
    "heard": Heard,
    "failed": Failed,
}
