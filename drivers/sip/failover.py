"""The servers of a trunk, and which of them is tried next (RFC 3263 4.3). Pure.

An INVITE that a server does not answer in time, cannot serve (503), or is not reached by, goes to the next one. What
did not serve is asked last from then on.
"""

from collections.abc import Collection
from dataclasses import dataclass

from drivers.sip.address import Address
from drivers.sip.pending_request import Attempt, PendingRequest


@dataclass(slots=True)
class Servers:
    """Addresses, at least one; the one in use first."""

    addresses: list[Address]

    @property
    def first(self) -> Address:
        return self.addresses[0]

    def found(self, addresses: Collection[Address]) -> None:
        """The name was looked up again. The same addresses stay in the order that was found by trying."""
        if set(addresses) != set(self.addresses):
            self.addresses = list(addresses)

    def demote(self, failed: Address) -> None:
        """If that is the one in use, the next one is from now on."""
        if self.first == failed:
            self.addresses.append(self.addresses.pop(0))

    def next_after(self, tried: Address) -> Address:
        self.demote(tried)
        where = self.addresses.index(tried) + 1 if tried in self.addresses else 0
        return self.addresses[where % len(self.addresses)]

    # --- what is next for an INVITE: the server to try, None for none ---

    def on_silence(self, pending: PendingRequest) -> Address | None:
        """No response has come for a while."""
        pending.attempt = Attempt.SILENT
        return self.on_failure(pending)

    def on_failure(self, pending: PendingRequest) -> Address | None:
        """It was not answered at all, or did not get through."""
        may_move = pending.begins_call and pending.transaction.status == 0 and self._are_left_for(pending)
        return self._pass_on(pending) if may_move else None

    def on_unavailable(self, pending: PendingRequest) -> Address | None:
        """The server cannot serve (503)."""
        return self._pass_on(pending) if pending.begins_call and self._are_left_for(pending) else None

    def _are_left_for(self, pending: PendingRequest) -> bool:
        return not pending.unwanted and pending.hop + 1 < len(self.addresses)

    def _pass_on(self, pending: PendingRequest) -> Address:
        pending.attempt = Attempt.PASSED_ON
        pending.transaction.rest()
        return self.next_after(pending.transaction.destination)
