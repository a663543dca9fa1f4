"""Registration that always comes back (RFC 3261 section 10): REGISTER, refresh, back off, try again, for ever."""

import re
import secrets
from dataclasses import dataclass, field

from drivers.sip import digest
from drivers.sip.call import Identity, retry_after
from drivers.sip.message import Message, parameters, uri_of

EXPIRES_S = 300
LEAST_REFRESH_S = 5.0
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0)  # capped: registered again within 10 s of the registrar's return
LONGEST_PAUSE_S = 60  # whatever a registrar's Retry-After says
MAX_CHALLENGES = 2


@dataclass(slots=True)
class Registration:
    """Keeps `identity` registered at `registrar` (a sip: URI). `due` is when to send the next REGISTER."""

    identity: Identity
    registrar: str
    due: float = 0.0
    registered: bool = False
    problem: str = "not registered yet"
    refused: bool = False
    """The registrar does not like our account: needs a person (but is tried again)."""
    _call_id: str = field(default_factory=lambda: secrets.token_hex(16))
    _tag: str = field(default_factory=lambda: secrets.token_hex(8))
    _cseq: int = 0
    _failures: int = 0
    _challenges: int = 0
    _expires_s: int = EXPIRES_S
    _asked: digest.Challenge | None = None
    _uses: int = 0

    def request(self, *, expires_s: int | None = None) -> Message:
        """The next REGISTER; the answer decides when the one after is due."""
        self.due = float("inf")
        self._cseq += 1
        headers = (
            ("via", self.identity.via()),
            ("max-forwards", "70"),
            ("from", f"<{self.identity.uri}>;tag={self._tag}"),
            ("to", f"<{self.identity.uri}>"),
            ("call-id", self._call_id),
            ("cseq", f"{self._cseq} REGISTER"),
            ("contact", f"<{self.identity.contact}>"),
            ("expires", str(self._expires_s if expires_s is None else expires_s)),
            ("user-agent", "Pinwheel"),
        )
        message = Message(headers, method="REGISTER", uri=self.registrar)
        if self._asked is None or self.identity.account is None:
            return message
        self._uses += 1
        return message.with_headers(
            digest.credentials(self._asked, self.identity.account, "REGISTER", self.registrar, self._uses)
        )

    def on_final(self, response: Message, now: float) -> None:
        """A final response: registered, challenged, or refused."""
        if response.status < 300:
            self.registered, self.problem, self.refused = True, "", False
            self._failures = self._challenges = 0
            self.due = now + max(self._granted_s(response) * 0.8, LEAST_REFRESH_S)
        elif response.status in digest.HEADERS and self._may_answer(response):
            self.due = now
        elif response.status == 423 and re.fullmatch(r"\d{1,6}", response.get("min-expires"), re.ASCII):
            self._expires_s = int(response.get("min-expires"))
            self._failed(f"{response.status} {response.reason}", now)
        else:
            self.refused = response.status in (401, 403, 404, 407)
            self._failed(f"{response.status} {response.reason}", now)
            self.due = max(self.due, now + min(retry_after(response) or 0, LONGEST_PAUSE_S))

    def on_time_out(self, why: str, now: float) -> None:
        self._failed(why, now)

    def suspect(self, now: float) -> None:
        """A call got no answer: is the registrar there?"""
        if self.registered:
            self.due = min(self.due, now)

    def move(self, identity: Identity, now: float) -> None:
        """We are reached elsewhere now: say so at once."""
        self.identity, self.due = identity, now

    def _may_answer(self, response: Message) -> bool:
        """Take the challenge, unless the same credentials were just refused."""
        asked = digest.challenge(response)
        self._challenges += 1
        if asked is None or self.identity.account is None or self._challenges > MAX_CHALLENGES:
            return False
        self._asked, self._uses = asked, 0
        return True

    def _failed(self, problem: str, now: float) -> None:
        self.registered, self.problem = False, problem
        self._asked, self._challenges = None, 0
        self.due = now + BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
        self._failures += 1

    def _granted_s(self, response: Message) -> int:
        """What the registrar granted: the expires of our contact, else of the response (10.2.4)."""
        ours = [value for value in response.all("contact") if uri_of(value) == self.identity.contact]
        for text in (*(parameters(value).get("expires", "") for value in ours), response.get("expires")):
            if re.fullmatch(r"\d{1,6}", text, re.ASCII):
                return int(text)
        return self._expires_s
