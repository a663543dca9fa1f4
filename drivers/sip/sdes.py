"""Keys of SRTP in session descriptions (RFC 4568): the a=crypto line."""

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

KEY_OCTETS = 30  # a master key of 128 bits and a master salt of 112 (RFC 4568 6.2, table 1)


class Suite(StrEnum):
    """Crypto suites (RFC 4568 6.2), in the order of our preference: the authentication tag has 80 or 32 bits."""

    SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    SHA1_32 = "AES_CM_128_HMAC_SHA1_32"


CRYPTO = re.compile(
    rf"([0-9]{{1,9}}) (?i:({'|'.join(Suite)}) inline):([A-Za-z0-9+/]{{40}})(?:\|(?:2\^)?[0-9]{{1,20}})?"
)


@dataclass(frozen=True, slots=True)
class Crypto:
    """One a=crypto line (RFC 4568 4). key: master key and salt of who wrote it."""

    tag: int
    suite: Suite
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"a=crypto:{self.tag} {self.suite} inline:{b64encode(self.key).decode()}"


class SrtpKeys(NamedTuple):
    """What was agreed, both of one suite (RFC 4568 5.1.3)."""

    ours: Crypto
    theirs: Crypto


def new_cryptos() -> tuple[Crypto, ...]:
    """A key for each suite that we can do, for one call."""
    return tuple(Crypto(tag, suite, secrets.token_bytes(KEY_OCTETS)) for tag, suite in enumerate(Suite, 1))


def cryptos_in(values: Iterable[str]) -> Iterator[Crypto]:
    """Of a=crypto values those that we can do: no key identifier, no parameters that would change how packets look."""
    for value in values:
        found = CRYPTO.fullmatch(value)
        if found is not None:
            yield Crypto(int(found[1]), Suite(found[2].upper()), b64decode(found[3]))
