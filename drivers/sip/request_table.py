"""The requests of ours that are under way: sent, sent again, cancelled, and found by what answers them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from drivers.sip.address import Address, Timers, TransportKind
from drivers.sip.client_transaction import ClientTransaction, State, cancel
from drivers.sip.message import Message
from drivers.sip.pending_request import Attempt, Owner, PendingRequest

Key = tuple[str, str]
"""What names a client transaction: branch and method (17.1.3)."""


@dataclass(slots=True)
class RequestTable:
    """`send` puts octets on their way to an address."""

    kind: TransportKind
    timers: Timers
    send: Callable[[bytes, Address], None]
    _table: dict[Key, PendingRequest] = field(default_factory=dict)

    def __iter__(self) -> Iterator[PendingRequest]:
        """It may change meanwhile."""
        return iter(list(self._table.values()))

    def start(self, message: Message, destination: Address, owner: Owner, now: float) -> PendingRequest:
        """Send a request in a transaction of its own."""
        transaction = ClientTransaction(message, destination, self.timers, now, self.kind.reliable)
        pending = self._table[message.branch, message.method] = PendingRequest(transaction, owner)
        self.send(message.encode(), destination)
        return pending

    def adopt(self, message: Message, destination: Address, owner: Owner, now: float) -> PendingRequest:
        """A request that somebody else has sent: its responses are ours from now on; it is not sent again."""
        transaction = ClientTransaction(message, destination, self.timers, now, self.kind.reliable)
        transaction.rest()
        pending = self._table[message.branch, message.method] = PendingRequest(transaction, owner)
        return pending

    def cancel(self, pending: PendingRequest, now: float) -> None:
        """Once."""
        if pending.cancelled_at is None:
            pending.cancelled_at = now
            self.start(cancel(pending.transaction.request), pending.transaction.destination, None, now)

    def answered_by(self, response: Message) -> PendingRequest | None:
        """Whose response it is."""
        pending = self._table.get((response.branch, response.cseq[1]))
        fits = pending is not None and response.cseq[0] == pending.transaction.request.cseq[0]
        return pending if fits else None

    def drop(self, pending: PendingRequest) -> None:
        """Whatever comes for it is nobody's."""
        request = pending.transaction.request
        self._table.pop((request.branch, request.method), None)

    def drop_all(self, owner: Owner) -> None:
        for pending in self.of(owner):
            self.drop(pending)

    def of(self, owner: Owner) -> list[PendingRequest]:
        return [pending for pending in self if pending.owner is owner]

    def ringing(self, owner: Owner) -> list[PendingRequest]:
        """The INVITEs that have had a provisional response and no final one: these can be cancelled (9.1)."""
        return [p for p in self.of(owner) if p.transaction.invite and p.transaction.state is State.PROCEEDING]

    @property
    def probing(self) -> bool:
        """A probe waits for its answer."""
        return any(p.transaction.request.method == "OPTIONS" and not p.transaction.final for p in self)

    @property
    def idle(self) -> bool:
        """No request waits for a final response."""
        return all(pending.transaction.final for pending in self)

    # --- time ---

    def is_silent(self, pending: PendingRequest, now: float) -> bool:
        """An INVITE has had no response for so long that another server is to be tried."""
        return now >= self._silent_at(pending)

    def _silent_at(self, pending: PendingRequest) -> float:
        sent = pending.transaction
        waits = sent.invite and sent.state is State.CALLING and pending.attempt is Attempt.OPEN
        return sent.started + self.timers.fail_over if waits else float("inf")

    def _given_up_at(self, pending: PendingRequest) -> float:
        """A cancelled INVITE waits for its final response only so long (9.1)."""
        if pending.cancelled_at is None or pending.transaction.final:
            return float("inf")
        return pending.cancelled_at + self.timers.give_up

    def advance(self, pending: PendingRequest, now: float) -> bool:
        """Send what is due again. False if no final response came in time; then it is dropped."""
        sent = pending.transaction
        if sent.poll(now):
            self.send(sent.request.encode(), sent.destination)
        if sent.state is State.TIMED_OUT or now >= self._given_up_at(pending):
            self.drop(pending)
            return False
        if sent.state is State.TERMINATED:
            self.drop(pending)
        return True

    def due(self, now: float) -> list[PendingRequest]:
        """Those of which something is due."""
        return [pending for pending in self._table.values() if now >= self._due_at(pending)]

    def deadline(self) -> float:
        """When the next one is due."""
        return min(map(self._due_at, self._table.values()), default=float("inf"))

    def _due_at(self, pending: PendingRequest) -> float:
        sent = pending.transaction
        if sent.final:
            return sent.deadline
        return min(sent.deadline, self._silent_at(pending), self._given_up_at(pending))
