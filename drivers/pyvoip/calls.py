"""The calls of one voice driver, each from its first INVITE to its result. What fails inside one ends that one only."""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from drivers import Call, CallPhase, DeviceState, TrunkStatus
from drivers.guard import guarded
from drivers.pyvoip.audio import Audio, CannotSpeak, Located
from drivers.pyvoip.call_handle import Handle, IfLost
from drivers.pyvoip.call_outcome import Course
from drivers.pyvoip.call_table import CallTable
from drivers.pyvoip.conversation import By
from drivers.pyvoip.lease import Lease
from drivers.pyvoip.options import Options
from drivers.pyvoip.phone_call import PhoneCall
from drivers.pyvoip.speech import Speech, conversation
from drivers.pyvoip.trunk import Trunk
from drivers.rtp.answering import Verdict
from drivers.rtp.messages import Failed, Finished, FirstPacket, Judged, Key, Latched, PacerEvent, Stopped
from drivers.rtp.process_handle import PacerGone
from drivers.rtp.supervisor import Supervisor
from drivers.sip.call_events import Answered, CallEvent, Ended, Keyed, Moved, Ringing
from drivers.sip.sdes import new_cryptos
from drivers.sip.sdp import offer

log = logging.getLogger("pinwheel.voice")


def dialled(rule: str, number: str) -> str:
    """The SIP user for E.164 digits: {e164} +44.., {digits} 44.., {00} 0044.., {national} 07..."""
    forms = {"{e164}": f"+{number}", "{digits}": number, "{00}": f"00{number}"}
    if "{national}" in rule:
        import phonenumbers  # late: few trunks want it

        parsed = phonenumbers.parse(f"+{number}")
        national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        forms["{national}"] = "".join(filter(str.isdigit, national))
    for name, text in forms.items():
        rule = rule.replace(name, text)
    return rule


@dataclass(frozen=True, slots=True)
class Dial:
    """A command: call this."""

    handle: Handle
    call: Call
    progress: Callable[[CallPhase], None]


class Calls:
    """Belongs to the signalling thread, like the trunk and the audio process that it uses."""

    def __init__(self, options: Options, trunk: Trunk, lease: Lease, supervisor: Supervisor, audio: Audio) -> None:
        self._options = options
        self._trunk = trunk
        self._lease = lease
        self._supervisor = supervisor
        self._audio = audio
        self._calls = CallTable()

    def __bool__(self) -> bool:
        return len(self._calls) > 0

    @property
    def if_lost(self) -> tuple[IfLost, ...]:
        """What becomes of each call should the thread be lost; a value that any thread may read."""
        return self._calls.if_lost

    # --- what is asked of them ---

    def dial(self, wanted: Dial, status: TrunkStatus) -> None:
        """status: of the driver, by which it is refused unless that is ready."""
        with guarded("dial", partial(self._undo, wanted.handle)):
            self._dial(wanted, status)

    def _dial(self, wanted: Dial, status: TrunkStatus) -> None:
        handle, order, agent = wanted.handle, wanted.call, self._trunk.agent
        if agent is None or status.state is not DeviceState.READY:
            return handle.refuse(status.detail or "the trunk is not ready")
        try:
            rtp, rtcp = self._audio.sockets()
        except OSError:
            return handle.refuse(f"no free UDP port in rtp_ports {self._options.rtp_ports}")
        uri = self._trunk.uri(dialled(self._options.dial, order.number))
        cryptos = new_cryptos() if self._options.srtp == "sdes" else ()
        sdp = offer(self._trunk.media_host, rtp.getsockname()[1], secrets.randbelow(10**9), cryptos)
        now = time.monotonic()
        course, speech = Course(order.ring_s, order.limit_s, now), Speech(order, conversation(order))
        call = PhoneCall(
            handle, wanted.progress, self._calls.next_number(), agent.call(uri, sdp, now), rtp, rtcp, course, speech
        )
        self._calls.add(call)
        self._report(call, CallPhase.DIALLING)
        return None

    def hang_up(self, handle: Handle) -> None:
        for call in self._calls.of(handle):
            with guarded("hang up", partial(self._drop, call)):
                self._end(call, time.monotonic())

    def hang_up_all(self, now: float) -> None:
        for call in self._calls:
            with guarded("hang up", partial(self._drop, call)):
                self._end(call, now)

    def on_located(self, found: Located) -> None:
        call = self._calls.get(found.number)
        if call is not None:
            with guarded("call", partial(self._drop, call)):
                self._speaking(call, lambda: self._audio.on_located(call, found))

    def turn(self, now: float) -> None:
        """Whatever is due."""
        for call in self._calls:
            with guarded("call", partial(self._drop, call)):
                self._call_turn(call, now)

    def deadline(self) -> float:
        return min((call.deadline for call in self._calls), default=float("inf"))

    def read_audio(self) -> None:
        """What the audio process says; its end ends only the calls that it carried."""
        try:
            events = self._supervisor.read()
        except PacerGone as exc:
            for carried in [call for call in self._calls if call.speech.streaming]:
                with guarded("call", partial(self._drop, carried)):
                    self._break(carried, str(exc))
            return
        for event in events:
            call = self._calls.get(event.call)
            if call is not None:
                with guarded("call", partial(self._drop, call)):
                    self._on_pacer(call, event, time.monotonic())

    def end(self, broken: str) -> None:
        """End what is left: no response will be read. broken: why, if that is a fault of ours."""
        for call in self._calls:
            with guarded("hang up"):
                self._end(call, time.monotonic())
            call.course.end(Ended(0, "the gateway stopped", by_us=True), time.monotonic(), broken)
            with guarded("call", partial(self._drop, call)):
                self._finish(call)

    # --- one call's beginning and end ---

    def _report(self, call: PhoneCall, phase: CallPhase) -> None:
        if not self._lease.ended:
            call.progress(phase)

    def _undo(self, handle: Handle) -> None:
        """It could not be started, because of an unexpected exception."""
        for call in self._calls.of(handle):
            self._drop(call)
        handle.refuse("internal error")

    def _end(self, call: PhoneCall, now: float) -> None:
        """Hang up. Before an answer that decides the outcome: what the far end says afterwards does not."""
        if call.course.given_up_at is None:
            call.course.given_up_at = now
        if self._trunk.agent is not None:
            self._trunk.agent.hang_up(call.sip, now)

    def _speaking(self, call: PhoneCall, work: Callable[[], None]) -> None:
        """Do what needs the audio process; without it the call ends."""
        try:
            work()
        except CannotSpeak as exc:
            self._audio.stop(call)
            self._break(call, str(exc))

    def _break(self, call: PhoneCall, why: str) -> None:
        """Our side failed: hang up and say so."""
        call.speech.streaming = False
        if call.course.ended is None:
            call.course.broken = why
            self._end(call, time.monotonic())

    def _finish(self, call: PhoneCall) -> None:
        result = call.course.result(call.speech)
        self._forget(call)
        call.handle.settle(result)

    def _drop(self, call: PhoneCall) -> None:
        """An unexpected exception: end this call, and only this one."""
        agent = self._trunk.agent
        with guarded("call"):
            self._audio.stop(call)
        if agent is not None:
            agent.give_up(call.sip, time.monotonic())
        self._forget(call)
        call.handle.settle(call.speech.failed("internal error"))

    def _forget(self, call: PhoneCall) -> None:
        call.close()
        self._calls.remove(call)

    # --- time and news ---

    def _call_turn(self, call: PhoneCall, now: float) -> None:
        course, talk = call.course, call.speech.talk
        if call.sip.changed:
            self._note_endings(call)
        while call.sip.events:
            self._on_event(call, call.sip.events.pop(0), now)
        if now >= course.ring_deadline:
            course.timed_out = True
            self._end(call, now)
        if course.ended is None and course.answered_at is not None:
            self._audio.say(call, talk.due(now))
            if talk.over or now >= course.talk_deadline:
                self._end(call, now)
        if course.ended is not None and (not call.speech.streaming or now >= course.forget_at):
            self._finish(call)

    def _note_endings(self, call: PhoneCall) -> None:
        """Before any news of the call is reported, as the listener may never return."""
        call.sip.changed = False
        if self._trunk.agent is not None:
            call.endings = self._trunk.agent.endings(call.sip)
        self._calls.publish(call)

    def _on_event(self, call: PhoneCall, event: CallEvent, now: float) -> None:
        match event:
            case Ringing():
                call.course.rang_at = now
                self._report(call, CallPhase.RINGING)
            case Answered(audio):
                call.course.answered_at = now
                self._report(call, CallPhase.ANSWERED)
                self._speaking(call, lambda: self._audio.aim(call, audio))
            case Moved(audio):
                if call.speech.streaming or call.looking_up:
                    self._speaking(call, lambda: self._audio.aim(call, audio))
            case Keyed(digit):
                self._audio.say(call, call.speech.talk.key(digit, now, By.INFO))
            case Ended():
                call.course.end(event, now, call.sip.broken)
                self._audio.stop(call)
            case _:
                assert_never(event)
        self._calls.publish(call)

    def _on_pacer(self, call: PhoneCall, event: PacerEvent, now: float) -> None:
        talk = call.speech.talk
        match event:
            case Key():
                self._audio.say(call, talk.key(event.digit, now))
            case FirstPacket():
                call.speech.received = True
            case Latched():
                call.speech.latched = True
                log.warning("voice=call audio=latched: it goes to a host that neither SDP nor the trunk names")
            case Judged():
                self._audio.say(call, talk.judged(machine=event.verdict == Verdict.MACHINE))
            case Failed():
                self._break(call, event.why)
            case Finished():
                if call.speech.played(event):
                    self._audio.say(call, talk.played(now))
            case Stopped():
                call.speech.played(event)
                call.speech.streaming = False
            case _:
                assert_never(event)
        self._calls.publish(call)
