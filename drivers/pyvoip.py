"""The voice driver for SIP trunks and PBXs.

pyVoIP 1.6.8 gives its tables: SIPStatus (codes and phrases) in `drivers.leg`, PayloadType in `drivers.sip.sdp`. Its
phone is not used: it blocks for ever on a lost INVITE, cannot cancel, never sees a 486, sends an ACK that real phones
reject, knows no Route, and speaks 8-bit audio through a pacer that drifts. `drivers.sip` has the signalling instead,
without I/O, and `drivers.trunk` the way to a server; this file gives them a thread and a clock, and the audio to the
pacer's own process.
"""

import contextlib
import logging
import queue
import random
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import phonenumbers

from drivers import Call, CallHandle, CallPhase, DeviceState, StateChanged, TrunkStatus
from drivers.answering import Verdict
from drivers.backoff import Backoff
from drivers.conversation import By, Conversation, Say
from drivers.guard import guarded, place
from drivers.leg import PLAYED_S, Farewells, Handle, Leg
from drivers.rtp import (
    Failed,
    Finished,
    FirstPacket,
    Heard,
    Key,
    Media,
    PacerEvent,
    PacerGone,
    Stopped,
    Supervisor,
    hear_only,
)
from drivers.sip.call import Answered, CallEvent, Ended, Keyed, Moved, Ringing
from drivers.sip.locate import locate, media_host
from drivers.sip.sdp import PCMA, FarEnd, new_cryptos, offer
from drivers.sip.transaction import Timers
from drivers.trunk import Locator, Trunk
from drivers.voice_options import Options as Options
from drivers.voice_options import rtp_range

log = logging.getLogger("pinwheel.voice")

CLOSE_S = 2.0  # for BYEs and the unregistration to be answered
STILL_LOOKS = 5  # without a turn in between, a second apart, and the thread is given up
STILL_S = 4.0  # without a turn, and status says so
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
class HangUp:
    """A command: end this call, if it is there."""

    handle: Handle


@dataclass(frozen=True, slots=True)
class Close:
    """A command: end all calls and take the registration back."""


@dataclass(frozen=True, slots=True)
class Located:
    """A command: the name of a far end's audio host was looked up. host: its address, or "" """

    number: int
    audio: FarEnd
    host: str


Command = Dial | HangUp | Close | Located


class Signalling:
    """The thread, what it owns, and what others may ask of it; `abandon` is for when it no longer answers.

    Only the thread uses the agent. What fails inside one call ends that call. A thread that fails as a whole hangs up
    its calls itself before it ends; one that hangs has its sockets closed, so that it can do nothing when it wakes up,
    and its successor sends what it left for that: its `farewells`.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        timers: Timers,
        locate: Locator,
        listener: Callable[[StateChanged], None],
        farewells: Farewells = (),
    ) -> None:
        self.turns = 0  # goes up while the thread lives, at least once a second
        self._name = name
        self._options = options
        self._listener = listener
        self._turned_at = time.monotonic()
        self._farewells = farewells
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._status = TrunkStatus(DeviceState.STARTING, server=options.server)
        self._legs: dict[int, Leg] = {}
        self._next_leg = 0
        self._closing_at: float | None = None
        self._abandoned = False
        self._over = False
        self._selector = selectors.DefaultSelector()
        self._audio = Supervisor(name, self._selector)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._trunk = Trunk(options, timers, self._selector, self._rouse, locate)
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)

    # --- for other threads ---

    def open(self) -> None:
        self._thread.start()

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        handle = Handle(lambda handle: self._ask(HangUp(handle)))
        self._ask(Dial(handle, call, progress))
        return handle

    def status(self) -> TrunkStatus:
        """Also of a thread that is dead or hangs."""
        status = replace(self._status, calls=len(self._legs))
        if self.dead:
            return replace(status, state=DeviceState.FAILED, detail="signalling died; it is started again", alive=False)
        still = not self._over and time.monotonic() > self._turned_at + STILL_S
        if still or self._abandoned:
            return replace(status, state=DeviceState.FAILED, detail="signalling does not respond", alive=False)
        return status

    def close(self) -> None:
        self._ask(Close())
        self._thread.join(CLOSE_S + 3)

    @property
    def dead(self) -> bool:
        return not self._thread.is_alive() and self._closing_at is None

    def trouble(self) -> tuple[str, int]:
        """What is wrong with it, for the log, and how many calls that costs."""
        return "died" if self.dead else "stuck", len(self._legs)

    def abandon(self) -> Farewells:
        """The thread does not come back: report its calls, and take from it what it could still do harm with.

        For the watch's thread. The agent is left alone; a thread that wakes up finds every socket closed. Returns what
        is to be sent so that the far ends know.
        """
        self._abandoned = True
        self._over = True
        legs = list(self._legs.values())
        for leg in legs:
            leg.handle.settle(leg.failed("signalling stopped responding"))
        self._refuse_waiting()
        if self._thread.is_alive():
            self._close_all(self._trunk.cut_off)
        return self._farewells + tuple(farewell for leg in legs for farewell in leg.farewells)

    def _ask(self, command: Command) -> None:
        self._commands.put(command)
        if self._over:  # looked at after the put: nobody is left waiting
            self._refuse_waiting()
        self._rouse()

    def _refuse_waiting(self) -> None:
        """Commands that nobody obeys any more."""
        with contextlib.suppress(queue.Empty):
            while True:
                command = self._commands.get_nowait()
                if isinstance(command, Dial):
                    command.handle.refuse("the trunk is not ready")

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake anyway; closed: nobody is there
            self._wake_out.send(b"!")

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._selector.register(self._wake_in, selectors.EVENT_READ)
            while not self._abandoned and not self._closed():
                self._turn()
        except Exception as exc:  # noqa: BLE001 - the watch starts another thread
            if not self._abandoned:  # else it found its sockets closed
                log.error("voice=%s signalling=failed error=%s at=%s", self._name, type(exc).__name__, place(exc))
        finally:
            self._release()

    def _turn(self) -> None:
        self.turns += 1
        now = self._turned_at = time.monotonic()
        self._trunk.turn(now)
        self._audio.turn(now)
        if self._farewells and self._trunk.agent is not None:
            self._trunk.agent.outbox += self._farewells
            self._farewells = ()
        self._legs_turn(now)
        self._trunk.send()
        self._set_status(self._current_status())
        self._selector.select(min(max(self._deadline() - time.monotonic(), 0), 1.0))
        self._read_wake()
        if not self._abandoned:  # while a command held us up
            self._trunk.receive(time.monotonic())
            self._read_audio()

    def _deadline(self) -> float:
        return min([self._trunk.deadline(), self._audio.deadline(), *(leg.deadline for leg in self._legs.values())])

    def _read_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_in.recv(4096)
        self._obey()

    def _obey(self) -> None:
        with contextlib.suppress(queue.Empty):
            while not self._abandoned:
                self._do(self._commands.get_nowait())

    def _do(self, command: Command) -> None:
        match command:
            case Dial(handle):
                with guarded("dial", lambda: self._undo(handle)):
                    self._dial(command)
            case HangUp(handle):
                with guarded("hang up", lambda: self._undo(handle)):
                    self._hang_up(handle)
            case Close():
                with guarded("close"):
                    self._begin_closing()
            case Located(number):
                leg = self._legs.get(number)
                if leg is not None:
                    with guarded("call", partial(self._drop, leg)):
                        self._on_located(leg, command)
            case _:
                assert_never(command)

    def _undo(self, handle: Handle) -> None:
        """A command failed in a way that nobody foresaw."""
        for leg in list(self._legs.values()):
            if leg.handle is handle:
                self._drop(leg)
        handle.refuse("internal error")

    def _current_status(self) -> TrunkStatus:
        """The trunk's, but without audio there are no calls."""
        status = self._trunk.status()
        if self._audio.problem:
            return replace(status, state=DeviceState.FAILED, detail=f"voice failed: {self._audio.problem}")
        if status.state is DeviceState.READY and not self._audio.ready:
            return replace(status, state=DeviceState.STARTING, detail="the audio process is starting")
        return status

    def _set_status(self, status: TrunkStatus) -> None:
        changed = (status.state, status.detail) != (self._status.state, self._status.detail)
        self._status = status
        if changed:
            self._listener(StateChanged())

    # --- calls ---

    def _dial(self, wanted: Dial) -> None:
        handle, call = wanted.handle, wanted.call
        agent, status = self._trunk.agent, self._current_status()
        if agent is None or self._closing_at is not None or status.state is not DeviceState.READY:
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

    def _hang_up(self, handle: Handle) -> None:
        for leg in self._legs.values():
            if leg.handle is handle:
                self._end(leg, time.monotonic())

    def _end(self, leg: Leg, now: float) -> None:
        """Hang up. Before an answer that decides the outcome: what the far end says afterwards does not."""
        if leg.given_up_at is None:
            leg.given_up_at = now
        if self._trunk.agent is not None:
            self._trunk.agent.hang_up(leg.sip, now)

    def _legs_turn(self, now: float) -> None:
        for leg in list(self._legs.values()):
            with guarded("call", partial(self._drop, leg)):
                self._leg_turn(leg, now)

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
        if self._trunk.agent is not None:
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

    def _aim(self, leg: Leg, audio: FarEnd) -> None:
        """Send the audio there; a name is looked up first, one at a time for a call, on a thread of its own."""
        leg.audio = audio
        if leg.looking_up:
            return
        if audio.named:
            leg.looking_up = True
            asked = (leg.number, audio, leg.rtp.family)
            threading.Thread(target=self._look_up, args=asked, name="media-lookup", daemon=True).start()
        elif leg.streaming:
            self._audio.pacer.move(leg.number, self._media(leg, audio))
        else:
            self._play(leg, audio)

    def _look_up(self, number: int, audio: FarEnd, family: socket.AddressFamily) -> None:
        """On a thread of its own."""
        self._ask(Located(number, audio, media_host(audio.host, family)))

    def _on_located(self, leg: Leg, found: Located) -> None:
        leg.looking_up = False
        if leg.ended is not None or leg.audio is None:
            return
        if found.audio is not leg.audio:  # it moved meanwhile
            self._aim(leg, leg.audio)
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
        servers = self._trunk.agent.servers if self._trunk.agent is not None else []
        return leg.media(far, symmetric=self._options.symmetric_rtp, near=tuple(host for host, _ in servers))

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

    # --- the audio process ---

    def _read_audio(self) -> None:
        try:
            events = self._audio.read()
        except PacerGone as exc:  # it ends only the calls that it carried
            for carried in self._legs.values():
                if carried.streaming:
                    self._break(carried, str(exc))
            return
        for event in events:
            leg = self._legs.get(event.call)
            if leg is not None:
                with guarded("call", partial(self._drop, leg)):
                    self._on_pacer(leg, event, time.monotonic())

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

    # --- the end ---

    def _begin_closing(self) -> None:
        now = time.monotonic()
        self._closing_at = now
        for leg in self._legs.values():
            self._end(leg, now)
        self._trunk.unregister(now)

    def _closed(self) -> bool:
        """Nothing is left to be answered, or it took too long."""
        if self._closing_at is None:
            return False
        quiet = not self._legs and self._trunk.idle
        return quiet or time.monotonic() > self._closing_at + CLOSE_S

    def _release(self) -> None:
        """On the thread itself, as the last thing: what is left ends here, and the far ends are told once."""
        self._over = True
        for leg in list(self._legs.values()):
            with guarded("call"):
                self._end_at_last(leg)
        with guarded("send"):
            self._trunk.send()
        self._close_all(self._trunk.close)
        self._refuse_waiting()
        with guarded("status"):
            self._set_status(TrunkStatus(DeviceState.CLOSED, server=self._options.server))

    def _end_at_last(self, leg: Leg) -> None:
        stopped = self._closing_at is not None
        with guarded("hang up"):
            self._end(leg, time.monotonic())
        leg.ended = leg.ended or Ended(0, "the gateway stopped", by_us=True)
        leg.ended_at = leg.ended_at or time.monotonic()
        leg.broken = leg.broken or ("" if stopped else "signalling stopped responding")
        with guarded("call", partial(leg.handle.settle, leg.failed("internal error"))):
            self._finish(leg)

    def _close_all(self, close_trunk: Callable[[], None]) -> None:
        """Sockets and processes. Two threads may do this at a time; what the other one has closed is closed."""
        closing = (self._audio.close, close_trunk, self._selector.close, self._wake_in.close, self._wake_out.close)
        for close in closing:
            with guarded("close"):
                close()


class Driver:
    """One SIP account: its signalling, and a watch over that."""

    def __init__(
        self,
        name: str,
        options: Options,
        timers: Timers | None = None,
        *,
        locate: Locator = locate,
        check_s: float = 1.0,
    ) -> None:
        self.name = name
        self._options = options
        self._timers = timers or Timers()
        self._locate = locate
        self._check_s = check_s
        self._listener: Callable[[StateChanged], None] = lambda _: None
        self._signalling: Signalling | None = None
        self._closing = threading.Event()
        self._watch_thread: threading.Thread | None = None

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        self._listener = listener
        self._closing.clear()
        self._start()
        watch = threading.Thread(target=self._watch, name="voice-watch", daemon=True)
        watch.start()
        self._watch_thread = watch  # not before: one that has not started yet looks like one that died

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        if self._signalling is not None:
            return self._signalling.call(call, progress)
        nobody = Handle(lambda _: None)
        nobody.refuse("the driver is not open")
        return nobody

    def status(self) -> TrunkStatus:
        if self._signalling is None:
            return TrunkStatus(DeviceState.CLOSED, server=self._options.server)
        status = self._signalling.status()
        watched = self._watch_thread is None or self._watch_thread.is_alive()
        if status.alive and not watched:
            return replace(status, detail="the watch over signalling died; restart the daemon", alive=False)
        return status

    def close(self) -> None:
        if self._watch_thread is None or self._signalling is None:
            return
        self._closing.set()
        self._watch_thread.join()
        self._watch_thread = None
        self._signalling.close()

    def _start(self, farewells: Farewells = ()) -> None:
        """What the listener asks of us must be there before it hears anything."""
        self._signalling = Signalling(self.name, self._options, self._timers, self._locate, self._listener, farewells)
        self._signalling.open()

    def _watch(self) -> None:
        """Replace signalling that has died, or has not moved at several looks (not for so long: a suspended host).

        What dies again at once is replaced ever less often.
        """
        watched, turns, still = self._signalling, -1, 0
        backoff, began, not_before = Backoff(self._check_s), time.monotonic(), 0.0
        while not self._closing.wait(self._check_s):
            with guarded("watch"):
                signalling = self._signalling
                assert signalling is not None
                same = signalling is watched and signalling.turns == turns
                watched, turns, still = signalling, signalling.turns, still + 1 if same else 0
                now = time.monotonic()
                if (still >= STILL_LOOKS or signalling.dead) and now >= not_before:
                    not_before, began = now + backoff.pause(now - began), now
                    self._replace(signalling)

    def _replace(self, signalling: Signalling) -> None:
        """Where the new one cannot be started, the next look tries again."""
        log.error("voice=%s signalling=%s calls=%s: begun again", self.name, *signalling.trouble())
        farewells = signalling.abandon()
        with guarded("status"):
            self._listener(StateChanged())
        self._start(farewells)
