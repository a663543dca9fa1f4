"""A request of ours that waits for its answer: whose it is, and how its attempt at one server goes."""

from dataclasses import dataclass
from enum import StrEnum

from drivers.sip.call import OutgoingCall, State
from drivers.sip.client_transaction import ClientTransaction
from drivers.sip.digest import Realm
from drivers.sip.registration import Registration
from drivers.sip.request_builder import Requester

Owner = OutgoingCall | Registration | Requester | None
"""Of a request of ours: a bare requester sends probes; a CANCEL has none, as it cannot be challenged (22.1)."""


class Attempt(StrEnum):
    """At one server."""

    OPEN = "open"
    SILENT = "silent"  # no response came for so long that the next server was looked for; this one may still answer
    PASSED_ON = "passed on"  # the next server is being tried; what this one answers is turned down


@dataclass(slots=True)
class PendingRequest:
    """owner: who sent it, and is given the responses; challengers: of the same request before.

    hop: how many servers were tried before this one; cancelled_at: when a CANCEL for it was sent.
    """

    transaction: ClientTransaction
    owner: Owner
    challengers: tuple[Realm, ...] = ()
    hop: int = 0
    attempt: Attempt = Attempt.OPEN
    cancelled_at: float | None = None

    @property
    def requester(self) -> Requester | None:
        """Who signs it."""
        return self.owner.requester if isinstance(self.owner, OutgoingCall | Registration) else self.owner

    @property
    def passed_on(self) -> bool:
        return self.attempt is Attempt.PASSED_ON

    @property
    def begins_call(self) -> bool:
        """An INVITE of a call that was not answered yet."""
        return isinstance(self.owner, OutgoingCall) and self.transaction.invite and self.owner.dialog is None

    @property
    def offers(self) -> bool:
        """An INVITE or UPDATE, of which a dialog may have one at a time (14.1, RFC 3311 5.1)."""
        return self.transaction.request.method in ("INVITE", "UPDATE")

    @property
    def refreshes(self) -> bool:
        """It keeps up the session of a call that was answered (RFC 4028)."""
        return (
            isinstance(self.owner, OutgoingCall)
            and self.owner.dialog is not None
            and self.offers
            and not self.passed_on
        )

    @property
    def unwanted(self) -> bool:
        """Nobody waits for its answer any more: an INVITE or UPDATE of a call, a REGISTER of one that is leaving."""
        match self.owner:
            case OutgoingCall() as call:
                return self.offers and (self.passed_on or call.wants_end or call.state is State.ENDED)
            case Registration() as registration:
                return registration.leaving and self.transaction.request.get("expires") != "0"
            case _:
                return False
