"""What a call reports, and what a far end's headers say of its end."""

import re
from dataclasses import dataclass

from drivers.sip.message import Message, parameters
from drivers.sip.sdp import FarEnd


@dataclass(frozen=True, slots=True)
class Ringing:
    """The far end rings (180) or is being reached (183)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The call stands; audio goes there."""

    audio: FarEnd


@dataclass(frozen=True, slots=True)
class Moved:
    """The far end wants the audio elsewhere, otherwise, or not at all for now."""

    audio: FarEnd


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over. status 0: nobody answered at all; by_us: we hung up or cancelled.

    cause: of ITU-T Q.850, from a Reason header (RFC 3326); retry_after_s: the far end's wish, where it had one.
    """

    status: int
    reason: str
    by_us: bool = False
    cause: int | None = None
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Keyed:
    """The callee pressed a key; its phone says so by INFO."""

    digit: str


CallEvent = Ringing | Answered | Moved | Ended | Keyed


def q850_cause(message: Message) -> int | None:
    """The cause of ITU-T Q.850 in a Reason header (RFC 3326 2), as gateways to the telephone network send it."""
    for value in message.all("reason"):
        protocol, cause = value.partition(";")[0].strip().upper(), parameters(value).get("cause", "")
        if protocol == "Q.850" and re.fullmatch(r"[0-9]{1,3}", cause):
            return int(cause)
    return None


def retry_after(message: Message) -> int | None:
    """Seconds of a Retry-After header (RFC 3261 20.33)."""
    found = re.match(r"\s{0,8}(\d{1,6})\b", message.get("retry-after"), re.ASCII)
    return int(found[1]) if found else None
