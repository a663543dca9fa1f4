"""One call as the voice driver sees it: its two ends, how far it has come, and what becomes of it."""

import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pyVoIP.VoIP  # noqa: F401  before pyVoIP.SIP, which it imports in a circle
from pyVoIP.SIP import SIPStatus

from drivers import Call, CallHandle, CallOutcome, CallPhase, CallResult, Unavailable
from drivers.pyvoip.conversation import Conversation, Say
from drivers.rtp.messages import Finished, Media, Stopped
from drivers.rtp.srtp import Keys, Profile
from drivers.sip.address import Address
from drivers.sip.call import Call as SipCall
from drivers.sip.call import Ended
from drivers.sip.sdes import Suite
from drivers.sip.sdp import TELEPHONE_EVENT, FarEnd

REASON_KEPT = 80  # characters
ONE_WAY_S = 1.0  # of a call in which nothing was heard; in a shorter one that says nothing
PLAYED_S = 0.5  # how long an ended call waits for the pacer to say how much it played

OUTCOMES: dict[int, CallOutcome] = {
    0: CallOutcome.UNREACHABLE,
    404: CallOutcome.NOT_FOUND,
    408: CallOutcome.UNREACHABLE,
    410: CallOutcome.NOT_FOUND,
    480: CallOutcome.NO_ANSWER,
    484: CallOutcome.NOT_FOUND,
    485: CallOutcome.NOT_FOUND,
    486: CallOutcome.BUSY,
    487: CallOutcome.NO_ANSWER,
    600: CallOutcome.BUSY,
    603: CallOutcome.DECLINED,
    604: CallOutcome.NOT_FOUND,
    607: CallOutcome.DECLINED,
    608: CallOutcome.DECLINED,
}
"""Final responses and what an operator calls them; the rest goes by its class."""
CLASSES = {5: CallOutcome.UNREACHABLE}
PROFILES = {Suite.SHA1_80: Profile.SHA1_80, Suite.SHA1_32: Profile.SHA1_32}


def outcome_of(status: int) -> CallOutcome:
    """What a final response to INVITE means for the call."""
    return OUTCOMES.get(status) or CLASSES.get(status // 100, CallOutcome.REJECTED)


class Handle(CallHandle):
    """A call as its caller sees it. Any thread may settle or refuse it; the first to do so is believed."""

    def __init__(self, hang_up: Callable[["Handle"], None]) -> None:
        self.result: Future[CallResult] = Future()
        self.result.set_running_or_notify_cancel()
        self._hang_up = hang_up
        self._open = threading.Semaphore()

    def hang_up(self) -> None:
        self._hang_up(self)

    def settle(self, result: CallResult) -> None:
        if self._open.acquire(blocking=False):
            self.result.set_result(result)

    def refuse(self, why: str) -> None:
        """Nothing was sent."""
        if self._open.acquire(blocking=False):
            self.result.set_exception(Unavailable(why))


Farewells = tuple[tuple[bytes, Address], ...]
"""Messages that end calls, each with where to send it."""


@dataclass(slots=True)
class Leg:
    """A call as the thread sees it. farewells: what would end it now, for who takes over from a thread that hangs.

    audio: where the far end wants it, as it said last; looking_up: its name is being looked up.
    """

    handle: Handle
    wanted: Call
    progress: Callable[[CallPhase], None]
    number: int
    sip: SipCall
    rtp: socket.socket
    rtcp: socket.socket
    started: float
    rang_at: float | None = None
    answered_at: float | None = None
    talk: Conversation = field(default_factory=Conversation)
    law: str = "pcmu"
    streaming: bool = False
    audio: FarEnd | None = None
    looking_up: bool = False
    received: bool = False  # a packet of the callee has come
    said: list[Say] = field(default_factory=list)  # the last is utterance number len(said)
    played_s: float = 0.0
    given_up_at: float | None = None  # when we hung up, in whatever phase
    timed_out: bool = False  # because it rang too long, or nothing was heard
    broken: str = ""
    ended: Ended | None = None
    ended_at: float = 0.0
    farewells: Farewells = field(default=(), repr=False)

    @property
    def ring_deadline(self) -> float:
        waiting = self.answered_at is None and self.given_up_at is None and self.ended is None
        return (self.rang_at or self.started) + self.wanted.ring_s if waiting else float("inf")

    @property
    def deadline(self) -> float:
        """When something is due by itself."""
        if self.ended is not None:
            return self.ended_at + PLAYED_S
        return min(self.ring_deadline, self.talk.waits_until, self.talk_deadline)

    @property
    def talk_deadline(self) -> float:
        return float("inf") if self.answered_at is None else self.answered_at + self.wanted.limit_s

    def say(self, say: Say) -> bytes:
        """The octets of the next utterance."""
        self.said.append(say)
        wanted = {
            Say.NOTHING: None,
            Say.QUESTION: self.wanted.question,
            Say.SPEECH: self.wanted.audio,
            Say.AGAIN: self.wanted.again,
            Say.BYE: self.wanted.bye,
        }[say]
        return bytes(getattr(wanted, self.law)) if wanted is not None else b""

    def played(self, event: Finished | Stopped) -> bool:
        """Note how much was played; whether the pacer has come to the end of what was said last."""
        if self.said[event.utterance - 1] is Say.SPEECH:
            self.played_s = event.played_s
        return isinstance(event, Finished) and event.utterance == len(self.said)

    def media(self, far: FarEnd, *, symmetric: bool, near: tuple[str, ...]) -> Media:
        """How the pacer is to send. near: hosts of the signalling.

        Keys come by our number for them, or by theirs: not all keep RFC 3264 6.1.
        """
        keys = Keys(PROFILES[far.ours.suite], far.ours.key, far.theirs.key) if far.ours and far.theirs else None
        return Media(
            far.payload_type,
            (far.host, far.port),
            symmetric,
            far.rtcp_port,
            tuple({TELEPHONE_EVENT, far.events or TELEPHONE_EVENT}),
            far.frame_ms,
            far.held,
            keys,
            far.laws,
            near,
            self.sip.strangers,
        )

    def failed(self, why: str) -> CallResult:
        """Our side failed, at whatever point of the call."""
        return CallResult(CallOutcome.FAILED, reason=why, played_s=self.played_s, keys=self.talk.keys)

    def result(self) -> CallResult:
        """Only for an ended call."""
        assert self.ended is not None
        answered = self.answered_at
        decided_at = next((at for at in (answered, self.given_up_at) if at is not None), self.ended_at)
        ring_s = max(decided_at - self.rang_at, 0.0) if self.rang_at is not None else 0.0
        talk_s = self.ended_at - answered if answered is not None else 0.0
        status = self.ended.status
        reason = self.broken or presentable(self.ended.reason) or _phrase(status)
        if self.ended.retry_after_s is not None:
            reason += f", try again after {self.ended.retry_after_s} s"
        told = (self.played_s, self.ended.cause, self.talk.keys, self.talk.machine)
        one_way = talk_s >= ONE_WAY_S and not self.received
        return CallResult(self._outcome(), status or None, reason, ring_s, talk_s, *told, one_way)

    def _outcome(self) -> CallOutcome:
        assert self.ended is not None
        if self.broken:
            return CallOutcome.FAILED
        if self.answered_at is not None:
            return CallOutcome.ANSWERED
        if self.rang_at is not None and (self.timed_out or self.ended.status == 408):
            return CallOutcome.NO_ANSWER
        if self.timed_out:
            return CallOutcome.UNREACHABLE
        return CallOutcome.CANCELLED if self.ended.by_us else outcome_of(self.ended.status)


def presentable(reason: str) -> str:
    """A far end's reason phrase as it may stand in logs: short, printable, and without the number that it may name."""
    printable = "".join(char for char in reason if char.isprintable())[:REASON_KEPT]
    return re.sub(r"\+?\d(?:[ ().-]?\d){4,80}", "(number)", printable).strip()


def _phrase(status: int) -> str:
    try:
        return str(SIPStatus(status).phrase)
    except ValueError:
        return ""
