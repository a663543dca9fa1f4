"""The user agent: every transaction, call and the registration of one account, over a transport that others own.

`receive` takes a message's octets, `poll` lets time pass, `outbox` holds what is to be sent. Nothing here blocks, and
no octets that arrive can raise: a mistake of ours ends the call in which it shows.
"""

import logging
from dataclasses import dataclass, field, replace
from functools import partial

from drivers.guard import guarded
from drivers.sip.call import Call, Outgoing, State
from drivers.sip.dialog import session_timer
from drivers.sip.message import Malformed, Message, parse
from drivers.sip.pending import Owner, Pending, demote, next_after
from drivers.sip.registration import Registration
from drivers.sip.requester import Identity, Requester
from drivers.sip.server_transaction import ServerTransactions
from drivers.sip.transaction import Timers, Transaction, acknowledge, cancel
from drivers.sip.transport import Address
from drivers.sip.uas import UserAgentServer
from drivers.sip.uri import HostPort, bare_host_of, port_of, via_from
from drivers.sip.validation import for_us

log = logging.getLogger("pinwheel.sip")

GLARE_S = 3.0  # until an offer that crossed theirs is made again; 2.1 to 4 for who began the call (14.1)


@dataclass(slots=True)
class UserAgent:
    """servers: where requests without a route go, the one in use first; `probe` asks it whether it is there.

    seen_at: our address as the last response shows it (received, rport; RFC 3581 4), or "".
    """

    identity: Identity
    servers: list[Address]
    timers: Timers = field(default_factory=Timers)
    registration: Registration | None = None
    outbox: list[tuple[bytes, Address]] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    seen_at: str = ""
    silent: bool = False  # the last probe was not answered
    _pending: dict[tuple[str, str], Pending] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)
    _refreshes: dict[str, float] = field(default_factory=dict)
    _serving: ServerTransactions = field(init=False)
    _server_side: UserAgentServer = field(init=False)

    def __post_init__(self) -> None:
        kind = self.identity.kind
        self._serving = ServerTransactions(self.timers, kind.reliable, self._send)
        self._server_side = UserAgentServer(kind, self.calls, self._serving, self._refreshing)

    @property
    def server(self) -> Address:
        return self.servers[0]

    def move(self, host: str, now: float) -> None:
        """We are reached at `host` ("address:port") from now on."""
        self.identity = replace(self.identity, host=host)
        if self.registration is not None:
            self.registration.move(replace(self.registration.identity, host=host), now)

    def call(self, uri: str, sdp: bytes, now: float) -> Call:
        """Start a call; follow its `events`."""
        call = Call(self.identity, uri, sdp)
        self.calls[call.call_id] = call
        self._request(call.invite(), self.server, call, now)
        return call

    def hang_up(self, call: Call, now: float) -> None:
        """End a call in whatever phase: BYE, or CANCEL once the far end has sent a provisional response (9.1)."""
        self._send_all(call.hang_up(), call, now)
        for pending in list(self._pending.values()):
            if pending.owner is call and pending.transaction.invite and 100 <= pending.transaction.answered < 200:
                self._cancel(pending, now)
        self._forget_if_ended(call, now)

    def farewells(self, call: Call) -> tuple[tuple[bytes, Address], ...]:
        """BYE or CANCEL as `hang_up` would send it now, for somebody else to send if we no longer can."""
        if call.state is State.SPEAKING:
            bye, destination = call.farewell()
            return ((bye.encode(), destination),)
        mine = [pending.transaction for pending in self._pending.values() if pending.owner is call]
        ringing = [each for each in mine if each.invite and 100 <= each.answered < 200]
        return tuple((cancel(each.request).encode(), each.destination) for each in ringing)

    def give_up(self, owner: Owner, now: float) -> None:
        """Something failed that nobody foresaw: a call is hung up and forgotten, a registration begins again."""
        if isinstance(owner, Registration):
            owner.on_time_out("internal error", now)
        if not isinstance(owner, Call):
            return
        owner.broken = "internal error"
        with guarded("hang up"):
            self.hang_up(owner, now)
        self._pending = {key: pending for key, pending in self._pending.items() if pending.owner is not owner}
        for kept in (self.calls, self._ended, self._refreshes):
            kept.pop(owner.call_id, None)
        owner.on_time_out(owner.broken)

    def probe(self, now: float) -> None:
        """OPTIONS to the server in use (11.1): it holds a NAT open, and an answer of any kind says that it is there."""
        requester, uri = Requester(self.identity), f"sip:{self.identity.uri.rpartition('@')[2]}"
        self._request(requester.request("OPTIONS", uri, f"<{uri}>"), self.server, requester, now)

    def unregister(self, now: float) -> None:
        """Take our contacts back; `idle` says when that was answered."""
        if self.registration is not None and self.registration.contacts:
            self._request(self.registration.leave(), self.server, self.registration, now)

    @property
    def probing(self) -> bool:
        """A probe waits for its answer."""
        return any(key[1] == "OPTIONS" and not p.transaction.final for key, p in self._pending.items())

    @property
    def idle(self) -> bool:
        """No request of ours waits for a final response."""
        return all(pending.transaction.final for pending in self._pending.values())

    # --- time ---

    def poll(self, now: float) -> None:
        """Send what is due, and give up on what has had its time."""
        if self.registration is not None and now >= self.registration.due:
            with guarded("registration", partial(self.give_up, self.registration, now)):
                self._request(self.registration.request(), self.server, self.registration, now)
        for key, pending in list(self._pending.items()):
            with guarded("transaction", partial(self._forget_transaction, key, now)):
                self._poll_transaction(key, pending, now)
        for call_id, due in list(self._refreshes.items()):
            if now >= due:
                with guarded("refresh", partial(self.give_up, self.calls[call_id], now)):
                    self._refresh(self.calls[call_id], now)
        for call_id in self._serving.poll(now):
            call = self.calls.get(call_id)
            with guarded("no ACK", partial(self.give_up, call, now)):
                self._abandon(call, now)
        for call_id in [call_id for call_id, at in self._ended.items() if now >= at]:
            del self._ended[call_id], self.calls[call_id]

    def deadline(self) -> float:
        """When `poll` has something to do next."""
        times = [pending.transaction.deadline() for pending in self._pending.values()]
        times += [p.cancelled_at + self.timers.give_up for p in self._pending.values() if p.cancelled_at is not None]
        times += [self.registration.due] if self.registration is not None else []
        unanswered = [p for p in self._pending.values() if p.transaction.invite and not p.silence_handled]
        times += [pending.transaction.started + self.timers.fail_over for pending in unanswered]
        times += [*self._ended.values(), *self._refreshes.values(), self._serving.deadline()]
        return min(times)

    def _poll_transaction(self, key: tuple[str, str], pending: Pending, now: float) -> None:
        transaction = pending.transaction
        if now >= transaction.started + self.timers.fail_over and not pending.silence_handled:
            self._on_silence(pending, now)
        if transaction.poll(now):
            self._send(transaction.request.encode(), transaction.destination)
        given_up = pending.cancelled_at is not None and now >= pending.cancelled_at + self.timers.give_up
        if transaction.timed_out or (given_up and not transaction.final):
            self._pending.pop(key, None)
            self._failed(pending, "no response", now)
        elif transaction.over(now):
            self._pending.pop(key, None)

    def _forget_transaction(self, key: tuple[str, str], now: float) -> None:
        """It failed in a way that nobody foresaw: its owner, too."""
        pending = self._pending.pop(key, None)
        if pending is not None:
            self.give_up(pending.owner, now)

    def _on_silence(self, pending: Pending, now: float) -> None:
        """An INVITE without a response: try the next server; without one, see whether the registrar is there."""
        pending.silence_handled = True
        if pending.may_move(len(self.servers)):
            self._move(pending, now)
        elif self.registration is not None and pending.transaction.invite and pending.transaction.answered == 0:
            self.registration.suspect(now)

    def _failed(self, pending: Pending, why: str, now: float) -> None:
        """A request that was not answered, or did not get through."""
        owner = pending.owner
        if pending.transaction.answered == 0:
            demote(self.servers, pending.transaction.destination)
        if isinstance(owner, Registration):
            owner.on_time_out(why, now)
        elif isinstance(owner, Call) and pending.transaction.invite and not pending.moved:
            self._invite_failed(owner, pending, why, now)
        elif pending.transaction.request.method == "OPTIONS":
            self.silent = True

    def _invite_failed(self, call: Call, pending: Pending, why: str, now: float) -> None:
        if call.dialog is not None:
            call.on_refreshed(408)
        elif pending.may_move(len(self.servers)):
            self._move(pending, now)
        else:
            call.on_time_out(why)
        self._forget_if_ended(call, now)

    def _refresh(self, call: Call, now: float) -> None:
        """Keep a session up that is ours to keep (RFC 4028 7.2)."""
        self._refreshes.pop(call.call_id, None)
        if call.state is State.SPEAKING and call.dialog is not None and call.dialog.refresh_s is not None:
            self._refreshes[call.call_id] = now + call.dialog.refresh_s
            self._send_all([call.refresh()], call, now)

    def _abandon(self, call: Call | None, now: float) -> None:
        """Nobody acknowledged our 2xx to a re-INVITE (13.3.1.4)."""
        if call is None:
            return
        self._send_all(call.abandon("no ACK"), call, now)
        self._forget_if_ended(call, now)

    # --- several servers ---

    def _move(self, pending: Pending, now: float) -> None:
        """Call by way of the next server; what still comes from this one is turned down."""
        assert isinstance(pending.owner, Call)
        pending.moved = True
        pending.transaction.rest()
        server = next_after(self.servers, pending.transaction.destination)
        self._request(pending.owner.invite(), server, pending.owner, now).hop = pending.hop + 1

    def on_lost(self, address: Address, why: str, now: float) -> None:
        """A connection is gone: what was sent over it gets no answer (8.1.3.1)."""
        ours = address == self.server
        for key, pending in list(self._pending.items()):
            if pending.transaction.destination == address and not pending.transaction.final:
                del self._pending[key]
                self._failed(pending, why, now)
        if ours and self.registration is not None and self.registration.registered:
            self.registration.on_time_out(why, now)

    # --- messages ---

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one message; what is none is dropped."""
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
        pending = self._pending.get((message.branch, message.cseq[1]))
        return self.calls.get(message.get("call-id")) or (pending.owner if pending is not None else None)

    def _on_response(self, response: Message, now: float) -> None:
        pending = self._pending.get((response.branch, response.cseq[1]))
        if pending is None or response.cseq[0] != pending.transaction.request.cseq[0]:
            return
        self.silent, self.seen_at = False, seen_at(response) or self.seen_at
        news = pending.transaction.receive(response.status, now)
        if pending.transaction.invite and response.status >= 300:
            ack = acknowledge(pending.transaction.request, response)  # for each one that comes (17.1.1.2)
            self._send(ack.encode(), pending.transaction.destination)
        if news and self._challenged(pending, response, now):
            return
        if isinstance(pending.owner, Call):
            self._on_call_response(pending.owner, pending, response, now, news=news)
            self._forget_if_ended(pending.owner, now)
        elif isinstance(pending.owner, Registration) and news and response.status >= 200:
            if response.status == 503:  # it cannot serve: the next one is asked (RFC 3263 4.3)
                demote(self.servers, pending.transaction.destination)
            pending.owner.on_final(pending.transaction.request, response, now)

    def _challenged(self, pending: Pending, response: Message, now: float) -> bool:
        """Whether it goes out again, signed (22.2): any request of ours, but no INVITE that nobody waits for."""
        if pending.requester is None or pending.unwanted:
            return False
        realms = pending.requester.credentials.take(response, pending.challengers)
        if realms:
            again = pending.requester.again(pending.transaction.request)
            repeated = self._request(again, pending.transaction.destination, pending.owner, now)
            repeated.hop, repeated.challengers = pending.hop, (*pending.challengers, *realms)
        return bool(realms)

    def _on_call_response(self, call: Call, pending: Pending, response: Message, now: float, *, news: bool) -> None:
        status, invite = response.status, pending.transaction.invite
        if invite and pending.moved:
            self._on_late(call, pending, response, now)
        elif invite and 200 <= status < 300:  # again for each that comes
            sent = pending.transaction
            self._send_all(call.on_success(sent.request, response, sent.destination), call, now)
            self._plan_refresh(call, now)
        elif invite and status < 200:
            if status > 100:  # also of one that is no other news
                self._send_all(call.on_early(response, pending.transaction.destination), call, now)
            if news:
                self._on_provisional(call, pending, response, now)
        elif invite and news and call.dialog is None:
            self._on_refusal(call, pending, response, now)
        elif news and status >= 300:
            self._on_dialog_refusal(call, pending, response, now)

    def _on_provisional(self, call: Call, pending: Pending, response: Message, now: float) -> None:
        call.on_provisional(response)
        if call.wants_end:
            self._cancel(pending, now)

    def _on_refusal(self, call: Call, pending: Pending, response: Message, now: float) -> None:
        """A server that cannot serve is passed over, where there is another (RFC 3263 4.3)."""
        if response.status == 503 and pending.hop + 1 < len(self.servers) and not call.wants_end:
            self._move(pending, now)
        else:
            for invite in call.on_final(response):
                self._request(invite, pending.transaction.destination, call, now).hop = pending.hop

    def _on_late(self, call: Call, pending: Pending, response: Message, now: float) -> None:
        """From a server that was given up for the next."""
        if response.status < 200:
            self._cancel(pending, now)
        elif response.status < 300:
            sent = pending.transaction
            self._send_all(call.decline(sent.request, response, sent.destination), call, now)

    def _on_dialog_refusal(self, call: Call, pending: Pending, response: Message, now: float) -> None:
        """300 and above to a request within the call."""
        if pending.refreshes and response.status == 491:
            self._refreshes[call.call_id] = now + GLARE_S
        elif pending.refreshes:
            call.on_refreshed(response.status)

    def _refreshing(self, call: Call) -> bool:
        """Our own re-INVITE or UPDATE waits for its answer."""
        mine = (p for p in self._pending.values() if p.owner is call and p.refreshes)
        return call.dialog is not None and any(not p.transaction.final and not p.moved for p in mine)

    def _on_request(self, request: Message, source: Address, now: float) -> None:
        if self._server_side.take(request, source, self.identity.contact, now):
            call = self.calls[request.get("call-id")]
            if session_timer(request) is not None:  # a refresh of theirs: the interval starts again
                self._refreshes.pop(call.call_id, None)
            self._plan_refresh(call, now)
            self._forget_if_ended(call, now)

    def _plan_refresh(self, call: Call, now: float) -> None:
        """After what may have changed who refreshes the session (RFC 4028 7.2, 9)."""
        if call.dialog is None or call.dialog.refresh_s is None:
            self._refreshes.pop(call.call_id, None)
        else:
            self._refreshes.setdefault(call.call_id, now + call.dialog.refresh_s)

    # --- sending ---

    def _send(self, data: bytes, destination: Address) -> None:
        self.outbox.append((data, destination))

    def _send_all(self, messages: list[Outgoing], call: Call, now: float) -> None:
        """Requests within a dialog."""
        for message, destination in messages:
            if message.method == "ACK":  # no transaction: it goes out once for each 2xx (13.2.2.4)
                self._send(message.encode(), destination)
            else:
                self._request(message, destination, call, now)

    def _request(self, message: Message, destination: Address, owner: Owner, now: float) -> Pending:
        """Send a request in a transaction."""
        transaction = Transaction(message, destination, self.timers, now, self.identity.kind.reliable)
        self._pending[message.branch, message.method] = pending = Pending(transaction, owner)
        self._poll_transaction((message.branch, message.method), pending, now)
        return pending

    def _cancel(self, pending: Pending, now: float) -> None:
        if pending.cancelled_at is None:
            pending.cancelled_at = now
            self._request(cancel(pending.transaction.request), pending.transaction.destination, None, now)

    def _forget_if_ended(self, call: Call, now: float) -> None:
        """Keep an ended call long enough to answer what still comes for it."""
        if call.state is State.ENDED:
            self._refreshes.pop(call.call_id, None)
        if call.state is State.ENDED and call.call_id in self.calls:  # not of one that is forgotten already
            self._ended.setdefault(call.call_id, now + self.timers.linger)


def seen_at(response: Message) -> str:
    """ "address:port" of ours as the server saw it, by received and rport of our Via (RFC 3581 4); "" without."""
    try:
        via = via_from(response.all("via")[0]).parameters
        seen = HostPort(bare_host_of(via.get("received", "")), port_of(via.get("rport", "")))
    except Malformed:
        return ""
    return str(seen) if seen.ip is not None else ""
