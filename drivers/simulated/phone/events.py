"""What the phone reports of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["registered", "ringing", "answered", "ended", "recorded"]


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """What the phone did. seconds: talked ("ended") or recorded; status: the final response to the INVITE."""

    kind: Kind
    number: str = field(default="", repr=False)
    call: int = 0
    wav: Path | None = None
    seconds: float = 0.0
    packets: int = 0
    lost: int = 0
    status: int = 0
