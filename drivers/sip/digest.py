"""Digest authentication (RFC 3261 22.4, RFC 8760): the answer to a 401 or 407."""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.sip.message import Message

HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "SHA-256": hashlib.sha256,
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
"""The algorithms, the preferred first."""

HEADERS = {401: ("www-authenticate", "authorization"), 407: ("proxy-authenticate", "proxy-authorization")}


@dataclass(frozen=True, slots=True)
class Account:
    """A user's name and password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to see. status: 401 or 407."""

    status: int
    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str
    stale: bool


def challenge(response: Message) -> Challenge | None:
    """The strongest challenge of a 401 or 407 that we can answer."""
    found: dict[str, Challenge] = {}
    for value in response.all(HEADERS[response.status][0]):
        scheme, _, rest = value.partition(" ")
        if scheme.lower() != "digest":
            continue
        pairs = {name.lower(): quoted or bare for name, quoted, bare in PAIR.findall(rest)}
        algorithm = pairs.get("algorithm", "MD5").upper()
        qops = [qop.strip() for qop in pairs.get("qop", "").split(",")]
        if algorithm in HASHES and ("auth" in qops or "qop" not in pairs) and "nonce" in pairs:
            qop = "auth" if "auth" in qops else ""
            stale = pairs.get("stale", "").lower() == "true"
            realm, opaque = pairs.get("realm", ""), pairs.get("opaque", "")
            found[algorithm] = Challenge(response.status, realm, pairs["nonce"], algorithm, qop, opaque, stale)
    return next((found[algorithm] for algorithm in HASHES if algorithm in found), None)


PAIR = re.compile(r'([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')


def credentials(asked: Challenge, account: Account, method: str, uri: str, count: int = 1) -> tuple[str, str]:
    """The header (name, value) that answers; `count` is how often this nonce was used (nc)."""

    def digest(text: str) -> str:
        return HASHES[asked.algorithm](text.encode()).hexdigest()

    cnonce, nc = secrets.token_hex(8), f"{count:08x}"
    ha1 = digest(f"{account.username}:{asked.realm}:{account.password}")
    ha2 = digest(f"{method}:{uri}")
    middle = f"{asked.nonce}:{nc}:{cnonce}:{asked.qop}" if asked.qop else asked.nonce
    fields = [
        f'username="{account.username}"',
        f'realm="{asked.realm}"',
        f'nonce="{asked.nonce}"',
        f'uri="{uri}"',
        f'response="{digest(f"{ha1}:{middle}:{ha2}")}"',
        f"algorithm={asked.algorithm}",
    ]
    fields += [f'opaque="{asked.opaque}"'] if asked.opaque else []
    fields += [f"qop={asked.qop}", f"nc={nc}", f'cnonce="{cnonce}"'] if asked.qop else []
    return HEADERS[asked.status][1], "Digest " + ", ".join(fields)
