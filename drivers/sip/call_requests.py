"""The requests of one call: its INVITE, and those within its dialogs, each with where it goes."""

import copy
from dataclasses import dataclass, field
from typing import Self

from drivers.sip.address import Address
from drivers.sip.dialog import Dialog
from drivers.sip.message import Message
from drivers.sip.replies import ABOUT_OURSELVES
from drivers.sip.request_builder import Identity, Requester

SESSION_S = 1800  # RFC 4028 4: the recommended interval of a session timer

Outgoing = tuple[Message, Address]
"""A request within a dialog, and where it goes."""


@dataclass(slots=True)
class CallRequests:
    """`identity` calls `uri` offering `sdp`. unreachable: addresses to which no connection can be made."""

    identity: Identity
    uri: str = field(repr=False)
    sdp: bytes = field(repr=False)
    requester: Requester = field(init=False)
    unreachable: set[Address] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.requester = Requester(self.identity)

    def invite(self, least_session_s: int = 0) -> Message:
        """A new INVITE (8.1.1). least_session_s: of a session timer, once the far end named it (RFC 4028 5)."""
        headers = [
            ("contact", f"<{self.identity.contact}>"),
            *ABOUT_OURSELVES,
            ("content-type", "application/sdp"),
            *self.identity.headers,
        ]
        if least_session_s:
            headers += [("session-expires", str(max(least_session_s, SESSION_S))), ("min-se", str(least_session_s))]
        return self.requester.request("INVITE", self.uri, f"<{self.uri}>", *headers, body=self.sdp)

    def within(self, dialog: Dialog, method: str, *headers: tuple[str, str], body: bytes = b"") -> Outgoing:
        """A request to the far end."""
        uri, route = dialog.way()
        request = self.requester.request(method, uri, dialog.to, *headers, route=route, body=body)
        return request, self._hop(dialog)

    def ack(self, dialog: Dialog, invite: Message) -> Outgoing:
        """For a 2xx."""
        uri, route = dialog.way()
        return self.requester.ack(invite, uri, dialog.to, route), self._hop(dialog)

    def bye(self, dialog: Dialog) -> Outgoing:
        return self.within(dialog, "BYE")

    def apart(self) -> Self:
        """A copy for who may have to go on in our place: what it makes is not counted here."""
        made = copy.copy(self)
        made.requester, made.unreachable = self.requester.apart(), self.unreachable.copy()
        return made

    def refresh(self, dialog: Dialog) -> Outgoing:
        """What keeps the session up: UPDATE, or the same offer again where that is not understood (RFC 4028 7.4)."""
        assert dialog.refresh_s is not None
        headers = (
            ("contact", f"<{self.identity.contact}>"),
            ("supported", "timer"),
            ("session-expires", f"{round(dialog.refresh_s * 2)};refresher=uac"),
        )
        if dialog.updates:
            return self.within(dialog, "UPDATE", *headers)
        body = dialog.session.described  # the same as before, so that nothing is negotiated
        return self.within(dialog, "INVITE", *headers, ("content-type", "application/sdp"), body=body)

    def _hop(self, dialog: Dialog) -> Address:
        """The next one, or where the INVITE went: far ends reached by TCP name addresses that take UDP only."""
        hop = dialog.next_hop(self.identity.kind.port)
        return dialog.home if hop in self.unreachable else hop
