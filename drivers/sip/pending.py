"""A request of ours that waits for its answer: whose it is, and which server it went to.

An INVITE that a server does not answer, or cannot serve, goes to the next server (RFC 3263 4.3).
"""

from dataclasses import dataclass

from drivers.sip.address import Address
from drivers.sip.call import Call, State
from drivers.sip.digest import Realm
from drivers.sip.registration import Registration
from drivers.sip.requester import Requester
from drivers.sip.transaction import Transaction

Owner = Call | Registration | Requester | None
"""Of a request of ours: a bare requester sends probes; a CANCEL has none, as it cannot be challenged (22.1)."""


@dataclass(slots=True)
class Pending:
    """owner: who sent it, and is given the responses; challengers: of the same request before.

    hop: how many servers were tried before this one; moved: the next one is being tried instead.
    silence_handled: nothing came for a while, and that was acted on.
    """

    transaction: Transaction
    owner: Owner
    challengers: tuple[Realm, ...] = ()
    cancelled_at: float | None = None
    hop: int = 0
    moved: bool = False
    silence_handled: bool = False

    @property
    def requester(self) -> Requester | None:
        """Who signs it."""
        return self.owner.requester if isinstance(self.owner, Call | Registration) else self.owner

    @property
    def refreshes(self) -> bool:
        """An INVITE or UPDATE, of which a dialog may have one at a time (14.1, RFC 3311 5.1)."""
        return self.transaction.request.method in ("INVITE", "UPDATE")

    @property
    def unwanted(self) -> bool:
        """Nobody waits for its answer any more: an INVITE or UPDATE of a call, a REGISTER of one that is leaving."""
        match self.owner:
            case Call() as call:
                return self.refreshes and (self.moved or call.wants_end or call.state is State.ENDED)
            case Registration() as registration:
                return registration.leaving and self.transaction.request.get("expires") != "0"
            case _:
                return False

    def may_move(self, servers: int) -> bool:
        """An INVITE without any response, while there is a server that was not tried."""
        call = self.owner
        if not isinstance(call, Call) or not self.transaction.invite or self.unwanted:
            return False
        return self.transaction.answered == 0 and call.dialog is None and self.hop + 1 < servers


def demote(servers: list[Address], failed: Address) -> None:
    """The first one did not serve: the next one is tried first from now on."""
    if servers[0] == failed:
        servers.append(servers.pop(0))


def next_after(servers: list[Address], tried: Address) -> Address:
    demote(servers, tried)
    where = servers.index(tried) + 1 if tried in servers else 0
    return servers[where % len(servers)]
