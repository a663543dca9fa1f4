"""Keys of SRTP (RFC 3711), as the signalling agreed on them. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self


class Profile(StrEnum):
    """How packets are protected, by its name in RFC 5764 4.1.2: the authentication tag has 80 or 32 bits."""

    SHA1_80 = "SRTP_AES128_CM_HMAC_SHA1_80"
    SHA1_32 = "SRTP_AES128_CM_HMAC_SHA1_32"


@dataclass(frozen=True, slots=True)
class Keys:
    """Master key and salt of each direction; ours protects what we send."""

    profile: Profile
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)

    def to_message(self) -> dict[str, str]:
        return {"profile": self.profile, "ours": self.ours.hex(), "theirs": self.theirs.hex()}

    @classmethod
    def from_message(cls, message: dict[str, str]) -> Self:
        ours, theirs = (bytes.fromhex(message[name]) for name in ("ours", "theirs"))
        return cls(Profile(message["profile"]), ours, theirs)
