"""The user agent server (RFC 3261 8.2, 12.2.2): requests of far ends, each answered at once and finally.

Within a dialog of ours an answer is kept for when the request comes again; strangers are answered without state.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.sip.address import Address, TransportKind
from drivers.sip.call import OutgoingCall
from drivers.sip.dialog import Dialog
from drivers.sip.message import Message
from drivers.sip.replies import (
    OK,
    OUT_OF_ORDER,
    PENDING,
    UNKNOWN_CALL,
    Reply,
    objection,
    response_to,
    stranger_reply,
    way_back,
)
from drivers.sip.server_transaction import ServerTransactions


@dataclass(slots=True)
class UserAgentServer:
    """calls: by Call-ID; refreshing: whether a request of ours that changes the call's session is under way."""

    kind: TransportKind
    calls: dict[str, OutgoingCall]
    transactions: ServerTransactions
    refreshing: Callable[[OutgoingCall], bool]

    def take(self, request: Message, source: Address, contact: str, now: float) -> bool:
        """One request; whether it may have changed a dialog of ours. contact: our URI."""
        call = self.calls.get(request.get("call-id"))
        dialog = call.dialog_of(request) if call is not None else None
        if request.method == "ACK":
            if call is not None and dialog is not None and self.transactions.acknowledged(request, now):
                call.on_ack(dialog, request)
            return False
        if self.transactions.repeated(request, now):
            return False
        reply = objection(request)
        destination = way_back(request, source, self.kind)
        if call is None or dialog is None:
            response = response_to(request, reply or stranger_reply(request), contact, source)
            self.transactions.send(response.encode(), destination)
            return False
        reply = self._sequence(dialog, request) or reply or self._reply(call, dialog, request)
        self.transactions.begin(request, response_to(request, reply, contact, source), destination, now)
        return reply.ok

    def _sequence(self, dialog: Dialog, request: Message) -> Reply | None:
        """An objection to a request that is out of order; a CANCEL has the number of what it cancels (9.1)."""
        number = request.cseq[0]
        if request.method == "CANCEL":
            return OK if self.transactions.has_invite(request) else UNKNOWN_CALL
        if number < dialog.their_cseq:
            return OUT_OF_ORDER
        dialog.their_cseq = number
        return None

    def _reply(self, call: OutgoingCall, dialog: Dialog, request: Message) -> Reply:
        early = call.dialog is None
        if early and request.method == "BYE":  # not a callee's to send (15)
            return UNKNOWN_CALL
        changes = request.method in ("INVITE", "UPDATE")
        if changes and (self.refreshing(call) or (early and request.method == "INVITE")):
            return PENDING  # both at the same time (14.2)
        return call.on_request(dialog, request)
