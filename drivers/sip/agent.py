"""The user agent: every transaction, call and the registration of one account, over one UDP socket that others own.

`receive` takes a datagram, `poll` lets time pass, `outbox` holds what is to be sent. Nothing here blocks, and no
octets that arrive can raise.
"""

import logging
from dataclasses import dataclass, field
from ipaddress import ip_address

from drivers.sip import digest
from drivers.sip.call import Call, Identity, State, same_dialog
from drivers.sip.message import Malformed, Message, host_port, parse, uri_of
from drivers.sip.registration import Registration
from drivers.sip.transaction import Address, Timers, Transaction, acknowledge, cancel

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
UNKNOWN = (501, "Not Implemented")


@dataclass(slots=True)
class _Pending:
    transaction: Transaction
    owner: Call | Registration | None
    cancelled_at: float | None = None


@dataclass(slots=True)
class UserAgent:
    """`proxy` is where requests without a route go."""

    identity: Identity
    proxy: Address
    timers: Timers = field(default_factory=Timers)
    registration: Registration | None = None
    outbox: list[tuple[bytes, Address]] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    _pending: dict[tuple[str, str], _Pending] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)

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

    def unregister(self, now: float) -> None:
        """Take the contact back, once, without waiting for more than its answer."""
        if self.registration is not None and self.registration.registered:
            self._request(self.registration.request(expires_s=0), None, now)

    @property
    def idle(self) -> bool:
        """No request of ours waits for a final response."""
        return all(pending.transaction.final for pending in self._pending.values())

    # --- time ---

    def poll(self, now: float) -> None:
        """Send what is due, and give up on what has had its time."""
        if self.registration is not None and now >= self.registration.due:
            self._request(self.registration.request(), self.registration, now)
        for key, pending in list(self._pending.items()):
            self._poll_transaction(key, pending, now)
        for call_id in [call_id for call_id, at in self._ended.items() if now >= at]:
            del self._ended[call_id], self.calls[call_id]

    def deadline(self) -> float:
        """When `poll` has something to do next."""
        times = [pending.transaction.deadline() for pending in self._pending.values()]
        times += [p.cancelled_at + self.timers.give_up for p in self._pending.values() if p.cancelled_at is not None]
        times += [self.registration.due] if self.registration is not None else []
        return min([*times, *self._ended.values()], default=float("inf"))

    def _poll_transaction(self, key: tuple[str, str], pending: _Pending, now: float) -> None:
        transaction = pending.transaction
        if transaction.poll(now):
            self.outbox.append((transaction.request.encode(), transaction.destination))
        given_up = pending.cancelled_at is not None and now >= pending.cancelled_at + self.timers.give_up
        if transaction.timed_out or (given_up and not transaction.final):
            self._timed_out(pending, now)
            self._pending.pop(key, None)
        elif transaction.over(now):
            self._pending.pop(key, None)

    def _timed_out(self, pending: _Pending, now: float) -> None:
        owner = pending.owner
        if isinstance(owner, Registration):
            owner.on_time_out(now)
        elif isinstance(owner, Call) and pending.transaction.invite:
            owner.on_time_out()
            self._forget_if_ended(owner, now)

    # --- datagrams ---

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram; what is no SIP message is dropped."""
        try:
            message = parse(data)
            if message.method:
                self._on_request(message, source, now)
            else:
                self._on_response(message, now)
        except Malformed as exc:
            log.debug("sip=malformed from=%s error=%s", source[0], exc)

    def _on_response(self, response: Message, now: float) -> None:
        pending = self._pending.get((response.branch, response.cseq[1]))
        if pending is None or response.cseq[0] != pending.transaction.request.cseq[0]:
            return
        invite, owner = pending.transaction.invite, pending.owner
        news = pending.transaction.receive(response.status, now)
        if invite and response.status >= 300:
            ack = acknowledge(pending.transaction.request, response)  # for each one that comes (17.1.1.2)
            self.outbox.append((ack.encode(), pending.transaction.destination))
        if invite and isinstance(owner, Call) and 200 <= response.status < 300:
            for message in owner.on_success(response):
                self._request(message, owner, now)
        elif invite and isinstance(owner, Call) and 100 < response.status < 200:
            for message in owner.acknowledge_provisional(response):  # also of one that is no other news
                self._request(message, owner, now)
        if news and isinstance(owner, Call) and not (invite and 200 <= response.status < 300):
            self._on_call_response(owner, pending, response, now)
        elif news and isinstance(owner, Registration) and response.status >= 200:
            owner.on_final(response, now)
        if isinstance(owner, Call):
            self._forget_if_ended(owner, now)

    def _on_call_response(self, call: Call, pending: _Pending, response: Message, now: float) -> None:
        method = pending.transaction.request.method
        if method == "INVITE" and response.status < 200:
            call.on_provisional(response)
            if call.wants_end:
                self._cancel(pending, now)
        elif method == "INVITE":
            for message in call.on_final(response):
                self._request(message, call, now)
        elif method == "BYE" and response.status in digest.HEADERS:
            asked = digest.challenge(response)
            signed = any(name.endswith("authorization") for name, _ in pending.transaction.request.headers)
            if asked is not None and (not signed or asked.stale):
                self._request(call.bye(asked), call, now)

    def _on_request(self, request: Message, source: Address, now: float) -> None:
        call = self.calls.get(request.get("call-id"))
        if request.method == "ACK":
            return
        if call is None or not same_dialog(call, request):
            self._reply(request, source, *STRANGERS.get(request.method, UNKNOWN))
            return
        status, reason = REPLIES.get(request.method, UNKNOWN)
        offered = request.method in ("INVITE", "UPDATE")
        self._reply(request, source, status, reason, call.sdp if offered else b"")
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

    def _request(self, message: Message, owner: Call | Registration | None, now: float) -> None:
        """Send a request; all but ACK are transactions."""
        destination = self._next_hop(message)
        if message.method == "ACK":
            self.outbox.append((message.encode(), destination))
            return
        pending = _Pending(Transaction(message, destination, self.timers, now), owner)
        self._pending[message.branch, message.method] = pending
        self._poll_transaction((message.branch, message.method), pending, now)

    def _cancel(self, pending: _Pending, now: float) -> None:
        if pending.cancelled_at is None:
            pending.cancelled_at = now
            self._request(cancel(pending.transaction.request), None, now)

    def _next_hop(self, message: Message) -> Address:
        """The topmost route, else the proxy; an in-dialog request without routes goes to its target (12.2.1.1)."""
        routes = message.all("route")
        in_dialog = "tag=" in message.get("to")
        if not routes and not in_dialog:
            return self.proxy
        try:
            host, port = host_port(uri_of(routes[0]) if routes else message.uri)
            return str(ip_address(host)), port
        except (Malformed, ValueError):  # a name would mean a look-up that blocks; the proxy knows the way
            return self.proxy

    def _forget_if_ended(self, call: Call, now: float) -> None:
        """Keep an ended call long enough to answer what still comes for it."""
        if call.state is State.ENDED:
            self._ended.setdefault(call.call_id, now + self.timers.linger)
