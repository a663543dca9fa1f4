"""One call as the signalling thread has it: its order, its SIP side, its sockets, its course and its speech."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers import CallPhase
from drivers.pyvoip.call_handle import CallEndings, Handle, IfLost
from drivers.pyvoip.call_outcome import Course
from drivers.pyvoip.speech import Speech
from drivers.sip.call import OutgoingCall
from drivers.sip.sdp import FarEnd

LOST = "signalling stopped responding"


@dataclass(slots=True)
class PhoneCall:
    """endings: what would end it now for its far end; audio: where that wants the audio, as it said last.

    looking_up: the name of the audio's host is being looked up.
    """

    handle: Handle
    progress: Callable[[CallPhase], None]
    number: int
    sip: OutgoingCall
    rtp: socket.socket
    rtcp: socket.socket
    course: Course
    speech: Speech
    audio: FarEnd | None = None
    looking_up: bool = False
    endings: CallEndings = field(default=(), repr=False)

    @property
    def deadline(self) -> float:
        """When something is due by itself."""
        if self.course.ended is not None:
            return self.course.forget_at
        return min(self.course.ring_deadline, self.speech.talk.waits_until, self.course.talk_deadline)

    @property
    def if_lost(self) -> IfLost:
        """Should the thread be lost now."""
        return IfLost(self.handle, self.speech.failed(LOST), self.endings)

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()
