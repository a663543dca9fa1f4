"""One outgoing call as a state machine: INVITE, ringing, answer, BYE or CANCEL. No I/O, no clock.

The agent feeds it responses and requests of its dialogs, and sends what it returns. What happened comes out as events.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from drivers.sip.address import Address
from drivers.sip.body import key_pressed
from drivers.sip.call_events import Answered, CallEvent, Ended, Keyed, Moved, Ringing, q850_cause, retry_after
from drivers.sip.call_requests import CallRequests, Outgoing
from drivers.sip.dialog import Dialog
from drivers.sip.fork import Fork
from drivers.sip.message import Message, tag_of
from drivers.sip.replies import OK, UNKNOWN_CALL, Reply
from drivers.sip.request_builder import Requester
from drivers.sip.sdp import FarEnd, NoAudio


class State(StrEnum):
    """Where a call stands."""

    CALLING = "calling"  # INVITE sent, no response yet
    RINGING = "ringing"  # a provisional response came
    SPEAKING = "speaking"  # 200 came, ACK sent
    ENDED = "ended"


@dataclass(slots=True)
class OutgoingCall:
    """`requests` makes what is sent. Methods return the requests to send; `events` collects the news.

    fork: the phones that ring, until one answers; dialog: with that one; strangers: where the audio of the others is;
    changed: something came or was sent, for whoever notes how the call would be ended now, and clears it.
    """

    requests: CallRequests
    fork: Fork = field(init=False)
    state: State = State.CALLING
    dialog: Dialog | None = None
    strangers: tuple[Address, ...] = ()
    events: list[CallEvent] = field(default_factory=list)
    wants_end: bool = False
    changed: bool = False
    broken: str = ""  # why our own side had to end it
    _rang: bool = False
    _least_session_s: int = 0  # of a session timer, once the far end named it (RFC 4028 5)

    def __post_init__(self) -> None:
        self.fork = Fork(self.requests.uri, self.requests.sdp)

    @property
    def requester(self) -> Requester:
        return self.requests.requester

    @property
    def call_id(self) -> str:
        return self.requester.call_id

    @property
    def tag(self) -> str:
        """Ours."""
        return self.requester.tag

    def invite(self) -> Message:
        """A new INVITE (8.1.1)."""
        return self.requests.invite(self._least_session_s)

    def home_of(self, request: Message) -> Address | None:
        """Where the INVITE went that made the dialog of a request of ours; None outside any."""
        dialog = self.dialog or self.fork.get(tag_of(request.get("to")))
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
        over = self.dialog is not None or self.state is State.ENDED
        dialog = None if over else self.fork.take(response, home)
        if dialog is None:
            return []
        rseq = response.get("rseq")
        reliable = "100rel" in response.all("require") and re.fullmatch(r"[0-9]{1,10}", rseq) is not None
        if reliable and dialog.rseq is not None and int(rseq) != dialog.rseq + 1:
            return []  # it came before, or out of order
        dialog.session.take_early(response)
        if not reliable:
            return []
        dialog.rseq = int(rseq)
        number, method = response.cseq
        return [self.requests.within(dialog, "PRACK", ("rack", f"{rseq} {number} {method}"))]

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
            return [self.requests.ack(self.dialog, invite)]
        if self.dialog is not None or self.state is State.ENDED:  # a second phone, or a late one, of a forked call
            return self.decline(invite, response, home)
        made = self.fork.dialog_of(response, home)
        early, self.strangers = self.fork.choose(tag)
        self.dialog = early or made
        self.dialog.to = made.to
        try:
            self.dialog.confirm(response, made)
        except NoAudio as exc:
            self._end(488, str(exc))
        else:
            self._answered(self.dialog)
        acknowledgement = self.requests.ack(self.dialog, invite)
        return [acknowledgement, *([] if self.state is State.SPEAKING else [self.requests.bye(self.dialog)])]

    def _answered(self, dialog: Dialog) -> None:
        if self.wants_end:
            self._end(487, "Request Terminated", by_us=True)
            return
        assert dialog.session.audio is not None
        self.state = State.SPEAKING
        self.events.append(Answered(dialog.session.audio))

    def decline(self, invite: Message, response: Message, home: Address) -> list[Outgoing]:
        """A 2xx of a fork or of a server that was tried before: its dialog must be ended."""
        found = self.fork.dialog_of(response, home)
        return [self.requests.ack(found, invite), self.requests.bye(found)]

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
        return self._leave(200, "", by_us=True) if self.state is State.SPEAKING else []

    def abandon(self, why: str) -> list[Outgoing]:
        """End a call whose far end does not behave as if it stood."""
        return self._leave(408, why)

    def _leave(self, status: int, reason: str, *, by_us: bool = False) -> list[Outgoing]:
        stood = self.dialog if self.state is State.SPEAKING else None
        self._end(status, reason, by_us=by_us)
        return [self.requests.bye(stood)] if stood is not None else []

    # --- requests of the far end ---

    def dialog_of(self, request: Message) -> Dialog | None:
        """The dialog of ours to which a request belongs: our tag is in To, theirs in From (12.2.2)."""
        if request.get("call-id") != self.call_id or tag_of(request.get("to")) != self.tag:
            return None
        theirs = tag_of(request.get("from"))
        if self.dialog is None:
            return self.fork.get(theirs)
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
        before = dialog.session.audio
        reply = dialog.session.take_offer(request)
        if not reply.ok:
            return reply
        dialog.retarget(request)
        self._note_move(before, dialog.session.audio)
        return replace(reply, headers=dialog.agree_timer(request))

    def on_ack(self, dialog: Dialog, request: Message) -> None:
        """The first one to a 2xx of ours: it holds the answer, where the far end's INVITE had no offer."""
        if dialog.session.awaits_answer:
            dialog.session.awaits_answer = False
            self._change(request)

    def _change(self, message: Message) -> None:
        assert self.dialog is not None
        session = self.dialog.session
        before = session.audio
        session.take_change(message)
        self._note_move(before, session.audio)

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
