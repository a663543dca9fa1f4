"""Registration that always comes back (RFC 3261 section 10): REGISTER, refresh, back off, try again, for ever.

A registrar that allows one contact refuses a second one while the first lives. So contacts of before are remembered,
over a restart, too, and removed with the next REGISTER (10.2.2).
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote

from drivers.sip.call_events import retry_after
from drivers.sip.message import Message, parameters
from drivers.sip.request_builder import Identity, Requester
from drivers.sip.uri import Uri, read_uris, same, uri_from

EXPIRES_S = 300
LEAST_REFRESH_S = 1.0
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0)  # capped: registered again within 10 s of the registrar's return
MOST_GRANTED_S = 86_400  # a longer time is not believed: a registrar that restarts forgets
LONGEST_PAUSE_S = 60  # whatever a registrar's Retry-After says
MOST_CONTACTS = 8  # that are remembered, of before
MOVES, MOVES_S = 3, 10.0  # so many times in so long we say at once that we moved: some NATs show ever new addresses
SECONDS = re.compile(r"[0-9]{1,10}")
TRANSIENT = (401, 407, 408, 423)  # of the 4xx: they say nothing about the contacts


class Removal(StrEnum):
    """How the next REGISTER deals with contacts of before; each way is tried when the one above was refused."""

    TOGETHER = "together"  # in the REGISTER of our contact, so that there is never more than one
    APART = "apart"  # in a REGISTER of their own, for registrars that read one contact a request
    NONE = "none"  # not at all: ours alone


@dataclass(slots=True)
class Registration:
    """Keeps `identity` registered at `registrar` (a sip: URI). `due` is when to send the next REGISTER.

    instance: a URN that names this device for ever (RFC 5626 4.1), or ""; contacts: the URIs of ours that the
    registrar may hold, the oldest first.
    """

    identity: Identity
    registrar: str
    due: float = 0.0
    instance: str = ""
    contacts: tuple[str, ...] = ()
    registered: bool = False
    problem: str = "no answer yet"
    refused: bool = False
    """The registrar does not like our account: needs a person (but is tried again)."""
    requester: Requester = field(init=False)
    leaving: bool = False  # all contacts were taken back; nothing is registered any more
    _removal: Removal = Removal.TOGETHER
    _failures: int = 0
    _moved_at: tuple[float, ...] = (-MOVES_S,) * MOVES  # when the last times were, or will be, said
    _expires_s: int = EXPIRES_S

    def __post_init__(self) -> None:
        self.requester = Requester(self.identity)

    @property
    def earlier(self) -> tuple[str, ...]:
        """The contacts of before."""
        return tuple(uri for uri in self.contacts if uri != self.identity.contact)

    # --- requests ---

    def request(self) -> Message:
        """The next REGISTER; the answer decides when the one after is due."""
        self.due = float("inf")
        if self.earlier and self._removal is Removal.APART:
            return self._register(*_removed(self.earlier), expires_s=0)
        uri, removed = self.identity.contact, _removed(self.earlier) if self._removal is Removal.TOGETHER else ()
        if self.identity.host:  # over TCP we are reached nowhere until there is a connection
            self.contacts = (*self.earlier, uri)[-MOST_CONTACTS:]
        parameter = f';+sip.instance="<{self.instance}>"' if self.instance else ""
        return self._register(("contact", f"<{uri}>{parameter}"), *removed, expires_s=self._expires_s)

    def leave(self) -> Message:
        """Take all contacts back; nothing more is due."""
        self.due, self.leaving = float("inf"), True
        return self._register(*_removed(self.contacts), expires_s=0)

    def _register(self, *contacts: tuple[str, str], expires_s: int) -> Message:
        to = f"<{self.identity.uri}>"
        return self.requester.request("REGISTER", self.registrar, to, *contacts, ("expires", str(expires_s)))

    # --- what becomes of them ---

    def on_final(self, request: Message, response: Message, now: float) -> None:
        """A final response that is no challenge which the agent could answer."""
        problem = f"{response.status} {response.reason}"
        if request.get("expires") == "0":
            self._on_removal(response, now)
        elif response.status < 300:
            self._on_success(request, response, now)
        elif response.status == 423 and SECONDS.fullmatch(response.get("min-expires")):
            asked_s = int(response.get("min-expires"))  # a longer time than ours: a shorter one is no reason to refuse
            self._expires_s = min(max(asked_s, EXPIRES_S), MOST_GRANTED_S)
            self._failed(problem, now)
        elif self.earlier and self._removal is Removal.TOGETHER and _is_about_contacts(response):
            self._removal = Removal.APART
            self._be_due(now)
        else:
            self.refused = response.status in (401, 403, 404, 407)
            self._failed(problem, now)
            self._be_due(max(self.due, now + min(retry_after(response) or 0, LONGEST_PAUSE_S)))

    def _on_success(self, request: Message, response: Message, now: float) -> None:
        granted_s = min(self._granted_s(response), MOST_GRANTED_S)
        if not granted_s:
            self._failed("the registrar keeps us for 0 s", now)
            return
        self.registered, self.problem, self.refused = True, "", False
        self.contacts = tuple(uri for uri in self.contacts if uri == self.identity.contact)
        self._failures, self._removal = 0, Removal.TOGETHER
        self._be_due(now + max(granted_s * 0.8, LEAST_REFRESH_S))
        if len(request.all("contact")) > 1 and not response.all("contact"):
            self._be_due(now)  # it may see all of ours as one address, and have removed that: once more, ours alone

    def _on_removal(self, response: Message, now: float) -> None:
        """Whatever came of it, our contact is next."""
        if response.status < 300:
            self.contacts = () if self.leaving else tuple(uri for uri in self.contacts if uri not in self.earlier)
        self._removal = Removal.NONE
        self._be_due(now)

    def on_time_out(self, why: str, now: float) -> None:
        self._failed(why, now)

    def suspect(self, now: float) -> None:
        """A call got no answer: is the registrar there?"""
        if self.registered:
            self._be_due(min(self.due, now))

    def move(self, identity: Identity, now: float) -> None:
        """We are reached elsewhere now: say so at once, but not at each response that shows another address."""
        self.identity = self.requester.identity = identity
        self._removal = Removal.TOGETHER
        if now >= self._moved_at[-1]:
            self._moved_at = (*self._moved_at[1:], max(now, self._moved_at[0] + MOVES_S))
        self._be_due(min(self.due, self._moved_at[-1]))

    def _be_due(self, at: float) -> None:
        self.due = float("inf") if self.leaving else at

    def _failed(self, problem: str, now: float) -> None:
        self.registered, self.problem, self._removal = False, problem, Removal.TOGETHER
        self.requester.credentials.forget()
        self._be_due(now + BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)])
        self._failures += 1

    def _granted_s(self, response: Message) -> int:
        """What the registrar granted: the expires of our contact, else of the response (10.2.4)."""
        ours = [expires_of(value) for value in self._ours(response.all("contact"))]
        return min((each for each in ours if each is not None), default=self._expires_of_all(response))

    def _expires_of_all(self, response: Message) -> int:
        value = response.get("expires")
        return int(value) if SECONDS.fullmatch(value) else self._expires_s

    def _ours(self, contacts: list[str]) -> list[str]:
        """Those that may be our binding. Registrars write it in other forms, or as the address that they see.

        A lone one is ours; else one that is the same by 19.1.4, or has our instance, or our user.
        """
        if len(contacts) <= 1:
            return contacts
        for is_ours in (self._is_same, self._has_our_instance, self._has_our_user):
            found = list(filter(is_ours, contacts))
            if found:
                return found
        return []

    def _is_same(self, contact: str) -> bool:
        found = contact_uri(contact)
        return found is not None and same(found, uri_from(self.identity.contact))

    def _has_our_instance(self, contact: str) -> bool:
        return bool(self.instance) and parameters(contact).get("+sip.instance", "") == f"<{self.instance}>"

    def _has_our_user(self, contact: str) -> bool:
        found = contact_uri(contact)
        return found is not None and unquote(found.user).lower() == unquote(self.identity.user).lower()


def contact_uri(contact: str) -> Uri | None:
    """None where it holds no sip: URI."""
    return next((found.uri for found in read_uris([contact])), None)


def expires_of(contact: str) -> int | None:
    """Seconds of a Contact's expires parameter."""
    value = parameters(contact).get("expires", "")
    return int(value) if SECONDS.fullmatch(value) else None


def _removed(uris: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The headers that take contacts back (10.2.2)."""
    return tuple(("contact", f"<{uri}>;expires=0") for uri in uris)


def _is_about_contacts(response: Message) -> bool:
    """A refusal that the contacts in the request may have caused."""
    return 400 <= response.status < 500 and response.status not in TRANSIENT
