"""Dialogs (RFC 3261 12): what a call and one phone that answers it agreed on, and how requests reach each other in one.

A proxy may fork an INVITE: then each phone that answers has an early dialog of its own, with its own session.
"""

import re
from dataclasses import dataclass, field

from drivers.sip.address import Address
from drivers.sip.message import Message, parameters, tag_of
from drivers.sip.negotiation import Negotiation
from drivers.sip.uri import NameAddr, Uri, read_uris

LEAST_SESSION_S = 90  # RFC 4028 4: no session timer is shorter


@dataclass(slots=True)
class Dialog:
    """called: whom we called; contact: the far end's, None where it gave none that can be used; to: with its tag.

    home: where the INVITE went; session: what was agreed on the audio.
    """

    called: str = field(repr=False)
    contact: Uri | None
    to: str = field(repr=False)
    route: tuple[NameAddr, ...]
    home: Address
    session: Negotiation
    updates: bool = False  # the far end takes UPDATE
    refresh_s: float | None = None  # how often the session is ours to refresh (RFC 4028 7.2)
    rseq: int | None = None  # of the last provisional response that was acknowledged (RFC 3262 4)
    their_cseq: int = 0  # of the far end's last request

    @property
    def tag(self) -> str:
        """The far end's."""
        return tag_of(self.to)

    # --- the way there ---

    @property
    def remote_target(self) -> str:
        return self.contact.text if self.contact is not None else self.called

    def way(self) -> tuple[str, tuple[str, ...]]:
        """Request-URI and Route of a request; a first router without ;lr wants to be the target (12.2.1.1)."""
        values = tuple(hop.text for hop in self.route)
        if self.route and not self.route[0].loose:
            return self.route[0].uri.text, (*values[1:], f"<{self.remote_target}>")
        return self.remote_target, values

    def next_hop(self, default_port: int) -> Address:
        """Where a request goes: to the first router, else to the target.

        Of a name the server knows the way (a look-up would block), and so it does where the target is not known, or is
        of the other kind of IP addresses than we use.
        """
        hop = self.route[0].uri if self.route else self.contact
        found = (hop.reached_at.address(default_port) if hop is not None else None) or self.home
        return found if (":" in found[0]) == (":" in self.home[0]) else self.home

    def retarget(self, message: Message) -> None:
        """Their Contact in what refreshes the dialog is where they are reached from now on (12.2.1.2, 12.2.2)."""
        self.contact = contact_of(message) or self.contact

    def confirm(self, response: Message, made: "Dialog") -> None:
        """A 2xx: the way is that of `made` from now on (13.2.2.4), the session goes on. Raises NoAudio for none."""
        self.route, self.updates, self.refresh_s = made.route, made.updates, made.refresh_s
        self.contact = made.contact or self.contact
        self.session.confirm(response)

    # --- session timers ---

    def agree_timer(self, request: Message) -> tuple[tuple[str, str], ...]:
        """Headers of our 200 to a request with Session-Expires (RFC 4028 9, table 2): who refreshes stays who it was.

        A far end that does not say leaves it to us to choose; we choose it, if it knows what that means.
        """
        found = session_timer(request)
        if found is None:
            return ()
        interval_s, refresher = found
        refresher = refresher or ("uac" if "timer" in request.all("supported") else "uas")
        self.refresh_s = half_of(interval_s) if refresher == "uas" else None
        required = (("require", "timer"),) if refresher == "uac" else ()
        return ("session-expires", f"{interval_s};refresher={refresher}"), *required


def dialog_from(response: Message, called: str, home: Address, offer: bytes) -> Dialog:
    """The dialog that a response to our INVITE makes (12.1.2)."""
    routes = tuple(read_uris(reversed(response.all("record-route"))))
    made = Dialog(called, contact_of(response), response.get("to"), routes, home, Negotiation(offer))
    made.updates = "UPDATE" in response.all("allow")
    timer = session_timer(response)
    made.refresh_s = half_of(timer[0]) if timer is not None and timer[1] == "uac" else None
    return made


def session_timer(message: Message) -> tuple[int, str] | None:
    """Seconds and refresher, "uac", "uas" or "", of Session-Expires (RFC 4028 4)."""
    value = message.get("session-expires")
    seconds = value.partition(";")[0].strip()
    if not re.fullmatch(r"[0-9]{1,6}", seconds):
        return None
    refresher = parameters(value).get("refresher", "").lower()
    return int(seconds), refresher if refresher in ("uac", "uas") else ""


def half_of(interval_s: int) -> float:
    """When to refresh (RFC 4028 7.2)."""
    return max(interval_s, LEAST_SESSION_S) / 2


def contact_of(message: Message) -> Uri | None:
    """The first Contact that a request can be sent to."""
    return next((contact.uri for contact in read_uris(message.all("contact"))), None)
