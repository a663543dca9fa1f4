"""One outgoing call as a state machine: INVITE, ringing, answer, BYE or CANCEL. No I/O, no clock.

The agent feeds it responses and requests of its dialogs, and sends what it returns. What happened comes out as events.
"""

import copy
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from drivers.sip.address import Address
from drivers.sip.body import key_pressed
from drivers.sip.dialog import Dialog, dialog_from, tag_of
from drivers.sip.message import Message, parameters
from drivers.sip.replies import ABOUT_OURSELVES, OK, UNKNOWN_CALL, Reply
from drivers.sip.requester import Identity, Requester
from drivers.sip.sdp import FarEnd, NoAudio

SESSION_S = 1800  # RFC 4028 4: the recommended interval of a session timer
MOST_PHONES = 32  # of one forked call whose early dialogs are kept


class State(StrEnum):
    """Where a call stands."""

    CALLING = "calling"  # INVITE sent, no response yet
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
    """The callee pressed a key; its phone says so by INFO."""

    digit: str


CallEvent = Ringing | Answered | Moved | Ended | Keyed

Outgoing = tuple[Message, Address]
"""A request within a dialog, and where it goes."""


@dataclass(slots=True)
class OutgoingCall:
    """`identity` calls `uri` offering `sdp`. Methods return the requests to send; `events` collects the news.

    early: the dialogs of a call that was not answered yet, by the far end's tag; dialog: the one that was;
    strangers: where the audio of the other phones of a fork is, which did not answer; unreachable: addresses to which
    no connection can be made.
    """

    identity: Identity
    uri: str = field(repr=False)
    sdp: bytes = field(repr=False)
    requester: Requester = field(init=False)
    state: State = State.CALLING
    dialog: Dialog | None = None
    early: dict[str, Dialog] = field(default_factory=dict)
    strangers: tuple[Address, ...] = ()
    events: list[CallEvent] = field(default_factory=list)
    unreachable: set[Address] = field(default_factory=set)
    wants_end: bool = False
    broken: str = ""  # why our own side had to end it
    _rang: bool = False
    _least_session_s: int = 0  # of a session timer, once the far end named it (RFC 4028 5)

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
            *ABOUT_OURSELVES,
            ("content-type", "application/sdp"),
            *self.identity.headers,
        ]
        if self._least_session_s:
            session_s = max(self._least_session_s, SESSION_S)
            headers += [("session-expires", str(session_s)), ("min-se", str(self._least_session_s))]
        return self.requester.request("INVITE", self.uri, f"<{self.uri}>", *headers, body=self.sdp)

    def _within(self, dialog: Dialog, method: str, *headers: tuple[str, str], body: bytes = b"") -> Outgoing:
        """A request to the far end."""
        uri, route = dialog.way()
        request = self.requester.request(method, uri, dialog.to, *headers, route=route, body=body)
        return request, self._hop(dialog)

    def _ack(self, dialog: Dialog, invite: Message) -> Outgoing:
        uri, route = dialog.way()
        return self.requester.ack(invite, uri, dialog.to, route), self._hop(dialog)

    def _hop(self, dialog: Dialog) -> Address:
        """The next one, or where the INVITE went: far ends reached by TCP name addresses that take UDP only."""
        hop = dialog.next_hop(self.identity.kind.port)
        return dialog.home if hop in self.unreachable else hop

    def home_of(self, request: Message) -> Address | None:
        """Where the INVITE went that made the dialog of a request of ours; None outside any."""
        dialog = self.dialog or self.early.get(tag_of(request.get("to")))
        return dialog.home if dialog is not None else None

    # --- responses; home: where the INVITE went ---

    def on_provisional(self, response: Message) -> None:
        """It is news; `on_early` takes also what is none."""
        if self.state is State.CALLING:
            self.state = State.RINGING
        rings = response.status in (180, 181, 182, 183) and not self.wants_end and self.state is State.RINGING
        if rings and not self._rang:
            self._rang = True
            self.events.append(Ringing())

    def on_early(self, response: Message, home: Address) -> list[Outgoing]:
        """A provisional response above 100: an early dialog, and a PRACK for what must not be lost (RFC 3262 4)."""
        dialog = self._early_dialog(response, home)
        if dialog is None:
            return []
        rseq = response.get("rseq")
        reliable = "100rel" in response.all("require") and re.fullmatch(r"[0-9]{1,10}", rseq) is not None
        if reliable and dialog.rseq is not None and int(rseq) != dialog.rseq + 1:
            return []  # it came before, or out of order
        dialog.take_early(response)
        if not reliable:
            return []
        dialog.rseq = int(rseq)
        number, method = response.cseq
        return [self._within(dialog, "PRACK", ("rack", f"{rseq} {number} {method}"))]

    def _early_dialog(self, response: Message, home: Address) -> Dialog | None:
        """The one of who responded, made if need be (12.1.2)."""
        tag = tag_of(response.get("to"))
        if self.dialog is not None or self.state is State.ENDED:
            return None
        if tag not in self.early and len(self.early) < MOST_PHONES:
            self.early[tag] = dialog_from(response, self.uri, home, self.sdp)
        return self.early.get(tag)

    def on_final(self, response: Message) -> list[Message]:
        """A final response to INVITE of 300 and above (its ACK is the transaction's). Returns a new INVITE, if any.

        The agent answers challenges before (22).
        """
        least = response.get("min-se").partition(";")[0].strip()
        may_try = not self._least_session_s and not self.wants_end
        if response.status == 422 and may_try and re.fullmatch(r"[0-9]{1,6}", least):
            self._least_session_s = int(least)
            return [self.invite()]
        self._end(response.status, response.reason, response, by_us=self.wants_end)
        return []

    def on_success(self, invite: Message, response: Message, home: Address, *, news: bool) -> list[Outgoing]:
        """A 2xx to INVITE, first or again: an ACK each time (13.2.2.4); BYE at once if the call is not wanted.

        news: the first one to this INVITE. One that comes late knows nothing of what was agreed since.
        """
        tag = tag_of(response.get("to"))
        if self.dialog is not None and tag == self.dialog.tag:
            if news:  # what refreshed the session may have moved the audio
                self.dialog.retarget(response)
                self._change(response)
            return [self._ack(self.dialog, invite)]
        if self.dialog is not None or self.state is State.ENDED:  # a second phone, or a late one, of a forked call
            return self.decline(invite, response, home)
        made = dialog_from(response, self.uri, home, self.sdp)
        others = [dialog.audio for dialog in self.early.values() if dialog.tag != tag and dialog.audio is not None]
        self.strangers = tuple((audio.host, audio.port) for audio in others)
        self.dialog, self.early = self.early.get(tag, made), {}
        self.dialog.to = made.to
        try:
            self.dialog.confirm(response, made)
        except NoAudio as exc:
            self._end(488, str(exc))
        else:
            self._answered(self.dialog)
        acknowledgement = self._ack(self.dialog, invite)
        return [acknowledgement] if self.state is State.SPEAKING else [acknowledgement, self.bye()]

    def _answered(self, dialog: Dialog) -> None:
        if self.wants_end:
            self._end(487, "Request Terminated", by_us=True)
            return
        assert dialog.audio is not None
        self.state = State.SPEAKING
        self.events.append(Answered(dialog.audio))

    def decline(self, invite: Message, response: Message, home: Address) -> list[Outgoing]:
        """A 2xx that nobody waits for, from a fork or a server that was given up: it must not stay up."""
        found = dialog_from(response, self.uri, home, self.sdp)
        return [self._ack(found, invite), self._within(found, "BYE")]

    def on_time_out(self, why: str) -> None:
        """Nobody answered the INVITE at all."""
        self._end(0, why, by_us=self.wants_end)

    def on_gone(self) -> None:
        """The far end does not know the call any more (RFC 3261 12.2.1.2)."""
        self._end(481, "the call was gone")

    # --- our wishes ---

    def hang_up(self) -> list[Outgoing]:
        """End the call. Empty while it must be cancelled instead: see `wants_end`."""
        self.wants_end = True
        if self.state is State.SPEAKING:
            self._end(200, "", by_us=True)
            return [self.bye()]
        return []

    def abandon(self, why: str) -> list[Outgoing]:
        """End a call whose far end does not behave as if it stood."""
        spoke = self.state is State.SPEAKING
        self._end(408, why)
        return [self.bye()] if spoke else []

    def bye(self) -> Outgoing:
        """Only once it was answered."""
        assert self.dialog is not None
        return self._within(self.dialog, "BYE")

    def farewell(self) -> Outgoing:
        """The BYE as it would be now, for who may have to send it in our place; ours counts as if it were not made."""
        counted, self.requester = self.requester, copy.deepcopy(self.requester)
        try:
            return self.bye()
        finally:
            self.requester = counted

    def refresh(self) -> Outgoing:
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
        body = self.dialog.described  # the same as before, so that nothing is negotiated
        return self._within(self.dialog, "INVITE", *headers, ("content-type", "application/sdp"), body=body)

    # --- requests of the far end ---

    def dialog_of(self, request: Message) -> Dialog | None:
        """The dialog of ours to which a request belongs: our tag is in To, theirs in From (12.2.2)."""
        if request.get("call-id") != self.call_id or tag_of(request.get("to")) != self.tag:
            return None
        theirs = tag_of(request.get("from"))
        if self.dialog is None:
            return self.early.get(theirs)
        return self.dialog if theirs == self.dialog.tag else None

    def on_request(self, dialog: Dialog, request: Message) -> Reply:
        """A request in its order within a dialog of ours, but a BYE before the answer: what it changes, our answer."""
        match request.method:
            case "INVITE" | "UPDATE":
                return self._on_offer(dialog, request)
            case "BYE":
                self._end(200, "", request)
            case "INFO":
                key = key_pressed(request)
                if key and self.state is State.SPEAKING:
                    self.events.append(Keyed(key))
            case _:
                pass
        return OK

    def _on_offer(self, dialog: Dialog, request: Message) -> Reply:
        if self.state is State.ENDED:
            return UNKNOWN_CALL
        before = dialog.audio
        reply = dialog.take_offer(request)
        if not reply.ok:
            return reply
        dialog.retarget(request)
        self._note_move(before, dialog.audio)
        return replace(reply, headers=dialog.agree_timer(request))

    def on_ack(self, dialog: Dialog, request: Message) -> None:
        """The first one to a 2xx of ours: it holds the answer, where the far end's INVITE had no offer."""
        if dialog.awaits_answer:
            dialog.awaits_answer = False
            self._change(request)

    def _change(self, message: Message) -> None:
        assert self.dialog is not None
        before = self.dialog.audio
        self.dialog.take_change(message)
        self._note_move(before, self.dialog.audio)

    def _note_move(self, before: FarEnd | None, audio: FarEnd | None) -> None:
        if audio is not None and audio != before and self.state is State.SPEAKING:
            self.events.append(Moved(audio))

    def _end(self, status: int, reason: str, message: Message | None = None, *, by_us: bool = False) -> None:
        """message: the far end's, that ended the call."""
        if self.state is not State.ENDED:
            self.state = State.ENDED
            cause = q850_cause(message) if message is not None else None
            retry_after_s = retry_after(message) if message is not None else None
            self.events.append(Ended(status, reason, by_us, cause, retry_after_s))


def q850_cause(message: Message) -> int | None:
    """The cause of ITU-T Q.850 in a Reason header (RFC 3326 2), as gateways to the telephone network send it."""
    for value in message.all("reason"):
        protocol, cause = value.partition(";")[0].strip().upper(), parameters(value).get("cause", "")
        if protocol == "Q.850" and re.fullmatch(r"[0-9]{1,3}", cause):
            return int(cause)
    return None


def retry_after(message: Message) -> int | None:
    """Seconds of a Retry-After header (RFC 3261 20.33)."""
    found = re.match(r"\s{0,8}(\d{1,6})\b", message.get("retry-after"), re.ASCII)
    return int(found[1]) if found else None
