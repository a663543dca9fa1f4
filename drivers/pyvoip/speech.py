"""What one call says: the utterances of its conversation as G.711 octets, and how much of them was played. Pure."""

from dataclasses import dataclass, field

from drivers import Call, CallOutcome, CallResult
from drivers.figures import Lateness
from drivers.pyvoip.conversation import Conversation, Say
from drivers.rtp.messages import Finished, Stopped
from drivers.sip.sdp import NAMES, PCMA, PCMU


def conversation(call: Call) -> Conversation:
    """What is to be said in a call, and when."""
    repeats = call.repeats if call.again is not None else 0
    return Conversation(call.question is not None, repeats, listens=call.hang_up_on_machine)


@dataclass(slots=True)
class Speech:
    """payload_type: PCMU or PCMA, by the first answer; said: the last is utterance number len(said).

    sent: packets; late: how late those of speech were. streaming: an audio process plays it; received: a packet of the
    callee has come; latched: the audio goes to a host that the signalling does not name.
    """

    call: Call
    talk: Conversation
    payload_type: int = PCMU
    said: list[Say] = field(default_factory=list)
    played_s: float = 0.0
    sent: int = 0
    late: Lateness = field(default_factory=Lateness)
    streaming: bool = False
    received: bool = False
    latched: bool = False

    @property
    def codec(self) -> str:
        """As RTP names it (RFC 3551 6), once something was sent."""
        return NAMES[self.payload_type] if self.sent else ""

    def say(self, say: Say) -> bytes:
        """The octets of the next utterance."""
        self.said.append(say)
        wanted = {
            Say.NOTHING: None,
            Say.QUESTION: self.call.question,
            Say.SPEECH: self.call.audio,
            Say.AGAIN: self.call.again,
            Say.BYE: self.call.bye,
        }[say]
        if wanted is None:
            return b""
        return wanted.pcma if self.payload_type == PCMA else wanted.pcmu

    def played(self, event: Finished | Stopped) -> bool:
        """Note how much was played; whether the pacer has come to the end of what was said last."""
        self.sent, self.late = event.sent, Lateness(event.late, event.late_s)
        if self.said[event.utterance - 1] is Say.SPEECH:
            self.played_s = event.played_s
        return isinstance(event, Finished) and event.utterance == len(self.said)

    def failed(self, why: str) -> CallResult:
        """Our side failed, at whatever point of the call."""
        return CallResult(CallOutcome.FAILED, reason=why, played_s=self.played_s, keys=self.talk.keys, late=self.late)
