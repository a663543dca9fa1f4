"""One outgoing call as a state machine: INVITE, authentication, ringing, answer, BYE or CANCEL. No I/O, no clock.

The agent feeds it responses and requests of its dialog, and sends what it returns. What happened comes out as events.
"""

import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum

from drivers.sip import digest
from drivers.sip.message import Message, parameters, uri_of
from drivers.sip.sdp import Answer, NoAudio, answer

MAX_CHALLENGES = 2  # a first one, and one because the nonce went stale


class State(StrEnum):
    """Where a call stands."""

    CALLING = "calling"  # INVITE sent, nothing heard
    RINGING = "ringing"  # a provisional response came
    SPEAKING = "speaking"  # 200 came, ACK sent
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Ringing:
    """The far end rings (180) or is being reached (183)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The call stands; audio goes there."""

    audio: Answer


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over. status 0: nobody answered at all; by_us: we hung up or cancelled."""

    status: int
    reason: str
    by_us: bool = False


CallEvent = Ringing | Answered | Ended


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, and from where: our URI with tag, our contact, our Via host, our account or None."""

    uri: str
    contact: str
    via: str
    display: str = ""
    account: digest.Account | None = None


@dataclass(slots=True)
class Dialog:
    """What both ends agreed on (RFC 3261 12.1.2)."""

    remote_target: str
    to: str
    route: tuple[str, ...]


@dataclass(slots=True)
class Call:
    """`identity` calls `uri` offering `sdp`. Methods return the requests to send; `events` collects the news."""

    identity: Identity
    uri: str
    sdp: bytes = field(repr=False)
    call_id: str = field(default_factory=lambda: secrets.token_hex(16))
    tag: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = State.CALLING
    dialog: Dialog | None = None
    events: list[CallEvent] = field(default_factory=list)
    wants_end: bool = False
    _cseq: int = 0
    _challenges: int = 0
    _rang: bool = False
    _asked: digest.Challenge | None = None
    _uses: int = 0  # of the nonce (nc)

    def invite(self) -> Message:
        """A new INVITE, with credentials once they were asked for (8.1.1, 22.2)."""
        message = self.request("INVITE", self.uri, f"<{self.uri}>", ()).with_headers(
            ("contact", f"<{self.identity.contact}>"),
            ("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY"),
            ("content-type", "application/sdp"),
        )
        return replace(self._signed(message), body=self.sdp)

    def request(self, method: str, uri: str, to: str, route: tuple[str, ...]) -> Message:
        """A request of this call with the next CSeq and a new branch."""
        self._cseq += 1
        sender = f"{_quoted(self.identity.display)}<{self.identity.uri}>;tag={self.tag}"
        headers = (
            ("via", f"SIP/2.0/UDP {self.identity.via};branch={new_branch()};rport"),
            ("max-forwards", "70"),
            *(("route", value) for value in route),
            ("from", sender),
            ("to", to),
            ("call-id", self.call_id),
            ("cseq", f"{self._cseq} {method}"),
            ("user-agent", "Pinwheel"),
        )
        return Message(headers, method=method, uri=uri)

    # --- responses ---

    def on_provisional(self, response: Message) -> None:
        if self.state is State.CALLING:
            self.state = State.RINGING
        if response.status in (180, 181, 182, 183) and not self._rang:
            self._rang = True
            self.events.append(Ringing())

    def on_final(self, response: Message) -> list[Message]:
        """A final response to INVITE of 300 and above (its ACK is the transaction's). Returns a new INVITE, if any."""
        if response.status in digest.HEADERS and not self.wants_end:
            asked = digest.challenge(response)
            may_retry = asked is not None and (self._asked is None or asked.stale)
            if may_retry and self.identity.account is not None and self._challenges < MAX_CHALLENGES:
                self._challenges += 1
                self._asked, self._uses = asked, 0
                return [self.invite()]
        self._end(response.status, response.reason, by_us=self.wants_end)
        return []

    def on_success(self, response: Message) -> list[Message]:
        """A 2xx to INVITE, first or again: an ACK each time (13.2.2.4); BYE at once if the call is not wanted."""
        routes = tuple(reversed(response.all("record-route")))
        contacts = response.all("contact")
        target = uri_of(contacts[0]) if contacts else self.uri
        dialog = self.dialog or Dialog(target, response.get("to"), routes)
        acknowledgement = self._ack(dialog, response)
        if self.dialog is not None and response.get("to") == self.dialog.to:
            return [acknowledgement]
        if self.dialog is not None:  # a proxy forked the call and a second phone answered: it must not stay up
            return [
                self._ack(Dialog(target, response.get("to"), routes), response),
                self._bye(target, response, routes),
            ]
        self.dialog = dialog
        try:
            audio = answer(response.body)
        except NoAudio as exc:
            self._end(488, str(exc))
            return [acknowledgement, self.bye()]
        if self.wants_end:
            self._end(487, "Request Terminated", by_us=True)
            return [acknowledgement, self.bye()]
        self.state = State.SPEAKING
        self.events.append(Answered(audio))
        return [acknowledgement]

    def on_time_out(self) -> None:
        """Nobody answered the INVITE at all."""
        self._end(0, "no response", by_us=self.wants_end)

    # --- our wishes ---

    def hang_up(self) -> list[Message]:
        """End the call. Empty while it must be cancelled instead: see `wants_end`."""
        self.wants_end = True
        if self.state is State.SPEAKING:
            self._end(200, "", by_us=True)
            return [self.bye()]
        return []

    def bye(self, asked: digest.Challenge | None = None) -> Message:
        """BYE to the remote target by the route set; signed when it was challenged (12.2.1.1)."""
        assert self.dialog is not None
        if asked is not None:
            self._asked, self._uses = asked, 0
        return self._signed(self.request("BYE", self.dialog.remote_target, self.dialog.to, self.dialog.route))

    # --- requests of the far end ---

    def on_bye(self) -> None:
        self._end(200, "", by_us=False)

    def _ack(self, dialog: Dialog, response: Message) -> Message:
        message = self.request("ACK", dialog.remote_target, dialog.to, dialog.route)
        self._cseq -= 1  # an ACK has the CSeq number of its INVITE
        return message.with_headers(("cseq", f"{response.cseq[0]} ACK"))

    def _signed(self, message: Message) -> Message:
        if self._asked is None or self.identity.account is None:
            return message
        self._uses += 1
        return message.with_headers(
            digest.credentials(self._asked, self.identity.account, message.method, message.uri, self._uses)
        )

    def _bye(self, target: str, response: Message, routes: tuple[str, ...]) -> Message:
        return self._signed(self.request("BYE", target, response.get("to"), routes))

    def _end(self, status: int, reason: str, *, by_us: bool = False) -> None:
        if self.state is not State.ENDED:
            self.state = State.ENDED
            self.events.append(Ended(status, reason, by_us))


def new_branch() -> str:
    """A branch with the cookie of RFC 3261 8.1.1.7."""
    return "z9hG4bK" + secrets.token_hex(10)


def _quoted(display: str) -> str:
    return f'"{display}" ' if display else ""


def same_dialog(call: Call, request: Message) -> bool:
    """The request belongs to the dialog: our tag is in To, and the Call-ID is ours (12.2.2)."""
    return request.get("call-id") == call.call_id and parameters(request.get("to")).get("tag") == call.tag
