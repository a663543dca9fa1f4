"""The user agent: every transaction, call and the registration of one account, over a transport that others own.

`receive` takes a message's octets, `poll` lets time pass, `outbox` holds what is to be sent. Nothing here blocks, and
no octets that arrive can raise: a mistake of ours ends the call in which it shows.
"""

import logging
from dataclasses import dataclass, field, replace
from functools import partial

from drivers.guard import guarded
from drivers.sip.call import Call, State, same_dialog, tag_of
from drivers.sip.digest import Realm
from drivers.sip.message import Malformed, Message, parameters, parse, uri_of
from drivers.sip.registration import Registration
from drivers.sip.requester import Identity, Requester
from drivers.sip.transaction import Timers, Transaction, acknowledge, cancel
from drivers.sip.transport import Address
from drivers.sip.uri import HostPort, bare_host_of, port_of, uri_from, via_from

log = logging.getLogger("pinwheel.sip")

REPLIES = {
    "BYE": (200, "OK"),
    "INVITE": (200, "OK"),
    "OPTIONS": (200, "OK"),
    "UPDATE": (200, "OK"),
    "INFO": (200, "OK"),
    "NOTIFY": (200, "OK"),
    "PRACK": (200, "OK"),
    "MESSAGE": (200, "OK"),
}
"""Answers to requests within a call of ours."""
STRANGERS = {
    "OPTIONS": (200, "OK"),
    "INVITE": (486, "Busy Here"),
    "NOTIFY": (481, "Call/Transaction Does Not Exist"),
    "BYE": (481, "Call/Transaction Does Not Exist"),
    "CANCEL": (481, "Call/Transaction Does Not Exist"),
}
"""Answers to requests outside any call."""
GLARE_S = 3.0  # until an offer that crossed theirs is made again; 2.1 to 4 for who began the call (14.1)
UNKNOWN = (501, "Not Implemented")


Owner = Call | Registration | Requester | None
"""Of a request of ours: a bare requester sends probes; a CANCEL has none, as it cannot be challenged (22.1)."""


@dataclass(slots=True)
class _Pending:
    """owner: who sent it, and learns what becomes of it; challengers: of the same request before.

    hop: how many servers were tried before this one; moved: the next one is being tried instead.
    told: that nothing was heard of it for long.
    """

    transaction: Transaction
    owner: Owner
    challengers: tuple[Realm, ...] = ()
    cancelled_at: float | None = None
    hop: int = 0
    moved: bool = False
    told: bool = False

    @property
    def requester(self) -> Requester | None:
        """Who signs it."""
        return self.owner.requester if isinstance(self.owner, Call | Registration) else self.owner


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
    _pending: dict[tuple[str, str], _Pending] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)
    _refreshes: dict[str, float] = field(default_factory=dict)

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
        self._request(call.invite(), call, now)
        return call

    def hang_up(self, call: Call, now: float) -> None:
        """End a call in whatever phase: BYE, or CANCEL as soon as the far end has been heard (9.1)."""
        for message in call.hang_up():
            self._request(message, call, now)
        for pending in list(self._pending.values()):
            if pending.owner is call and pending.transaction.invite and 100 <= pending.transaction.answered < 200:
                self._cancel(pending, now)
        self._forget_if_ended(call, now)

    def farewells(self, call: Call) -> tuple[tuple[bytes, Address], ...]:
        """BYE or CANCEL as `hang_up` would send it now, for somebody else to send if we no longer can."""
        if call.state is State.SPEAKING:
            bye = call.bye()
            return ((bye.encode(), self._next_hop(bye)),)
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
        self._request(requester.request("OPTIONS", uri, f"<{uri}>"), requester, now)

    def unregister(self, now: float) -> None:
        """Take our contacts back; `idle` says when that was answered."""
        if self.registration is not None and self.registration.contacts:
            self._request(self.registration.leave(), self.registration, now)

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
                self._request(self.registration.request(), self.registration, now)
        for key, pending in list(self._pending.items()):
            with guarded("transaction", partial(self._forget_transaction, key, now)):
                self._poll_transaction(key, pending, now)
        for call_id, due in list(self._refreshes.items()):
            if now >= due:
                with guarded("refresh", partial(self.give_up, self.calls[call_id], now)):
                    self._refresh(self.calls[call_id], now)
        for call_id in [call_id for call_id, at in self._ended.items() if now >= at]:
            del self._ended[call_id], self.calls[call_id]

    def deadline(self) -> float:
        """When `poll` has something to do next."""
        times = [pending.transaction.deadline() for pending in self._pending.values()]
        times += [p.cancelled_at + self.timers.give_up for p in self._pending.values() if p.cancelled_at is not None]
        times += [self.registration.due] if self.registration is not None else []
        unheard = [p for p in self._pending.values() if p.transaction.invite and not p.told]
        times += [pending.transaction.started + self.timers.fail_over for pending in unheard]
        return min([*times, *self._ended.values(), *self._refreshes.values()], default=float("inf"))

    def _poll_transaction(self, key: tuple[str, str], pending: _Pending, now: float) -> None:
        transaction = pending.transaction
        if now >= transaction.started + self.timers.fail_over and not pending.told:
            self._unheard(pending, now)
        if transaction.poll(now):
            self.outbox.append((transaction.request.encode(), transaction.destination))
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

    def _unheard(self, pending: _Pending, now: float) -> None:
        """Of an INVITE: try the next server; without one, see whether the registrar is there."""
        pending.told = True
        if self._may_move(pending):
            self._move(pending, now)
        elif self.registration is not None and pending.transaction.invite and pending.transaction.answered == 0:
            self.registration.suspect(now)

    def _failed(self, pending: _Pending, why: str, now: float) -> None:
        """A request that was not answered, or did not get through."""
        owner = pending.owner
        if pending.transaction.destination == self.server and pending.transaction.answered == 0:
            self.servers.append(self.servers.pop(0))  # the next one is tried first from now on
        if isinstance(owner, Registration):
            owner.on_time_out(why, now)
        elif isinstance(owner, Call) and pending.transaction.invite and not pending.moved:
            self._invite_failed(owner, pending, why, now)
        elif pending.transaction.request.method == "OPTIONS":
            self.silent = True

    def _invite_failed(self, call: Call, pending: _Pending, why: str, now: float) -> None:
        if call.dialog is not None:
            call.on_refreshed(408)
        elif self._may_move(pending):
            return self._move(pending, now)
        else:
            call.on_time_out(why)
        self._forget_if_ended(call, now)
        return None

    def _refresh(self, call: Call, now: float) -> None:
        """Keep a session up that is ours to keep (RFC 4028 7.2)."""
        self._refreshes.pop(call.call_id, None)
        if call.state is State.SPEAKING and call.dialog is not None and call.dialog.refresh_s is not None:
            self._refreshes[call.call_id] = now + call.dialog.refresh_s
            self._request(call.refresh(), call, now)

    # --- several servers ---

    def _may_move(self, pending: _Pending) -> bool:
        """An INVITE of which nothing was heard, while there is a server that was not tried (RFC 3263 4.3)."""
        if not isinstance(pending.owner, Call) or not pending.transaction.invite or pending.moved:
            return False
        unheard = pending.transaction.answered == 0 and pending.owner.dialog is None and not pending.owner.wants_end
        return unheard and pending.hop + 1 < len(self.servers)

    def _move(self, pending: _Pending, now: float) -> None:
        """Call by way of the next server; what still comes from this one is turned down."""
        assert isinstance(pending.owner, Call)
        pending.moved = True
        pending.transaction.rest()
        tried = pending.transaction.destination
        if tried == self.server:
            self.servers.append(self.servers.pop(0))
        where = self.servers.index(tried) + 1 if tried in self.servers else 0
        server = self.servers[where % len(self.servers)]
        self._request(pending.owner.invite(), pending.owner, now, server=server, hop=pending.hop + 1)

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
            else:
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
            self.outbox.append((ack.encode(), pending.transaction.destination))
        if news and self._challenged(pending, response, now):
            return
        if isinstance(pending.owner, Call):
            self._on_call_response(pending.owner, pending, response, now, news=news)
            self._forget_if_ended(pending.owner, now)
        elif isinstance(pending.owner, Registration) and news and response.status >= 200:
            if response.status == 503 and pending.transaction.destination == self.server:
                self.servers.append(self.servers.pop(0))  # it cannot serve: the next one is asked (RFC 3263 4.3)
            pending.owner.on_final(pending.transaction.request, response, now)

    def _challenged(self, pending: _Pending, response: Message, now: float) -> bool:
        """Whether it goes out again, signed (22.2): any request of ours, but no INVITE that nobody waits for."""
        owner, request = pending.owner, pending.transaction.request
        if pending.requester is None or (isinstance(owner, Call) and _is_unwanted(owner, pending)):
            return False
        realms = pending.requester.credentials.take(response, pending.challengers)
        if realms:
            again, server = pending.requester.again(request), pending.transaction.destination
            repeated = self._request(again, owner, now, server=server, hop=pending.hop)
            repeated.challengers = (*pending.challengers, *realms)
        return bool(realms)

    def _on_call_response(self, call: Call, pending: _Pending, response: Message, now: float, *, news: bool) -> None:
        status, invite = response.status, pending.transaction.invite
        if invite and pending.moved:
            self._on_late(call, pending, response, now)
        elif invite and 200 <= status < 300:
            self._send_all(
                call.on_success(pending.transaction.request, response), call, now
            )  # again for each that comes
            if call.dialog is not None and call.dialog.refresh_s is not None:
                self._refreshes.setdefault(call.call_id, now + call.dialog.refresh_s)
        elif invite and status < 200:
            if status > 100:
                self._send_all(call.acknowledge_provisional(response), call, now)  # also of one that is no other news
            if news:
                self._on_provisional(call, pending, response, now)
        elif invite and news and call.dialog is None:
            self._on_refusal(call, pending, response, now)
        elif news and status >= 300:
            self._on_dialog_refusal(call, pending, response, now)

    def _on_provisional(self, call: Call, pending: _Pending, response: Message, now: float) -> None:
        call.on_provisional(response)
        if call.wants_end:
            self._cancel(pending, now)

    def _on_refusal(self, call: Call, pending: _Pending, response: Message, now: float) -> None:
        """A server that cannot serve is passed over, where there is another (RFC 3263 4.3)."""
        if response.status == 503 and pending.hop + 1 < len(self.servers) and not call.wants_end:
            self._move(pending, now)
        else:
            self._send_all(call.on_final(response), call, now)

    def _on_late(self, call: Call, pending: _Pending, response: Message, now: float) -> None:
        """From a server that was given up for the next."""
        if response.status < 200:
            self._cancel(pending, now)
        elif response.status < 300:
            self._send_all(call.decline(pending.transaction.request, response), call, now)

    def _on_dialog_refusal(self, call: Call, pending: _Pending, response: Message, now: float) -> None:
        """300 and above to a request within the call."""
        request = pending.transaction.request
        if request.method in ("UPDATE", "INVITE") and response.status == 491:
            self._refreshes[call.call_id] = now + GLARE_S
        elif request.method in ("UPDATE", "INVITE"):
            call.on_refreshed(response.status)

    def _refreshing(self, call: Call) -> bool:
        """Our own re-INVITE or UPDATE waits for its answer."""
        methods = {
            p.transaction.request.method
            for p in self._pending.values()
            if p.owner is call and not p.transaction.final and not p.moved
        }
        return call.dialog is not None and not methods.isdisjoint({"INVITE", "UPDATE"})

    def _send_all(self, messages: list[Message], call: Call, now: float) -> None:
        for message in messages:
            if message.method == "ACK":  # no transaction: it goes out once for each 2xx (13.2.2.4)
                self.outbox.append((message.encode(), self._next_hop(message)))
            else:
                self._request(message, call, now)

    def _on_request(self, request: Message, source: Address, now: float) -> None:
        call = self.calls.get(request.get("call-id"))
        if request.method == "ACK":
            if call is not None and same_dialog(call, request):
                call.on_described(request)
            return
        early_bye = call is not None and call.dialog is None and request.method == "BYE"  # not a callee's to send (15)
        if call is None or early_bye or not same_dialog(call, request):
            self._reply(request, source, *STRANGERS.get(request.method, UNKNOWN))
            return
        again = (request.branch, request.get("cseq"))
        if call.answered is not None and call.answered[0] == again:  # it comes again: so does our response (17.2.2)
            self.outbox.append((call.answered[1], source))
            return
        theirs = tag_of(request.get("from"))
        if request.cseq[0] < call.their_cseqs.get(theirs, 0):
            self._reply(request, source, 500, "Server Internal Error")  # out of order (12.2.2)
            return
        status, reason = REPLIES.get(request.method, UNKNOWN)
        described = b""
        if request.method in ("INVITE", "UPDATE") and self._refreshing(call):
            status, reason = 491, "Request Pending"  # both at the same time (14.2)
        elif request.method in ("INVITE", "UPDATE"):
            status, reason, described = call.on_offer(request)
        self._reply(request, source, status, reason, described)
        call.their_cseqs[theirs], call.answered = request.cseq[0], (again, self.outbox[-1][0])
        if request.method == "INFO":
            call.on_info(request)
        if request.method == "BYE":
            call.on_bye(request)
            self._forget_if_ended(call, now)

    def _reply(self, request: Message, source: Address, status: int, reason: str, sdp: bytes = b"") -> None:
        """A response along the Vias; over UDP it goes back to where the request came from (RFC 3581)."""
        vias = [("via", via) for via in request.all("via")]
        vias[0] = ("via", f"{vias[0][1]};received={source[0]}")
        to = request.get("to")
        to += "" if "tag=" in to else ";tag=pinwheel"
        kept = [(name, request.get(name)) for name in ("from", "call-id", "cseq")]
        routes = [("record-route", value) for value in request.all("record-route")]
        headers = (*vias, *kept, ("to", to), *routes, ("contact", f"<{self.identity.contact}>"))
        headers += (("allow", ", ".join(REPLIES)),)
        timer = request.get("session-expires")  # theirs to refresh: a call of ours ends long before (RFC 4028 9)
        if timer and status == 200:
            headers += (("session-expires", f"{timer.partition(';')[0]};refresher=uac"), ("require", "timer"))
        headers += (("content-type", "application/sdp"),) if sdp else ()
        self.outbox.append((Message(headers, sdp, status=status, reason=reason).encode(), source))

    # --- sending ---

    def _request(
        self, message: Message, owner: Owner, now: float, *, server: Address | None = None, hop: int = 0
    ) -> _Pending:
        """Send a request in a transaction. server: other than by the routes; hop: how many were tried."""
        destination = server or self._next_hop(message)
        transaction = Transaction(message, destination, self.timers, now, self.identity.kind.reliable)
        self._pending[message.branch, message.method] = pending = _Pending(transaction, owner, hop=hop)
        self._poll_transaction((message.branch, message.method), pending, now)
        return pending

    def _cancel(self, pending: _Pending, now: float) -> None:
        if pending.cancelled_at is None:
            pending.cancelled_at = now
            self._request(cancel(pending.transaction.request), None, now, server=pending.transaction.destination)

    def _next_hop(self, message: Message) -> Address:
        """The topmost route, else the server; an in-dialog request without routes goes to its target (12.2.1.1)."""
        routes = message.all("route")
        in_dialog = "tag=" in message.get("to")
        if not routes and not in_dialog:
            return self.server
        try:
            loose = bool(routes) and "lr" in parameters(uri_of(routes[0]))
            hop = uri_from(uri_of(routes[0]) if loose else message.uri)
        except Malformed:
            return self.server
        return hop.at.address(self.identity.kind.port) or self.server  # of a name, the server knows the way

    def _forget_if_ended(self, call: Call, now: float) -> None:
        """Keep an ended call long enough to answer what still comes for it."""
        if call.state is State.ENDED:
            self._refreshes.pop(call.call_id, None)
        if call.state is State.ENDED and call.call_id in self.calls:  # not of one that is forgotten already
            self._ended.setdefault(call.call_id, now + self.timers.linger)


def _is_unwanted(call: Call, pending: _Pending) -> bool:
    """An INVITE or UPDATE that nobody waits for any more."""
    ended = pending.moved or call.wants_end or call.state is State.ENDED
    return ended and pending.transaction.request.method in ("INVITE", "UPDATE")


def seen_at(response: Message) -> str:
    """ "address:port" of ours as the server saw it, by received and rport of our Via (RFC 3581 4); "" if not told."""
    try:
        told = via_from(response.all("via")[0]).parameters
        seen = HostPort(bare_host_of(told.get("received", "")), port_of(told.get("rport", "")))
    except Malformed:
        return ""
    return str(seen) if seen.ip is not None else ""
