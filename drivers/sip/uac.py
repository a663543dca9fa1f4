"""The user agent client (RFC 3261 8.1, 17.1): requests of ours, from the first sending to what becomes of them.

A request that is challenged goes out again, signed. An INVITE that a server does not answer, or cannot serve, goes to
the next one; a session that is ours to keep up is refreshed in time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.sip.address import Address, HostPort, Kind, Timers, bare_host_of, port_of
from drivers.sip.call import Call, Outgoing, State
from drivers.sip.message import Malformed, Message
from drivers.sip.pending import Owner, Pending, demote, next_after
from drivers.sip.registration import Registration
from drivers.sip.transaction import Transaction, acknowledge, cancel
from drivers.sip.uri import via_from

GLARE_S = 3.0  # until an offer that crossed theirs is made again; 2.1 to 4 for who began the call (14.1)

Key = tuple[str, str]
"""What names a client transaction: branch and method (17.1.3)."""


@dataclass(slots=True)
class UserAgentClient:
    """servers: the one in use first; pending: the requests; refreshes: when each session is due, by Call-ID.

    suspect: called when no server answers an INVITE. silent: the last probe was not answered; seen_at: our address as
    the last response shows it (received, rport; RFC 3581 4), or "".
    """

    kind: Kind
    timers: Timers
    servers: list[Address]
    pending: dict[Key, Pending]
    refreshes: dict[str, float]
    send: Callable[[bytes, Address], None]
    suspect: Callable[[float], None]
    silent: bool = False
    seen_at: str = ""

    # --- sending ---

    def request(self, message: Message, destination: Address, owner: Owner, now: float) -> Pending:
        """Send a request in a transaction."""
        transaction = Transaction(message, destination, self.timers, now, self.kind.reliable)
        self.pending[message.branch, message.method] = pending = Pending(transaction, owner)
        self.advance((message.branch, message.method), pending, now)
        return pending

    def send_all(self, messages: list[Outgoing], call: Call, now: float) -> None:
        """Requests within a dialog."""
        for message, destination in messages:
            if message.method == "ACK":  # no transaction: it goes out once for each 2xx (13.2.2.4)
                self.send(message.encode(), destination)
            else:
                self.request(message, destination, call, now)

    def hang_up(self, call: Call, now: float) -> None:
        """BYE, or CANCEL once the far end has sent a provisional response (9.1)."""
        self.send_all(call.hang_up(), call, now)
        for pending in self._ringing(call):
            self._cancel(pending, now)

    def farewells(self, call: Call) -> tuple[tuple[bytes, Address], ...]:
        """What `hang_up` would send, without sending or counting it."""
        if call.state is State.SPEAKING:
            bye, destination = call.farewell()
            return ((bye.encode(), destination),)
        ringing = [pending.transaction for pending in self._ringing(call)]
        return tuple((cancel(each.request).encode(), each.destination) for each in ringing)

    def forget(self, owner: Owner) -> None:
        """Whatever comes for its requests is nobody's."""
        for key in [key for key, pending in self.pending.items() if pending.owner is owner]:
            del self.pending[key]

    def _ringing(self, call: Call) -> list[Pending]:
        mine = [pending for pending in self.pending.values() if pending.owner is call]
        return [each for each in mine if each.transaction.invite and 100 <= each.transaction.answered < 200]

    def _cancel(self, pending: Pending, now: float) -> None:
        if pending.cancelled_at is None:
            pending.cancelled_at = now
            self.request(cancel(pending.transaction.request), pending.transaction.destination, None, now)

    @property
    def probing(self) -> bool:
        """A probe waits for its answer."""
        return any(key[1] == "OPTIONS" and not p.transaction.final for key, p in self.pending.items())

    @property
    def idle(self) -> bool:
        """No request waits for a final response."""
        return all(pending.transaction.final for pending in self.pending.values())

    def refreshing(self, call: Call) -> bool:
        """A re-INVITE or UPDATE of ours waits for its answer."""
        mine = (p for p in self.pending.values() if p.owner is call and p.refreshes)
        return call.dialog is not None and any(not p.transaction.final and not p.moved for p in mine)

    # --- time ---

    def deadline(self) -> float:
        """When the next request is to be looked at."""
        times = [pending.transaction.deadline() for pending in self.pending.values()]
        times += [p.cancelled_at + self.timers.give_up for p in self.pending.values() if p.cancelled_at is not None]
        unanswered = [p for p in self.pending.values() if p.transaction.invite and not p.silence_handled]
        times += [pending.transaction.started + self.timers.fail_over for pending in unanswered]
        return min([*times, *self.refreshes.values()], default=float("inf"))

    def advance(self, key: Key, pending: Pending, now: float) -> None:
        """Send what is due again, and give up on what has had its time."""
        transaction = pending.transaction
        if now >= transaction.started + self.timers.fail_over and not pending.silence_handled:
            self._on_silence(pending, now)
        if transaction.poll(now):
            self.send(transaction.request.encode(), transaction.destination)
        given_up = pending.cancelled_at is not None and now >= pending.cancelled_at + self.timers.give_up
        if transaction.timed_out or (given_up and not transaction.final):
            self.pending.pop(key, None)
            self.fail(pending, "no response", now)
        elif transaction.over(now):
            self.pending.pop(key, None)

    def refresh(self, call: Call, now: float) -> None:
        """Keep a session up that is ours to keep (RFC 4028 7.2)."""
        self.refreshes.pop(call.call_id, None)
        if call.state is State.SPEAKING and call.dialog is not None and call.dialog.refresh_s is not None:
            self.refreshes[call.call_id] = now + call.dialog.refresh_s
            self.send_all([call.refresh()], call, now)

    def plan_refresh(self, call: Call, now: float) -> None:
        """After what may have changed who refreshes the session (RFC 4028 7.2, 9)."""
        if call.dialog is None or call.dialog.refresh_s is None:
            self.refreshes.pop(call.call_id, None)
        else:
            self.refreshes.setdefault(call.call_id, now + call.dialog.refresh_s)

    # --- no response, and several servers ---

    def _on_silence(self, pending: Pending, now: float) -> None:
        """An INVITE without a response: try the next server; without one, see whether the registrar is there."""
        pending.silence_handled = True
        if pending.may_move(len(self.servers)):
            self._move(pending, now)
        elif pending.transaction.invite and pending.transaction.answered == 0:
            self.suspect(now)

    def fail(self, pending: Pending, why: str, now: float) -> None:
        """A request that was not answered, or did not get through (8.1.3.1)."""
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

    def _move(self, pending: Pending, now: float) -> None:
        """Call by way of the next server; what still comes from this one is turned down."""
        assert isinstance(pending.owner, Call)
        pending.moved = True
        pending.transaction.rest()
        server = next_after(self.servers, pending.transaction.destination)
        self.request(pending.owner.invite(), server, pending.owner, now).hop = pending.hop + 1

    def on_lost(self, key: Key, pending: Pending, why: str, now: float) -> None:
        """The connection that carried a request is gone. What ends a call is sent again over the next one."""
        sent, call = pending.transaction, pending.owner
        del self.pending[key]
        if self._sent_another_way(pending, now):
            return
        if sent.request.method in ("BYE", "CANCEL"):
            self.pending[key] = pending
            sent.repeat(now)
        elif isinstance(call, Call) and call.dialog is None and sent.invite and sent.answered:
            self.pending[key] = pending
            self._cancel(pending, now)
            if not pending.moved:
                pending.moved = True  # it may still be answered
                call.on_time_out(why)
        else:
            self.fail(pending, why, now)

    def _sent_another_way(self, pending: Pending, now: float) -> bool:
        """Whether a request within a call goes where the INVITE went, as no connection can be made to its next hop."""
        call, sent = pending.owner, pending.transaction
        if not isinstance(call, Call) or sent.destination not in call.unreachable:
            return False
        home = call.home_of(sent.request)
        if home is None or home == sent.destination:
            return False
        self.request(sent.request, home, call, now)
        return True

    # --- responses ---

    def take(self, pending: Pending, response: Message, now: float) -> None:
        """A response to a request of ours."""
        self.silent, self.seen_at = False, seen_at(response) or self.seen_at
        news = pending.transaction.receive(response.status, now)
        if pending.transaction.invite and response.status >= 300:
            ack = acknowledge(pending.transaction.request, response)  # for each one that comes (17.1.1.2)
            self.send(ack.encode(), pending.transaction.destination)
        if news and self._challenged(pending, response, now):
            return
        if isinstance(pending.owner, Call):
            self._on_call_response(pending.owner, pending, response, now, news=news)
        elif isinstance(pending.owner, Registration) and news and response.status >= 200:
            if response.status == 503:  # it cannot serve: the next one is asked (RFC 3263 4.3)
                demote(self.servers, pending.transaction.destination)
            pending.owner.on_final(pending.transaction.request, response, now)

    def _challenged(self, pending: Pending, response: Message, now: float) -> bool:
        """Whether it goes out again, signed (22.2): any request of ours that somebody waits for."""
        if pending.requester is None or pending.unwanted:
            return False
        realms = pending.requester.credentials.take(response, pending.challengers)
        if realms:
            again = pending.requester.again(pending.transaction.request)
            repeated = self.request(again, pending.transaction.destination, pending.owner, now)
            repeated.hop, repeated.challengers = pending.hop, (*pending.challengers, *realms)
        return bool(realms)

    def _on_call_response(self, call: Call, pending: Pending, response: Message, now: float, *, news: bool) -> None:
        status, invite = response.status, pending.transaction.invite
        if invite and pending.moved:
            self._on_late(call, pending, response, now)
        elif invite and 200 <= status < 300:  # again for each that comes
            sent = pending.transaction
            self.send_all(call.on_success(sent.request, response, sent.destination, news=news), call, now)
            self.plan_refresh(call, now)
        elif invite and status < 200:
            if status > 100:  # also of one that is no other news
                self.send_all(call.on_early(response, pending.transaction.destination), call, now)
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
                self.request(invite, pending.transaction.destination, call, now).hop = pending.hop

    def _on_late(self, call: Call, pending: Pending, response: Message, now: float) -> None:
        """From a server that was given up for the next."""
        if response.status < 200:
            self._cancel(pending, now)
        elif response.status < 300:
            sent = pending.transaction
            self.send_all(call.decline(sent.request, response, sent.destination), call, now)

    def _on_dialog_refusal(self, call: Call, pending: Pending, response: Message, now: float) -> None:
        """300 and above to a request within the call."""
        if pending.refreshes and response.status == 491:
            self.refreshes[call.call_id] = now + GLARE_S
        elif pending.refreshes:
            call.on_refreshed(response.status)


def seen_at(response: Message) -> str:
    """ "address:port" of ours as the server saw it, by received and rport of our Via (RFC 3581 4); "" without."""
    try:
        via = via_from(response.all("via")[0]).parameters
        seen = HostPort(bare_host_of(via.get("received", "")), port_of(via.get("rport", "")))
    except Malformed:
        return ""
    return str(seen) if seen.ip is not None else ""
