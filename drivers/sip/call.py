"""One outgoing call as a state machine: INVITE, authentication, ringing, answer, BYE or CANCEL. No I/O, no clock.

The agent feeds it responses and requests of its dialog, and sends what it returns. What happened comes out as events.
"""

import contextlib
import re
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.sip.body import key_pressed
from drivers.sip.message import Malformed, Message, parameters, uri_of
from drivers.sip.requester import Identity, Requester
from drivers.sip.sdp import FarEnd, NoAudio, answer, offer_again, respond
from drivers.sip.uri import uri_from

SESSION_S = 1800  # RFC 4028 4: the recommended interval of a session timer
LEAST_SESSION_S = 90  # RFC 4028 4: no session timer is shorter


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

    audio: FarEnd


@dataclass(frozen=True, slots=True)
class Moved:
    """The far end wants the audio elsewhere, otherwise, or not at all for now."""

    audio: FarEnd


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over. status 0: nobody answered at all; by_us: we hung up or cancelled.

    cause: of ITU-T Q.850, from a Reason header (RFC 3326); retry_after_s: the far end's wish, where it had one.
    """

    status: int
    reason: str
    by_us: bool = False
    cause: int | None = None
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Keyed:
    """The callee pressed a key, told by INFO."""

    digit: str


CallEvent = Ringing | Answered | Moved | Ended | Keyed


@dataclass(slots=True)
class Dialog:
    """What both ends agreed on (RFC 3261 12.1.2)."""

    remote_target: str = field(repr=False)
    to: str = field(repr=False)
    route: tuple[str, ...] = field(repr=False)
    updates: bool = False  # the far end takes UPDATE
    refresh_s: float | None = None  # how often the session is ours to refresh (RFC 4028 7.2)

    def way(self) -> tuple[str, tuple[str, ...]]:
        """Request-URI and Route of a request; a first router without ;lr wants to be the target (12.2.1.1)."""
        if self.route and "lr" not in parameters(uri_of(self.route[0])):
            return uri_of(self.route[0]), (*self.route[1:], f"<{self.remote_target}>")
        return self.remote_target, self.route


@dataclass(slots=True)
class Call:
    """`identity` calls `uri` offering `sdp`. Methods return the requests to send; `events` collects the news."""

    identity: Identity
    uri: str = field(repr=False)
    sdp: bytes = field(repr=False)
    requester: Requester = field(init=False)
    state: State = State.CALLING
    dialog: Dialog | None = None
    events: list[CallEvent] = field(default_factory=list)
    wants_end: bool = False
    broken: str = ""  # why our own side had to end it
    audio: FarEnd | None = None  # as agreed
    _version: int = 1  # of our description (RFC 3264 8)
    _described: bytes = field(default=b"", repr=False)  # the last one after the offer
    _rang: bool = False
    answered: tuple[tuple[str, str], bytes] | None = field(default=None, repr=False)
    """The far end's last request, by branch and CSeq, and our response: for when it comes again."""
    their_cseqs: dict[str, int] = field(default_factory=dict)  # the last, by the far end's tag
    _least_session_s: int = 0  # of a session timer, once the far end named it (RFC 4028 5)
    _rseqs: dict[str, int] = field(default_factory=dict)  # by the far end's tag: the last to acknowledge (RFC 3262 4)
    _early: dict[str, FarEnd] = field(default_factory=dict)  # what each of them answered before its 200

    def __post_init__(self) -> None:
        self.requester = Requester(self.identity)

    @property
    def call_id(self) -> str:
        return self.requester.call_id

    @property
    def tag(self) -> str:
        """Ours."""
        return self.requester.tag

    def invite(self) -> Message:
        """A new INVITE (8.1.1)."""
        headers = [
            ("contact", f"<{self.identity.contact}>"),
            ("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, PRACK"),
            ("supported", "timer, 100rel"),
            ("content-type", "application/sdp"),
            *self.identity.headers,
        ]
        if self._least_session_s:
            session_s = max(self._least_session_s, SESSION_S)
            headers += [("session-expires", str(session_s)), ("min-se", str(self._least_session_s))]
        return self.requester.request("INVITE", self.uri, f"<{self.uri}>", *headers, body=self.sdp)

    def _within(self, dialog: Dialog, method: str, *headers: tuple[str, str], body: bytes = b"") -> Message:
        """A request to the far end."""
        uri, route = dialog.way()
        return self.requester.request(method, uri, dialog.to, *headers, route=route, body=body)

    # --- responses ---

    def on_provisional(self, response: Message) -> None:
        if self.state is State.CALLING:
            self.state = State.RINGING
        if response.status in (180, 181, 182, 183) and not self._rang:
            self._rang = True
            self.events.append(Ringing())

    def acknowledge_provisional(self, response: Message) -> list[Message]:
        """A PRACK for a provisional response that must not be lost, once each (RFC 3262 4)."""
        rseq = response.get("rseq")
        wanted = "100rel" in response.all("require") and re.fullmatch(r"\d{1,10}", rseq, re.ASCII)
        tag = tag_of(response.get("to"))
        in_order = tag not in self._rseqs or (wanted and int(rseq) == self._rseqs[tag] + 1)
        if not wanted or not in_order or self.state is State.ENDED:
            return []
        self._rseqs[tag] = int(rseq)
        with contextlib.suppress(NoAudio):  # it may hold the answer, and then the 200 has none (RFC 3261 13.2.1)
            self._early.setdefault(tag, answer(response.body, self.sdp))
            self.audio = self.audio or self._early[tag]
        early = self._dialog_of(response)
        number, method = response.cseq
        return [self._within(early, "PRACK", ("rack", f"{rseq} {number} {method}"))]

    def _dialog_of(self, response: Message) -> Dialog:
        contacts = [uri_of(value) for value in response.all("contact")]
        target = next(filter(usable, contacts), self.uri)
        route = tuple(value for value in reversed(response.all("record-route")) if usable(uri_of(value)))
        updates = "UPDATE" in response.all("allow")
        return Dialog(target, response.get("to"), route, updates, refresh_interval_s(response))

    def on_final(self, response: Message) -> list[Message]:
        """A final response to INVITE of 300 and above (its ACK is the transaction's). Returns a new INVITE, if any.

        The agent answers challenges before (22).
        """
        least = response.get("min-se").partition(";")[0].strip()
        may_try = not self._least_session_s and not self.wants_end
        if response.status == 422 and may_try and re.fullmatch(r"\d{1,6}", least, re.ASCII):
            self._least_session_s = int(least)
            return [self.invite()]
        self._end(response.status, response.reason, response, by_us=self.wants_end)
        return []

    def on_success(self, invite: Message, response: Message) -> list[Message]:
        """A 2xx to INVITE, first or again: an ACK each time (13.2.2.4); BYE at once if the call is not wanted."""
        found = self._dialog_of(response)
        acknowledgement = self._ack(self.dialog or found, invite)
        if self.dialog is not None and tag_of(response.get("to")) == tag_of(self.dialog.to):
            self._retarget(response)
            self.on_described(response)  # what refreshed the session may have moved the audio
            return [acknowledgement]
        if self.dialog is not None or self.state is State.ENDED:  # a second phone, or a late one, of a forked call
            return self.decline(invite, response)
        self.dialog = found
        try:
            early = self._early.get(tag_of(found.to))
            self.audio = early if early is not None and not response.body else answer(response.body, self.sdp)
        except NoAudio as exc:
            self._end(488, str(exc))
            return [acknowledgement, self.bye()]
        if self.wants_end:
            self._end(487, "Request Terminated", by_us=True)
            return [acknowledgement, self.bye()]
        self.state = State.SPEAKING
        self.events.append(Answered(self.audio))
        return [acknowledgement]

    def decline(self, invite: Message, response: Message) -> list[Message]:
        """A 2xx that nobody waits for, from a fork or a server that was given up: it must not stay up."""
        found = self._dialog_of(response)
        return [self._ack(found, invite), self._within(found, "BYE")]

    def on_time_out(self, why: str) -> None:
        """Nobody answered the INVITE at all."""
        self._end(0, why, by_us=self.wants_end)

    def on_refreshed(self, status: int) -> None:
        """A final response of 300 and above to a request that kept the session up (RFC 4028 7.4, RFC 3261 12.2.1.2)."""
        if status in (408, 481):
            self._end(status, "the call was gone")

    # --- our wishes ---

    def hang_up(self) -> list[Message]:
        """End the call. Empty while it must be cancelled instead: see `wants_end`."""
        self.wants_end = True
        if self.state is State.SPEAKING:
            self._end(200, "", by_us=True)
            return [self.bye()]
        return []

    def bye(self) -> Message:
        """BYE to the remote target by the route set (12.2.1.1)."""
        assert self.dialog is not None
        return self._within(self.dialog, "BYE")

    def refresh(self) -> Message:
        """What keeps the session up: UPDATE, or the same offer again where that is not understood (RFC 4028 7.4)."""
        assert self.dialog is not None
        assert self.dialog.refresh_s is not None
        headers = (
            ("contact", f"<{self.identity.contact}>"),
            ("supported", "timer"),
            ("session-expires", f"{round(self.dialog.refresh_s * 2)};refresher=uac"),
        )
        if self.dialog.updates:
            return self._within(self.dialog, "UPDATE", *headers)
        body = self._described or self.sdp  # the same as before, so that nothing is negotiated
        return self._within(self.dialog, "INVITE", *headers, ("content-type", "application/sdp"), body=body)

    # --- requests of the far end ---

    def on_bye(self, request: Message) -> None:
        self._end(200, "", request)

    def on_offer(self, request: Message) -> tuple[int, str, bytes]:
        """INVITE or UPDATE within the call: status, reason and description of our response (RFC 3264 8, RFC 3311)."""
        if self.state is State.ENDED:
            return 481, "Call/Transaction Does Not Exist", b""
        if not request.body and request.method == "UPDATE":
            self._retarget(request)
            return 200, "OK", b""
        if self.audio is None:
            return 491, "Request Pending", b""
        audio, version = self.audio, self._version + 1
        try:
            if request.body:
                audio, self._described = respond(request.body, self.sdp, self.audio, version)
            else:  # the far end answers in its ACK
                self._described = offer_again(self.sdp, self.audio, version)
        except NoAudio:  # all stays as it was (RFC 3261 14.2)
            return 488, "Not Acceptable Here", b""
        self._version = version
        self._retarget(request)
        self._move(audio)
        return 200, "OK", self._described

    def _retarget(self, message: Message) -> None:
        """Their Contact in what refreshes the dialog is where they are reached from now on (12.2.1.2, 12.2.2)."""
        target = next(filter(usable, map(uri_of, message.all("contact"))), "")
        if self.dialog is not None and target:
            self.dialog.remote_target = target

    def on_described(self, message: Message) -> None:
        """It holds an answer: an ACK does, where the far end's INVITE had no offer, and a 2xx to our refreshing."""
        if message.body and self.audio is not None:
            with contextlib.suppress(NoAudio):
                self._move(answer(message.body, self.sdp))

    def _move(self, audio: FarEnd) -> None:
        assert self.audio is not None
        moved = audio != self.audio and audio.payload_type == self.audio.payload_type
        if moved and self.state is State.SPEAKING:
            self.events.append(Moved(audio))
        self.audio = audio if moved else self.audio

    def on_info(self, request: Message) -> None:
        """A key as application/dtmf-relay ("Signal=1") or application/dtmf ("1")."""
        key = key_pressed(request)
        if key and self.state is State.SPEAKING:
            self.events.append(Keyed(key))

    def _ack(self, dialog: Dialog, invite: Message) -> Message:
        uri, route = dialog.way()
        return self.requester.ack(invite, uri, dialog.to, route)

    def _end(self, status: int, reason: str, told: Message | None = None, *, by_us: bool = False) -> None:
        """told: the far end's message that ended it."""
        if self.state is not State.ENDED:
            self.state = State.ENDED
            cause, retry_after_s = (q850_cause(told), retry_after(told)) if told is not None else (None, None)
            self.events.append(Ended(status, reason, by_us, cause, retry_after_s))


def q850_cause(message: Message) -> int | None:
    """The cause of ITU-T Q.850 in a Reason header (RFC 3326 2), as gateways to the telephone network tell it."""
    for value in message.all("reason"):
        protocol, cause = value.partition(";")[0].strip().upper(), parameters(value).get("cause", "")
        if protocol == "Q.850" and re.fullmatch(r"[0-9]{1,3}", cause):
            return int(cause)
    return None


def retry_after(message: Message) -> int | None:
    """Seconds of a Retry-After header (RFC 3261 20.33)."""
    found = re.match(r"\s*(\d{1,6})\b", message.get("retry-after"), re.ASCII)
    return int(found[1]) if found else None


def refresh_interval_s(response: Message) -> float | None:
    """Half of the session's interval, where the far end left it to us to refresh it (RFC 4028 4, 7.2)."""
    found = re.match(r"(\d{1,6})\s*;(.*)", response.get("session-expires"), re.ASCII)
    ours = found is not None and re.search(r"refresher\s*=\s*uac\b", found[2], re.IGNORECASE)
    return max(int(found[1]), LEAST_SESSION_S) / 2 if found is not None and ours else None


def usable(uri: str) -> bool:
    """A sip: URI by the grammar; another one would break the requests that we send there."""
    try:
        uri_from(uri)
    except Malformed:
        return False
    return True


def same_dialog(call: Call, request: Message) -> bool:
    """The request belongs to the dialog: our tag is in To, theirs in From, and the Call-ID is ours (12.2.2)."""
    ours = request.get("call-id") == call.call_id and tag_of(request.get("to")) == call.tag
    return ours and (call.dialog is None or tag_of(request.get("from")) == tag_of(call.dialog.to))


def tag_of(value: str) -> str:
    """The tag of a From or To, "" if it has none."""
    return parameters(value).get("tag", "")
