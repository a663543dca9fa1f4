"""The user agent client (RFC 3261 8.1): what becomes of our requests, by their responses or for want of any.

A request that is challenged goes out again, signed. An INVITE goes to the next server where `failover` says so. A
session that is ours to keep up is refreshed in time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.sip.address import Address, HostPort, bare_host_of, port_of
from drivers.sip.call import OutgoingCall, State
from drivers.sip.call_ending import CallEnding
from drivers.sip.call_requests import Outgoing
from drivers.sip.client_transaction import acknowledge
from drivers.sip.failover import Servers
from drivers.sip.message import Malformed, Message
from drivers.sip.pending_request import Attempt, PendingRequest
from drivers.sip.registration import Registration
from drivers.sip.request_table import RequestTable
from drivers.sip.session_timers import SessionTimers
from drivers.sip.uri import via_from


@dataclass(slots=True)
class UserAgentClient:
    """suspect: called when no server answers an INVITE. answers: the last probe was answered; None before any response.

    seen_at: our address as the last response shows it (received, rport; RFC 3581 4), or "".
    """

    servers: Servers
    requests: RequestTable
    sessions: SessionTimers
    suspect: Callable[[float], None]
    answers: bool | None = None
    seen_at: str = ""

    # --- sending ---

    def send_all(self, messages: list[Outgoing], call: OutgoingCall, now: float) -> None:
        """Requests within a dialog."""
        for message, destination in messages:
            if message.method == "ACK":  # no transaction: it goes out once for each 2xx (13.2.2.4)
                self.requests.send(message.encode(), destination)
            else:
                self.requests.start(message, destination, call, now)

    def hang_up(self, call: OutgoingCall, now: float) -> None:
        """BYE, or CANCEL once the far end has sent a provisional response (9.1)."""
        self.send_all(call.hang_up(), call, now)
        for pending in self.requests.ringing(call):
            self.requests.cancel(pending, now)

    def endings(self, call: OutgoingCall) -> tuple[CallEnding, ...]:
        """What would end the call now, without sending or counting it."""
        if call.state is State.SPEAKING:
            assert call.dialog is not None
            apart = call.requests.apart()
            return (CallEnding(*apart.bye(call.dialog), apart),)
        waiting = [pending.transaction for pending in self.requests.of(call) if pending.transaction.invite]
        waiting = [each for each in waiting if not each.final]
        apart = call.requests.apart() if waiting else call.requests
        return tuple(CallEnding(each.request, each.destination, apart, each.status > 0) for each in waiting)

    def take_over(self, invite: CallEnding, call: OutgoingCall, now: float) -> None:
        """Cancel an INVITE that was sent in our place; who answers it after all gets ACK and BYE."""
        pending = self.requests.adopt(invite.request, invite.destination, call, now)
        call.wants_end = True
        if invite.provisional:
            self.requests.cancel(pending, now)

    def refresh(self, call: OutgoingCall, now: float) -> None:
        """Keep a session up that is ours to keep (RFC 4028 7.2)."""
        assert call.dialog is not None
        self.sessions.begin_again(call, now)
        self.send_all([call.requests.refresh(call.dialog)], call, now)

    def refreshing(self, call: OutgoingCall) -> bool:
        """A re-INVITE or UPDATE of ours waits for its answer."""
        return any(pending.refreshes and not pending.transaction.final for pending in self.requests.of(call))

    # --- no response ---

    def advance(self, pending: PendingRequest, now: float) -> None:
        """Send again what is due, and end what has waited too long."""
        if self.requests.is_silent(pending, now) and not self._by_next(pending, self.servers.on_silence(pending), now):
            self.suspect(now)
        if not self.requests.advance(pending, now):
            self._fail(pending, "no response", now)

    def _by_next(self, pending: PendingRequest, server: Address | None, now: float) -> bool:
        """Call by way of that server, if there is one; what still comes from the one before is turned down."""
        if server is None:
            return False
        assert isinstance(pending.owner, OutgoingCall)
        self.requests.start(pending.owner.invite(), server, pending.owner, now).hop = pending.hop + 1
        return True

    def _fail(self, pending: PendingRequest, why: str, now: float) -> None:
        """A request that was not answered, or did not get through (8.1.3.1)."""
        owner, sent = pending.owner, pending.transaction
        if sent.status == 0:
            self.servers.demote(sent.destination)
        if isinstance(owner, Registration):
            owner.on_time_out(why, now)
        elif isinstance(owner, OutgoingCall) and pending.begins_call and not pending.passed_on:
            if not self._by_next(pending, self.servers.on_failure(pending), now):
                owner.on_time_out(why)
        elif isinstance(owner, OutgoingCall) and pending.refreshes:
            self.send_all(owner.abandon("no response to the session refresh"), owner, now)
        elif sent.request.method == "OPTIONS":
            self.answers = False

    def on_lost(self, pending: PendingRequest, why: str, now: float) -> None:
        """The connection that carried a request is gone. What ends a call is sent again over the next one."""
        sent, call = pending.transaction, pending.owner
        if self._sent_another_way(pending, now):
            return
        if sent.request.method in ("BYE", "CANCEL"):
            sent.repeat(now)
        elif isinstance(call, OutgoingCall) and pending.begins_call and sent.status:
            self.requests.cancel(pending, now)
            if not pending.passed_on:
                pending.attempt = Attempt.PASSED_ON  # it may still be answered
                call.on_time_out(why)
        elif isinstance(call, OutgoingCall) and pending.refreshes:
            self.requests.drop(pending)
            self.sessions.try_again(call, now)
        else:
            self.requests.drop(pending)
            self._fail(pending, why, now)

    def _sent_another_way(self, pending: PendingRequest, now: float) -> bool:
        """Whether a request within a call goes where the INVITE went, as no connection can be made to its next hop."""
        call, sent = pending.owner, pending.transaction
        if not isinstance(call, OutgoingCall) or sent.destination not in call.requests.unreachable:
            return False
        home = call.home_of(sent.request)
        if home is None or home == sent.destination:
            return False
        self.requests.drop(pending)
        self.requests.start(sent.request, home, call, now)
        return True

    # --- responses ---

    def take(self, pending: PendingRequest, response: Message, now: float) -> None:
        """A response to a request of ours."""
        self.answers, self.seen_at = True, seen_at(response) or self.seen_at
        sent, owner = pending.transaction, pending.owner
        news = sent.receive(response.status, now)
        if sent.invite and response.status >= 300:
            ack = acknowledge(sent.request, response)  # for each one that comes (17.1.1.2)
            self.requests.send(ack.encode(), sent.destination)
        if news and self._challenged(pending, response, now):
            return
        if isinstance(owner, OutgoingCall) and sent.invite:
            self._on_invite_response(owner, pending, response, now, news=news)
        elif isinstance(owner, OutgoingCall) and news and response.status >= 300:
            self._on_dialog_refusal(owner, pending, response, now)
        elif isinstance(owner, Registration) and news and response.status >= 200:
            if response.status == 503:  # it cannot serve: the next one is asked (RFC 3263 4.3)
                self.servers.demote(sent.destination)
            owner.on_final(sent.request, response, now)

    def _challenged(self, pending: PendingRequest, response: Message, now: float) -> bool:
        """Whether it goes out again, signed (22.2): any request of ours that somebody waits for."""
        if pending.requester is None or pending.unwanted:
            return False
        realms = pending.requester.credentials.take(response, pending.challengers)
        if realms:
            again = pending.requester.again(pending.transaction.request)
            repeated = self.requests.start(again, pending.transaction.destination, pending.owner, now)
            repeated.hop, repeated.challengers = pending.hop, (*pending.challengers, *realms)
        return bool(realms)

    def _on_invite_response(
        self, call: OutgoingCall, pending: PendingRequest, response: Message, now: float, *, news: bool
    ) -> None:
        sent, status = pending.transaction, response.status
        if pending.passed_on:
            self._on_late(call, pending, response, now)
        elif status < 200:
            self._on_provisional(call, pending, response, now, news=news)
        elif status < 300:  # again for each that comes
            self.send_all(call.on_success(sent.request, response, sent.destination, news=news), call, now)
            self.sessions.plan(call, now)
        elif news and call.dialog is None:
            self._on_refusal(call, pending, response, now)
        elif news:
            self._on_dialog_refusal(call, pending, response, now)

    def _on_provisional(
        self, call: OutgoingCall, pending: PendingRequest, response: Message, now: float, *, news: bool
    ) -> None:
        if response.status > 100:  # also of one that is no other news
            self.send_all(call.on_early(response, pending.transaction.destination), call, now)
        if news:
            call.on_provisional(response)
        if news and call.wants_end:
            self.requests.cancel(pending, now)

    def _on_refusal(self, call: OutgoingCall, pending: PendingRequest, response: Message, now: float) -> None:
        if response.status == 503 and self._by_next(pending, self.servers.on_unavailable(pending), now):
            return
        for invite in call.on_final(response):
            self.requests.start(invite, pending.transaction.destination, call, now).hop = pending.hop

    def _on_late(self, call: OutgoingCall, pending: PendingRequest, response: Message, now: float) -> None:
        """From a server whose place the next one has taken."""
        if response.status < 200:
            self.requests.cancel(pending, now)
        elif response.status < 300:
            sent = pending.transaction
            self.send_all(call.decline(sent.request, response, sent.destination), call, now)

    def _on_dialog_refusal(self, call: OutgoingCall, pending: PendingRequest, response: Message, now: float) -> None:
        """300 and above to a request within the call (RFC 4028 10, RFC 3261 14.1)."""
        if not pending.refreshes:
            return
        if response.status == 491:
            self.sessions.try_again(call, now)
        elif response.status == 408:
            self.send_all(call.abandon("no response to the session refresh"), call, now)
        elif response.status == 481:
            call.on_gone()


def seen_at(response: Message) -> str:
    """ "address:port" of ours as the server saw it, by received and rport of our Via (RFC 3581 4); "" without."""
    try:
        via = via_from(response.all("via")[0]).parameters
        seen = HostPort(bare_host_of(via.get("received", "")), port_of(via.get("rport", "")))
    except Malformed:
        return ""
    return str(seen) if seen.ip is not None else ""
