"""The user agent: the calls and the registration of one account, over a transport that others own.

`receive` takes a message's octets, `poll` lets time pass, `outbox` holds what is to be sent. Nothing here blocks, and
no octets that arrive can raise: a mistake of ours ends the call in which it shows.
"""

import logging
from dataclasses import dataclass, field, replace
from functools import partial

from drivers.guard import guarded
from drivers.sip.address import Address, Timers
from drivers.sip.call import OutgoingCall, State
from drivers.sip.call_ending import CallEnding
from drivers.sip.call_requests import CallRequests
from drivers.sip.dialog import session_timer
from drivers.sip.failover import Servers
from drivers.sip.message import Malformed, Message, parse
from drivers.sip.pending_request import Owner, PendingRequest
from drivers.sip.registration import Registration
from drivers.sip.request_builder import Identity, Requester
from drivers.sip.request_table import RequestTable
from drivers.sip.server_transaction import ServerTransactions
from drivers.sip.session_timers import SessionTimers
from drivers.sip.uac import UserAgentClient
from drivers.sip.uas import UserAgentServer
from drivers.sip.validation import for_us

log = logging.getLogger("pinwheel.sip")


@dataclass(slots=True)
class UserAgent:
    """servers: where requests without a route go; outbox: what is to be sent, by whoever owns the transport."""

    identity: Identity
    servers: Servers
    timers: Timers = field(default_factory=Timers)
    registration: Registration | None = None
    outbox: list[tuple[bytes, Address]] = field(default_factory=list, repr=False)
    calls: dict[str, OutgoingCall] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)
    _sessions: SessionTimers = field(default_factory=SessionTimers)
    _requests: RequestTable = field(init=False)
    _client: UserAgentClient = field(init=False)
    _serving: ServerTransactions = field(init=False)
    _server: UserAgentServer = field(init=False)

    def __post_init__(self) -> None:
        kind = self.identity.kind
        self._requests = RequestTable(kind, self.timers, self._send)
        self._client = UserAgentClient(self.servers, self._requests, self._sessions, self._suspect)
        self._serving = ServerTransactions(self.timers, kind.reliable, self._send)
        self._server = UserAgentServer(kind, self.calls, self._serving, self._client.refreshing)

    def _send(self, data: bytes, destination: Address) -> None:
        self.outbox.append((data, destination))

    def _suspect(self, now: float) -> None:
        """No server answers a call: is the registrar there?"""
        if self.registration is not None:
            self.registration.suspect(now)

    # --- what the trunk sees ---

    @property
    def seen_at(self) -> str:
        """Our "address:port" as the last response shows it (RFC 3581 4), or ""."""
        return self._client.seen_at

    @property
    def answers(self) -> bool | None:
        """Whether the last probe was answered; None before the first response of any kind."""
        return self._client.answers

    @property
    def probing(self) -> bool:
        """A probe waits for its answer."""
        return self._requests.probing

    @property
    def idle(self) -> bool:
        """No request of ours waits for a final response."""
        return self._requests.idle

    # --- orders ---

    def move(self, host: str, now: float) -> None:
        """Our address is `host` ("address:port") from now on."""
        self.identity = replace(self.identity, host=host)
        if self.registration is not None:
            self.registration.move(replace(self.registration.identity, host=host), now)

    def call(self, uri: str, sdp: bytes, now: float) -> OutgoingCall:
        """Start a call; follow its `events`."""
        call = OutgoingCall(CallRequests(self.identity, uri, sdp))
        self.calls[call.call_id] = call
        self._requests.start(call.invite(), self.servers.first, call, now)
        call.changed = True
        return call

    def hang_up(self, call: OutgoingCall, now: float) -> None:
        """End a call in whatever phase."""
        self._client.hang_up(call, now)
        self._settle(call, now)

    def endings(self, call: OutgoingCall) -> tuple[CallEnding, ...]:
        """What would end it now, for another user agent to `take_over` if we no longer can."""
        return self._client.endings(call)

    def take_over(self, ending: CallEnding, now: float) -> None:
        """End a call of a user agent that was at our address before, and is lost."""
        requester = ending.requests.requester
        if ending.request.method != "INVITE":
            self._requests.start(ending.request, ending.destination, requester, now)
            return
        call = self.calls.setdefault(requester.call_id, OutgoingCall(ending.requests))
        self._client.take_over(ending, call, now)

    def give_up(self, owner: Owner, now: float) -> None:
        """An unexpected exception: a call is hung up and forgotten, a registration starts again."""
        if isinstance(owner, Registration):
            owner.on_time_out("internal error", now)
        if not isinstance(owner, OutgoingCall):
            return
        owner.broken = "internal error"
        with guarded("hang up"):
            self.hang_up(owner, now)
        self._requests.drop_all(owner)
        self._sessions.forget(owner)
        for kept in (self.calls, self._ended):
            kept.pop(owner.call_id, None)
        owner.on_time_out(owner.broken)

    def probe(self, now: float) -> None:
        """OPTIONS to the server in use (11.1): it holds a NAT open, and an answer of any kind says that it is there."""
        requester, uri = Requester(self.identity), f"sip:{self.identity.uri.rpartition('@')[2]}"
        self._requests.start(requester.request("OPTIONS", uri, f"<{uri}>"), self.servers.first, requester, now)

    def unregister(self, now: float) -> None:
        """Take our contacts back; `idle` says when that was answered."""
        if self.registration is not None and self.registration.contacts:
            self._requests.start(self.registration.leave(), self.servers.first, self.registration, now)

    # --- time ---

    def poll(self, now: float) -> None:
        """Send what is due, and end the transactions whose time is over."""
        if self.registration is not None and now >= self.registration.due:
            with guarded("registration", partial(self.give_up, self.registration, now)):
                self._requests.start(self.registration.request(), self.servers.first, self.registration, now)
        for pending in self._requests.due(now):
            with guarded("transaction", partial(self._forget_transaction, pending, now)):
                self._client.advance(pending, now)
                self._settle(pending.owner, now)
        for call_id in self._sessions.due(now):
            with guarded("refresh", partial(self.give_up, self.calls[call_id], now)):
                self._client.refresh(self.calls[call_id], now)
                self._settle(self.calls[call_id], now)
        for call in filter(None, map(self.calls.get, self._serving.poll(now))):  # no ACK to a 2xx of ours (13.3.1.4)
            with guarded("no ACK", partial(self.give_up, call, now)):
                self._client.send_all(call.abandon("no ACK"), call, now)
                self._settle(call, now)
        for call_id in [call_id for call_id, at in self._ended.items() if now >= at]:
            del self._ended[call_id], self.calls[call_id]

    def deadline(self) -> float:
        """When `poll` has something to do next."""
        registration = self.registration.due if self.registration is not None else float("inf")
        parts = (self._requests.deadline(), self._sessions.deadline(), self._serving.deadline())
        return min([registration, *parts, *self._ended.values()])

    def _forget_transaction(self, pending: PendingRequest, now: float) -> None:
        """An unexpected exception: its owner has failed, too."""
        self._requests.drop(pending)
        self.give_up(pending.owner, now)

    def on_lost(self, address: Address, why: str, now: float, *, stood: bool = True) -> None:
        """A connection is gone: what was sent over it gets no answer (8.1.3.1). stood: it had been made."""
        for call in () if stood else self.calls.values():
            call.requests.unreachable.add(address)
        ours = address == self.servers.first
        for pending in self._requests:
            if pending.transaction.destination == address and not pending.transaction.final:
                self._client.on_lost(pending, why, now)
                self._settle(pending.owner, now)
        if ours and self.registration is not None and self.registration.registered:
            self.registration.on_time_out(why, now)

    # --- messages ---

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one message; anything else is dropped."""
        try:
            message = parse(data)
        except Malformed as exc:
            log.debug("sip=malformed from=%s error=%s", source[0], exc)
            return
        with guarded("message", partial(self.give_up, self._owner(message), now)):
            if message.method:
                self._on_request(message, source, now)
            elif for_us(message):
                self._on_response(message, now)

    def _owner(self, message: Message) -> Owner:
        """Whom a message belongs to."""
        pending = self._requests.answered_by(message)
        return self.calls.get(message.get("call-id")) or (pending.owner if pending is not None else None)

    def _on_response(self, response: Message, now: float) -> None:
        pending = self._requests.answered_by(response)
        if pending is not None:
            self._client.take(pending, response, now)
            self._settle(pending.owner, now)

    def _on_request(self, request: Message, source: Address, now: float) -> None:
        if self._server.take(request, source, self.identity.contact, now):
            call = self.calls[request.get("call-id")]
            if session_timer(request) is not None:  # a refresh of theirs: the interval starts again
                self._sessions.begin_again(call, now)
            self._sessions.plan(call, now)
            self._settle(call, now)

    # --- what became of a call ---

    def _settle(self, owner: Owner, now: float) -> None:
        """A call may have changed. One that has ended is kept long enough to answer what still comes for it."""
        if not isinstance(owner, OutgoingCall):
            return
        owner.changed = True
        if owner.state is not State.ENDED:
            return
        self._sessions.forget(owner)
        if owner.call_id in self.calls:  # not of one that is forgotten already
            self._ended.setdefault(owner.call_id, now + self.timers.linger)
