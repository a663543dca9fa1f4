"""Server transactions (RFC 3261 17.2, RFC 6026): a request that comes again gets the same response again.

One function a state; each lists what may happen in it and what follows, and what is not listed changes nothing. Time
is an argument, and the timers are data: `ServerTransactions` owns the clock's side, the table and the limits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from drivers.sip.address import Address, Timers
from drivers.sip.message import Malformed, Message, tag_of
from drivers.sip.uri import via_from

MAGIC_COOKIE = "z9hG4bK"  # begins a branch that is unique (8.1.1.7)
MOST = 1000  # transactions; beyond that the oldest is forgotten: if its request comes again, it is a new one

Key = tuple[str, ...]


class State(StrEnum):
    """COMPLETED is that of figures 7 and 8 together; an INVITE's has timers G and H besides."""

    COMPLETED = "completed"  # a final response was sent, none of 200 to INVITE
    CONFIRMED = "confirmed"  # the refusal of an INVITE was acknowledged
    ACCEPTED = "accepted"  # 2xx to INVITE was sent (RFC 6026 8.7)
    TERMINATED = "terminated"


class Event(StrEnum):
    """What may happen; the timers by their letters in RFC 3261 table 4 and RFC 6026."""

    AGAIN = "the request came again"
    ACK = "ACK"
    G = "send the final response to INVITE again"
    H = "no ACK came"
    I = "no ACK comes again"  # noqa: E741  its name in the standard
    J = "no request comes again"
    L = "no INVITE comes again that was accepted"


@dataclass(slots=True)
class ServerTransaction:
    """response: as it was sent, to `destination`; dialog: Call-ID, the far end's tag and CSeq, which an ACK repeats.

    acknowledged: an ACK came; due: the timers that run. reliable: over TCP or TLS.
    """

    invite: bool
    response: bytes = field(repr=False)
    status: int
    destination: Address
    dialog: Key
    timers: Timers
    reliable: bool
    state: State = State.COMPLETED
    acknowledged: bool = False
    due: dict[Event, float] = field(default_factory=dict)
    _interval: float = 0.0

    def begin(self, now: float) -> None:
        """The response was sent for the first time."""
        self._interval = self.timers.t1
        if not self.invite:
            self.due = {Event.J: now if self.reliable else now + self.timers.give_up}
        elif self.status < 300:  # end to end, so again over any transport (13.3.1.4)
            self.state = State.ACCEPTED
            self.due = {Event.G: now + self._interval, Event.L: now + self.timers.give_up}
        else:
            self.due = {Event.H: now + self.timers.give_up}
            self.due |= {} if self.reliable else {Event.G: now + self._interval}

    def on(self, event: Event, now: float) -> bool:
        """Take an event; whether the response is to be sent again."""
        self.due.pop(event, None)
        match self.state:
            case State.COMPLETED:
                return self._completed(event, now)
            case State.ACCEPTED:
                return self._accepted(event, now)
            case State.CONFIRMED:
                return self._confirmed(event)
            case State.TERMINATED:
                return False
            case _:
                assert_never(self.state)

    def _completed(self, event: Event, now: float) -> bool:
        """Figures 7 and 8."""
        if event is Event.AGAIN:
            return True
        if event is Event.G:
            return self._repeat(now)
        if event is Event.ACK and self.invite:
            self.acknowledged, self.state = True, State.CONFIRMED
            self.due = {Event.I: now if self.reliable else now + self.timers.t4}
        elif event in (Event.H, Event.J):
            self.state = State.TERMINATED
        return False

    def _accepted(self, event: Event, now: float) -> bool:
        """RFC 6026 figure 7; the repeats of RFC 3261 13.3.1.4 end with the ACK."""
        if event is Event.AGAIN:
            return True
        if event is Event.G:
            return self._repeat(now)
        if event is Event.ACK:
            self.acknowledged = True
            self.due.pop(Event.G, None)
        elif event is Event.L:
            self.state, self.due = State.TERMINATED, {}
        return False

    def _confirmed(self, event: Event) -> bool:
        """Figure 7: it takes the ACKs that come again."""
        if event is Event.I:
            self.state = State.TERMINATED
        return False

    def _repeat(self, now: float) -> bool:
        self._interval = min(self._interval * 2, self.timers.t2)
        self.due[Event.G] = now + self._interval
        return True


@dataclass(slots=True)
class ServerTransactions:
    """All of them, by the key of 17.2.3; `send` puts octets on their way to an address."""

    timers: Timers
    reliable: bool
    send: Callable[[bytes, Address], None]
    _table: dict[Key, ServerTransaction] = field(default_factory=dict)

    def begin(self, request: Message, response: Message, destination: Address, now: float) -> None:
        """Send a final response, and keep it for when the request comes again."""
        data = response.encode()
        self.send(data, destination)
        made = ServerTransaction(
            request.method == "INVITE", data, response.status, destination, ack_key(request), self.timers, self.reliable
        )
        made.begin(now)
        self._table[key(request)] = made
        if len(self._table) > MOST:
            del self._table[next(iter(self._table))]

    def repeated(self, request: Message, now: float) -> bool:
        """Whether it came before; then its response is sent again."""
        found = self._table.get(key(request))
        if found is not None:
            self._take(found, Event.AGAIN, now)
        return found is not None

    def acknowledged(self, ack: Message, now: float) -> bool:
        """Take an ACK; whether it is the first one to a 2xx, whose body counts."""
        refused = self._table.get(key(ack))
        accepted = (t for t in self._table.values() if t.state is State.ACCEPTED and t.dialog == ack_key(ack))
        found = refused if refused is not None else next(accepted, None)
        if found is None or not found.invite:
            return False
        first = found.state is State.ACCEPTED and not found.acknowledged
        self._take(found, Event.ACK, now)
        return first

    def has_invite(self, cancel: Message) -> bool:
        """Whether a CANCEL names an INVITE that we know (9.2)."""
        return key(cancel, "INVITE") in self._table

    def poll(self, now: float) -> list[str]:
        """Send what is due again; the Call-IDs of the calls whose 2xx nobody acknowledged (13.3.1.4)."""
        abandoned = []
        for name, transaction in list(self._table.items()):
            for event in [event for event, at in transaction.due.items() if now >= at]:
                if event is Event.L and not transaction.acknowledged:
                    abandoned.append(transaction.dialog[0])
                self._take(transaction, event, now)
            if transaction.state is State.TERMINATED:
                del self._table[name]
        return abandoned

    def deadline(self) -> float:
        """When to poll again."""
        return min((at for t in self._table.values() for at in t.due.values()), default=float("inf"))

    def _take(self, transaction: ServerTransaction, event: Event, now: float) -> None:
        if transaction.on(event, now):
            self.send(transaction.response, transaction.destination)


def key(request: Message, method: str = "") -> Key:
    """What names its transaction: branch, sent-by and method (17.2.3). An ACK has the key of its INVITE.

    Before RFC 3261 branches were not unique; then the other fields that the standard names count, too.
    """
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    via, branch = request.all("via")[0], request.branch
    if branch.startswith(MAGIC_COOKIE):
        return branch, _sent_by(via), method
    return via, method, request.uri, *ack_key(request)


def _sent_by(via: str) -> str:
    try:
        return str(via_from(via).sent_by)
    except Malformed:
        return via


def ack_key(request: Message) -> Key:
    """Call-ID, the far end's tag and CSeq number: what an ACK to a 2xx shares with its INVITE (13.2.2.4)."""
    return request.get("call-id"), tag_of(request.get("from")), str(request.cseq[0])
