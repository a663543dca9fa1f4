"""Who may see the console: a link that works once, then a cookie. Pure: times are arguments, monotonic seconds.

Of links and cookies only the hashes are kept: whoever can read the memory can open no session by it.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

LINK_S, IDLE_S, SESSION_S = 120.0, 1800.0, 43_200.0
MOST = 16  # links, and sessions; a further one ends the oldest
TOKEN_OCTETS = 32


@dataclass(slots=True)
class Session:
    """seen: when it was last used. notice: what the operator did last, and what came of it."""

    began: float
    seen: float
    notice: str = ""


@dataclass(slots=True)
class Sessions:
    _links: dict[bytes, float] = field(default_factory=dict)  # hash of a link: until when it works
    _sessions: dict[bytes, Session] = field(default_factory=dict)

    def link(self, now: float) -> str:
        """A token that opens one session within LINK_S."""
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        self._links = dict([*self._links.items()][-MOST + 1 :])
        self._links[_hash(token)] = now + LINK_S
        return token

    def enter(self, token: str, now: float) -> str | None:
        """The cookie of a new session; None for a token that does not work, or no more."""
        if self._links.pop(_hash(token), 0.0) <= now:
            return None
        cookie = secrets.token_urlsafe(TOKEN_OCTETS)
        self._sessions = {key: each for key, each in self._sessions.items() if _lives(each, now)}
        self._sessions = dict([*self._sessions.items()][-MOST + 1 :])
        self._sessions[_hash(cookie)] = Session(now, now)
        return cookie

    def of(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie, while it lives."""
        found = self._sessions.get(_hash(cookie))
        if found is None or not _lives(found, now):
            return None
        found.seen = now
        return found

    def end(self) -> None:
        """Of all: links and sessions."""
        self._links, self._sessions = {}, {}

    def leave(self, cookie: str) -> None:
        self._sessions.pop(_hash(cookie), None)


def _lives(session: Session, now: float) -> bool:
    return now < session.began + SESSION_S and now < session.seen + IDLE_S


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
