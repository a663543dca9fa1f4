"""The calls of one voice driver, each from its first INVITE to its result. What fails inside one ends that one only."""

import contextlib
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import phonenumbers

from drivers import Call, CallPhase, DeviceState, TrunkStatus
from drivers.guard import guarded
from drivers.pyvoip.conversation import By, Conversation, Say
from drivers.pyvoip.leg import PLAYED_S, Farewells, Handle, Leg
from drivers.pyvoip.locate import media_host
from drivers.pyvoip.options import Options, rtp_range
from drivers.pyvoip.trunk import Trunk
from drivers.rtp.answering import Verdict
from drivers.rtp.messages import Failed, Finished, FirstPacket, Heard, Key, Media, PacerEvent, Stopped
from drivers.rtp.pacer import PacerGone
from drivers.rtp.sockets import hear_only
from drivers.rtp.supervisor import Supervisor
from drivers.sip.call import Answered, CallEvent, Ended, Keyed, Moved, Ringing
from drivers.sip.sdes import new_cryptos
from drivers.sip.sdp import PCMA, FarEnd, offer

SWITCH_PORTS = 50  # tries to find a free RTP port


def dialled(rule: str, number: str) -> str:
    """The SIP user for E.164 digits: {e164} +44.., {digits} 44.., {00} 0044.., {national} 07..."""
    forms = {"{e164}": f"+{number}", "{digits}": number, "{00}": f"00{number}"}
    if "{national}" in rule:
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


@dataclass(frozen=True, slots=True)
class Located:
    """A command: the name of a far end's audio host was looked up. host: its address, or "" """

    number: int
    audio: FarEnd
    host: str


class Calls:
    """Belongs to the signalling's thread, like the trunk and the audio process that it uses.

    located: takes the answer of a look-up on any thread; `on_located` is to be called with it.
    """

    def __init__(self, options: Options, trunk: Trunk, audio: Supervisor, located: Callable[[Located], None]) -> None:
        self._options = options
        self._trunk = trunk
        self._audio = audio
        self._located = located
        self._legs: dict[int, Leg] = {}
        self._next_leg = 0

    # --- for any thread ---

    def __len__(self) -> int:
        return len(self._legs)

    def report_lost(self, why: str) -> Farewells:
        """Settle all calls as failed, though their thread does not respond; what would end them for the far ends."""
        legs = list(self._legs.values())
        for leg in legs:
            leg.handle.settle(leg.failed(why))
        return tuple(farewell for leg in legs for farewell in leg.farewells)

    # --- what is asked of them ---

    def dial(self, wanted: Dial, status: TrunkStatus) -> None:
        """status: of the driver, by which it is refused unless that is ready."""
        with guarded("dial", partial(self._undo, wanted.handle)):
            self._dial(wanted, status)

    def _dial(self, wanted: Dial, status: TrunkStatus) -> None:
        handle, call, agent = wanted.handle, wanted.call, self._trunk.agent
        if agent is None or status.state is not DeviceState.READY:
            return handle.refuse(status.detail or "the trunk is not ready")
        try:
            rtp, rtcp = self._rtp_sockets()
        except OSError:
            return handle.refuse(f"no free UDP port in rtp_ports {self._options.rtp_ports}")
        uri = self._trunk.uri(dialled(self._options.dial, call.number))
        cryptos = new_cryptos() if self._options.srtp == "sdes" else ()
        sdp = offer(self._trunk.media_host, rtp.getsockname()[1], secrets.randbelow(10**9), cryptos)
        now = time.monotonic()
        sip = agent.call(uri, sdp, now)
        self._next_leg += 1
        repeats = call.repeats if call.again is not None else 0
        talk = Conversation(call.question is not None, repeats, listens=call.hang_up_on_machine)
        leg = Leg(handle, call, wanted.progress, self._next_leg, sip, rtp, rtcp, now, talk=talk)
        self._legs[self._next_leg] = leg
        leg.progress(CallPhase.DIALLING)
        return None

    def hang_up(self, handle: Handle) -> None:
        for leg in self._of(handle):
            with guarded("hang up", partial(self._drop, leg)):
                self._end(leg, time.monotonic())

    def hang_up_all(self, now: float) -> None:
        for leg in list(self._legs.values()):
            with guarded("hang up", partial(self._drop, leg)):
                self._end(leg, now)

    def on_located(self, found: Located) -> None:
        leg = self._legs.get(found.number)
        if leg is not None:
            with guarded("call", partial(self._drop, leg)):
                self._on_located(leg, found)

    def turn(self, now: float) -> None:
        """Whatever is due."""
        for leg in list(self._legs.values()):
            with guarded("call", partial(self._drop, leg)):
                self._leg_turn(leg, now)

    def deadline(self) -> float:
        return min((leg.deadline for leg in self._legs.values()), default=float("inf"))

    def read_audio(self) -> None:
        """What the audio process says; its end ends only the calls that it carried."""
        try:
            events = self._audio.read()
        except PacerGone as exc:
            for carried in [leg for leg in self._legs.values() if leg.streaming]:
                with guarded("call", partial(self._drop, carried)):
                    self._break(carried, str(exc))
            return
        for event in events:
            leg = self._legs.get(event.call)
            if leg is not None:
                with guarded("call", partial(self._drop, leg)):
                    self._on_pacer(leg, event, time.monotonic())

    def end(self, broken: str) -> None:
        """End what is left, as nothing more will be heard. broken: why, if that is a fault of ours."""
        for leg in list(self._legs.values()):
            with guarded("hang up"):
                self._end(leg, time.monotonic())
            leg.ended = leg.ended or Ended(0, "the gateway stopped", by_us=True)
            leg.ended_at = leg.ended_at or time.monotonic()
            leg.broken = leg.broken or broken
            with guarded("call", partial(self._drop, leg)):
                self._finish(leg)

    # --- one call's beginning and end ---

    def _of(self, handle: Handle) -> list[Leg]:
        return [leg for leg in self._legs.values() if leg.handle is handle]

    def _undo(self, handle: Handle) -> None:
        """It could not be begun, for a reason that nobody foresaw."""
        for leg in self._of(handle):
            self._drop(leg)
        handle.refuse("internal error")

    def _rtp_sockets(self) -> tuple[socket.socket, socket.socket]:
        """UDP sockets on a free even port of rtp_ports and on the next, for RTCP (RFC 3550 11). Raises OSError."""
        even = rtp_range(self._options.rtp_ports)
        for port in random.sample(even, min(len(even), SWITCH_PORTS)):
            with contextlib.ExitStack() as opened:
                rtp, rtcp = (opened.enter_context(self._udp_socket()) for _ in range(2))
                try:
                    rtp.bind((self._trunk.interface, port))
                    rtcp.bind((self._trunk.interface, port + 1))
                except OSError:
                    continue
                opened.pop_all()
                return rtp, rtcp
        raise OSError("no free port")

    def _udp_socket(self) -> socket.socket:
        """It hears nothing until there is an answer: early media may come from elsewhere than the callee's audio."""
        sock = socket.socket(socket.AF_INET6 if ":" in self._trunk.interface else socket.AF_INET, socket.SOCK_DGRAM)
        hear_only(sock, ())
        return sock

    def _end(self, leg: Leg, now: float) -> None:
        """Hang up. Before an answer that decides the outcome: what the far end says afterwards does not."""
        if leg.given_up_at is None:
            leg.given_up_at = now
        if self._trunk.agent is not None:
            self._trunk.agent.hang_up(leg.sip, now)

    def _break(self, leg: Leg, why: str) -> None:
        """Our side failed: hang up and say so."""
        leg.streaming = False
        if leg.ended is not None:
            return
        leg.broken = why
        self._end(leg, time.monotonic())

    def _finish(self, leg: Leg) -> None:
        result = leg.result()
        self._forget(leg)
        leg.handle.settle(result)

    def _drop(self, leg: Leg) -> None:
        """Something failed that nobody foresaw: end this call, and only this one."""
        agent = self._trunk.agent
        with guarded("call"):
            if leg.streaming:
                self._audio.pacer.stop(leg.number)
        if agent is not None:
            agent.give_up(leg.sip, time.monotonic())
        self._forget(leg)
        leg.handle.settle(leg.failed("internal error"))

    def _forget(self, leg: Leg) -> None:
        leg.rtp.close()
        leg.rtcp.close()
        self._legs.pop(leg.number, None)

    # --- time and news ---

    def _leg_turn(self, leg: Leg, now: float) -> None:
        while leg.sip.events:
            self._on_event(leg, leg.sip.events.pop(0), now)
        if now >= leg.ring_deadline:
            leg.timed_out = True
            self._end(leg, now)
        if leg.ended is None and leg.answered_at is not None:
            self._talk_turn(leg, now)
        if leg.ended is not None and (not leg.streaming or now >= leg.ended_at + PLAYED_S):
            self._finish(leg)

    def _talk_turn(self, leg: Leg, now: float) -> None:
        self._say(leg, leg.talk.due(now))
        if leg.talk.over or now >= leg.talk_deadline:
            self._end(leg, now)

    def _say(self, leg: Leg, say: Say | None) -> None:
        if say is not None and leg.streaming:
            self._audio.pacer.say(leg.number, leg.say(say), utterance=len(leg.said))

    def _on_event(self, leg: Leg, event: CallEvent, now: float) -> None:
        if self._trunk.agent is not None and not isinstance(event, Keyed):
            leg.farewells = self._trunk.agent.farewells(leg.sip)
        if isinstance(event, Ringing):
            leg.rang_at = now
            leg.progress(CallPhase.RINGING)
        elif isinstance(event, Answered):
            leg.answered_at = now
            leg.progress(CallPhase.ANSWERED)
            self._aim(leg, event.audio)
        elif isinstance(event, Moved):
            if leg.streaming or leg.looking_up:
                self._aim(leg, event.audio)
        elif isinstance(event, Keyed):
            self._say(leg, leg.talk.key(event.digit, now, By.INFO))
        else:
            leg.ended, leg.ended_at, leg.broken = event, now, leg.broken or leg.sip.broken
            if leg.streaming:
                self._audio.pacer.stop(leg.number)

    def _on_pacer(self, leg: Leg, event: PacerEvent, now: float) -> None:
        match event:
            case Key():
                self._say(leg, leg.talk.key(event.digit, now))
            case FirstPacket():
                leg.received = True
            case Heard():
                self._say(leg, leg.talk.judged(machine=event.verdict == Verdict.MACHINE))
            case Failed():
                self._break(leg, event.why)
            case Finished():
                if leg.played(event):
                    self._say(leg, leg.talk.played(now))
            case Stopped():
                leg.played(event)
                leg.streaming = False
            case _:
                assert_never(event)

    # --- the audio ---

    def _aim(self, leg: Leg, audio: FarEnd) -> None:
        """Send the audio there; a name is looked up first, one at a time for a call, on a thread of its own."""
        leg.audio = audio
        if audio.named:
            self._ask_for(leg, audio)
        elif leg.streaming:
            self._audio.pacer.move(leg.number, self._media(leg, audio))
        else:
            self._play(leg, audio)

    def _ask_for(self, leg: Leg, audio: FarEnd) -> None:
        if not leg.looking_up:
            leg.looking_up = True
            asked = (leg.number, audio, leg.rtp.family)
            threading.Thread(target=self._look_up, args=asked, name="media-lookup", daemon=True).start()

    def _look_up(self, number: int, audio: FarEnd, family: socket.AddressFamily) -> None:
        """On a thread of its own."""
        self._located(Located(number, audio, media_host(audio.host, family)))

    def _on_located(self, leg: Leg, found: Located) -> None:
        leg.looking_up = False
        if leg.ended is not None or leg.audio is None:
            return
        if found.audio is not leg.audio:  # it moved meanwhile
            if leg.audio.named:
                self._ask_for(leg, leg.audio)
        elif found.host:
            self._aim(leg, replace(found.audio, host=found.host))
        else:
            self._break(leg, "the name of the callee's audio host has no address")

    def _play(self, leg: Leg, audio: FarEnd) -> None:
        if not self._audio.ready:
            self._break(leg, self._audio.problem)
            return
        leg.law = "pcma" if audio.payload_type == PCMA else "pcmu"
        media = self._media(leg, audio)
        listens = leg.talk.listens
        first = leg.say(leg.talk.begin())
        self._audio.pacer.play(leg.number, leg.rtp, media, first, utterance=1, hold=True, listen=listens, rtcp=leg.rtcp)
        leg.streaming = True

    def _media(self, leg: Leg, far: FarEnd) -> Media:
        servers = self._trunk.agent.servers.addresses if self._trunk.agent is not None else []
        return leg.media(far, symmetric=self._options.symmetric_rtp, near=tuple(host for host, _ in servers))
