"""Digest authentication (RFC 3261 22, RFC 8760): what a 401 or 407 asks, and the credentials that answer it."""

import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from drivers.sip.message import Message, split, unquoted

HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "SHA-256": hashlib.sha256,
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
"""The algorithms, the preferred first."""

HEADERS = {401: ("www-authenticate", "authorization"), 407: ("proxy-authenticate", "proxy-authorization")}
CREDENTIALS = frozenset(answer for _, answer in HEADERS.values())

SESSION = "-sess"
MAX_CHALLENGES = 2  # of one realm to one request: a first one, and one because the nonce went stale
MOST_WORDS = 32  # between two commas of a challenge
MAX_REALMS = 8  # challenges of all realms to one request

Realm = tuple[int, str]
"""Who challenges: the status, 401 or 407, and the realm; each needs credentials of its own (22.3)."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user's name and password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to see. status: 401 or 407; qop: "auth", or "" where none was offered (RFC 2069).

    algorithm: one of HASHES, or that with "-sess"; cnonce: ours, for all answers to this nonce.
    """

    status: int
    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str
    stale: bool
    cnonce: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)

    @property
    def hash(self) -> str:
        return self.algorithm.removesuffix(SESSION)

    @property
    def of_session(self) -> bool:
        """The password's hash is mixed with the nonces (RFC 7616 3.4.2)."""
        return self.algorithm.endswith(SESSION)


@dataclass(slots=True)
class Credentials:
    """The challenges that the requests of one Call-ID have met, by realm, and what answers them."""

    account: Account | None
    _met: dict[Realm, Challenge] = field(default_factory=dict)
    _uses: Counter[Realm] = field(default_factory=Counter)  # of each nonce (nc)

    def take(self, response: Message, before: tuple[Realm, ...]) -> tuple[Realm, ...]:
        """Keep the challenges of a response. before: the realms that challenged the same request so far.

        Returns the realms that are worth another try: () for a response that is no challenge, and where the answer
        would be what was just refused.
        """
        if self.account is None or response.status not in HEADERS or len(before) >= MAX_REALMS:
            return ()
        new = {(c.status, c.realm): c for c in challenges(response) if self._is_news(c, before)}
        self._met |= new
        for realm in new:
            del self._uses[realm]
        return tuple(new)

    def _is_news(self, asked: Challenge, before: tuple[Realm, ...]) -> bool:
        realm = (asked.status, asked.realm)
        known = self._met.get(realm)
        return before.count(realm) < MAX_CHALLENGES and (known is None or asked.stale or asked.nonce != known.nonce)

    def headers(self, method: str, uri: str) -> tuple[tuple[str, str], ...]:
        """The headers that sign a request; none before the first challenge."""
        if self.account is None:
            return ()
        self._uses.update(self._met.keys())
        return tuple(
            credentials(asked, self.account, method, uri, self._uses[realm]) for realm, asked in self._met.items()
        )

    def apart(self) -> Self:
        """A copy that what is signed here does not change."""
        return type(self)(self.account, self._met.copy(), self._uses.copy())

    def forget(self) -> None:
        """Begin unsigned again."""
        self._met.clear()


def challenges(response: Message) -> list[Challenge]:
    """The strongest challenge of each realm of a 401 or 407 that we can answer (RFC 8760 2.4)."""
    values = response.all(HEADERS[response.status][0])
    found = [asked for value in values for asked in _digests(response.status, value)]
    found.sort(key=lambda asked: list(HASHES).index(asked.hash), reverse=True)
    return list({asked.realm: asked for asked in found}.values())


def _digests(status: int, value: str) -> Iterator[Challenge]:
    """The Digest challenges of one header; servers put several into one, also of other schemes."""
    for scheme, pairs in _schemes(value):
        asked = _digest(status, pairs) if scheme == "digest" else None
        if asked is not None:
            yield asked


def _schemes(value: str) -> list[tuple[str, dict[str, str]]]:
    """Each scheme in lower case with its parameters (RFC 7235 2.1); between these, commas may be missing."""
    found: list[tuple[str, dict[str, str]]] = []
    for element in split(value, ","):
        for word in _joined(split(element, " ")[:MOST_WORDS]):
            name, equals, content = word.partition("=")
            if not equals:
                found.append((name.lower(), {}))
            elif found:
                found[-1][1].setdefault(name.lower(), unquoted(content))
    return found


def _joined(words: list[str]) -> list[str]:
    """Blanks around a = taken out."""
    joined: list[str] = []
    for word in words:
        if joined and (word.startswith("=") or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _digest(status: int, pairs: dict[str, str]) -> Challenge | None:
    """None for what we cannot answer. An empty qop is none; a list of others only, such as auth-int, cannot be met."""
    algorithm = pairs.get("algorithm", "MD5").upper().replace("-SESS", SESSION)
    qops = {qop.strip().lower() for qop in pairs.get("qop", "").split(",")} - {""}
    if "nonce" not in pairs or (qops and "auth" not in qops):
        return None
    asked = Challenge(
        status,
        realm=pairs.get("realm", ""),
        nonce=pairs["nonce"],
        algorithm=algorithm,
        qop="auth" if qops else "",
        opaque=pairs.get("opaque", ""),
        stale=pairs.get("stale", "").lower() == "true",
    )
    return None if asked.hash not in HASHES or (asked.of_session and not qops) else asked


def credentials(asked: Challenge, account: Account, method: str, uri: str, count: int = 1) -> tuple[str, str]:
    """The header (name, value) that answers; `count` is how often this nonce was used (nc)."""

    def digest(text: str) -> str:
        return HASHES[asked.hash](text.encode()).hexdigest()

    cnonce, nc = asked.cnonce, f"{count:08x}"
    ha1 = digest(f"{account.username}:{asked.realm}:{account.password}")
    ha1 = digest(f"{ha1}:{asked.nonce}:{cnonce}") if asked.of_session else ha1
    ha2 = digest(f"{method}:{uri}")
    middle = f"{asked.nonce}:{nc}:{cnonce}:{asked.qop}" if asked.qop else asked.nonce
    fields = [
        f"username={quoted(account.username)}",
        f"realm={quoted(asked.realm)}",
        f"nonce={quoted(asked.nonce)}",
        f"uri={quoted(uri)}",
        f'response="{digest(f"{ha1}:{middle}:{ha2}")}"',
        f"algorithm={asked.algorithm}",
    ]
    fields += [f"opaque={quoted(asked.opaque)}"] if asked.opaque else []
    fields += [f"qop={asked.qop}", f"nc={nc}", f'cnonce="{cnonce}"'] if asked.qop else []
    return HEADERS[asked.status][1], "Digest " + ", ".join(fields)


def quoted(text: str) -> str:
    """A quoted string (RFC 3261 25.1)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
