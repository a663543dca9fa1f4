"""The voice driver for SIP trunks and PBXs.

pyVoIP 1.6.8 gives its tables: SIPStatus (codes and phrases) here, PayloadType in `drivers.sip.sdp`. Its phone is not
used: it blocks for ever on a lost INVITE, cannot cancel, never sees a 486, sends an ACK that real phones reject,
knows no Route, and speaks 8-bit audio through a pacer that drifts. `drivers.sip` has the signalling instead, without
I/O; this file gives it a socket, a thread and a clock, and gives the audio to the pacer's own process.
"""

import contextlib
import ipaddress
import logging
import queue
import random
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import phonenumbers
import pyVoIP.VoIP  # noqa: F401  before pyVoIP.SIP, which it imports in a circle
from pyVoIP.SIP import SIPStatus

from drivers import (
    Call,
    CallHandle,
    CallOutcome,
    CallPhase,
    CallResult,
    DeviceState,
    StateChanged,
    TrunkStatus,
    Unavailable,
)
from drivers.conversation import Conversation, Say
from drivers.rtp import Key, Pacer, PacerEvent, PacerGone, Stopped
from drivers.sip.agent import UserAgent
from drivers.sip.call import Answered, CallEvent, Ended, Identity, Keyed, Ringing
from drivers.sip.call import Call as SipCall
from drivers.sip.digest import Account
from drivers.sip.message import MAX_DATAGRAM, Malformed, host_port
from drivers.sip.registration import Registration
from drivers.sip.sdp import PCMA, offer
from drivers.sip.transaction import Timers

log = logging.getLogger("pinwheel.voice")

RETRY_S = 2.0  # after a name that did not resolve or a port that was taken
CLOSE_S = 2.0  # for BYEs and the unregistration to be answered
PLAYED_S = 0.5  # how long an ended call waits for the pacer to say how much it played
PACER_SILENT_S = 1.0
SWITCH_PORTS = 50  # tries to find a free RTP port


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of [voice]."""

    server: str = field(default="", metadata={"help": "Registrar and proxy.", "required": True})
    username: str = field(default="", metadata={"help": "The account's user name."})
    password_file: str = field(default="", metadata={"help": "A file with its password."})
    register: bool = field(default=True, metadata={"help": "Register, or rely on the trunk knowing our address."})
    bind: str = field(default="0.0.0.0:0", metadata={"help": "Our address and SIP port; port 0: any."})
    rtp_ports: str = field(default="40000-49999", metadata={"help": "UDP ports for audio."})
    symmetric_rtp: bool = field(
        default=True,
        metadata={"help": "Send audio to where the callee's comes from, as NATs need; false: as told in SDP."},
    )
    dial: str = field(default="{e164}", metadata={"help": "How a number becomes the SIP user:"})
    caller_id: str = field(default="", metadata={"help": "The number or name that callees see."})
    assert_identity: bool = field(
        default=False, metadata={"help": "Tell the trunk our number as P-Asserted-Identity, too (RFC 3325)."}
    )
    hide_number: bool = field(
        default=False, metadata={"help": "Call anonymously; the trunk still learns the number (RFC 3323)."}
    )
    domain: str = field(
        default="", metadata={"help": "Domain of our address and of callees, if the server is only a proxy to it."}
    )
    auth_username: str = field(default="", metadata={"help": "Name for the password, if it is not username."})
    external_address: str = field(
        default="", metadata={"help": "Our address as the trunk sees it, behind a NAT that forwards both ports."}
    )
    keepalive_seconds: int = field(
        default=0, metadata={"help": "Pause between keep-alives that hold a NAT open; 0: none.", "unit": "s", "low": 0}
    )
    ring_seconds: int = field(
        default=30, metadata={"help": "How long it may ring.", "unit": "s", "low": 1, "high": 300}
    )
    repeats: int = field(
        default=2,
        metadata={"help": "How often 1 may be pressed to hear it again; 0: not offered.", "low": 0, "high": 9},
    )
    confirm: str = field(
        default="none",
        metadata={
            "help": 'Say the PIN only to who presses a key ("press1"), so that no voicemail gets it; or "none".',
            "choices": ("none", "press1"),
        },
    )
    limit_seconds: int = field(
        default=120, metadata={"help": "The longest call, from its answer.", "unit": "s", "low": 10, "high": 600}
    )
    max_calls: int = field(default=50, metadata={"help": "Calls at a time.", "low": 1, "high": 1000})


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


def outcome_of(status: int) -> CallOutcome:
    """What a final response to INVITE means for the call."""
    return OUTCOMES.get(status) or CLASSES.get(status // 100, CallOutcome.REJECTED)


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


def caller(options: Options, user: str, domain: str, contact: str, via: str, account: Account | None) -> Identity:
    """Who calls, as callees see it and as the trunk learns it."""
    is_number = options.caller_id.lstrip("+").isdecimal()
    uri = f"sip:{options.caller_id if is_number else user}@{domain}"
    display = "" if is_number else options.caller_id.replace('"', "")
    asserted = (("p-asserted-identity", f"<{uri}>"),) if options.assert_identity or options.hide_number else ()
    if options.hide_number:
        hidden = (*asserted, ("privacy", "id"))
        return Identity("sip:anonymous@anonymous.invalid", contact, via, "Anonymous", account, hidden)
    return Identity(uri, contact, via, display, account, asserted)


class Handle(CallHandle):
    """A call as its caller sees it."""

    def __init__(self, hang_up: Callable[["Handle"], None]) -> None:
        self.result: Future[CallResult] = Future()
        self.result.set_running_or_notify_cancel()
        self._hang_up = hang_up

    def hang_up(self) -> None:
        self._hang_up(self)


@dataclass(slots=True)
class Leg:
    """A call as the thread sees it."""

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
    played_s: float = 0.0
    timed_out: bool = False
    broken: str = ""
    ended: Ended | None = None
    ended_at: float = 0.0

    @property
    def ring_deadline(self) -> float:
        waiting = self.answered_at is None and not self.timed_out and self.ended is None
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

    def audio(self, say: Say) -> bytes:
        """The octets of an utterance."""
        wanted = {
            Say.QUESTION: self.wanted.question,
            Say.SPEECH: self.wanted.audio,
            Say.AGAIN: self.wanted.again,
            Say.BYE: self.wanted.bye,
        }[say]
        return bytes(getattr(wanted, self.law)) if wanted is not None else b""

    def result(self) -> CallResult:
        """Only for an ended call."""
        assert self.ended is not None
        answered = self.answered_at
        ring_until = self.ended_at if answered is None else answered
        ring_s = max(ring_until - self.rang_at, 0.0) if self.rang_at is not None else 0.0
        talk_s = self.ended_at - answered if answered is not None else 0.0
        status = self.ended.status
        reason = self.broken or self.ended.reason or _phrase(status)
        if self.ended.retry_after_s is not None:
            reason += f", try again after {self.ended.retry_after_s} s"
        told = (self.played_s, self.ended.cause, self.talk.keys)
        return CallResult(self._outcome(), status or None, reason, ring_s, talk_s, *told)

    def _outcome(self) -> CallOutcome:
        assert self.ended is not None
        if self.broken:
            return CallOutcome.FAILED
        if self.answered_at is not None:
            return CallOutcome.ANSWERED
        if self.timed_out and self.rang_at is not None:
            return CallOutcome.NO_ANSWER
        if self.timed_out:
            return CallOutcome.UNREACHABLE
        return CallOutcome.CANCELLED if self.ended.by_us else outcome_of(self.ended.status)


def _phrase(status: int) -> str:
    try:
        return str(SIPStatus(status).phrase)
    except ValueError:
        return ""


class Driver:
    """One SIP account. Everything but the public methods runs on its own thread."""

    def __init__(self, name: str, options: Options, timers: Timers | None = None) -> None:
        self.name = name
        self._options = options
        self._timers = timers or Timers()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._status = TrunkStatus(DeviceState.CLOSED, server=options.server)
        self._listener: Callable[[StateChanged], None] = lambda _: None
        self._legs: dict[int, Leg] = {}
        self._next_leg = 0
        self._closing_at: float | None = None
        self._keepalive_due = 0.0
        self._pacer = Pacer()
        self._agent: UserAgent | None = None
        self._socket: socket.socket | None = None
        self._local_host = ""

    # --- the contract ---

    def open(self, listener: Callable[[StateChanged], None]) -> None:
        self._listener = listener
        self._status = TrunkStatus(DeviceState.STARTING, server=self._options.server)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def call(self, call: Call, progress: Callable[[CallPhase], None]) -> CallHandle:
        handle = Handle(lambda handle: self._ask(lambda: self._hang_up(handle)))
        self._ask(lambda: self._dial(handle, call, progress))
        return handle

    def status(self) -> TrunkStatus:
        return replace(self._status, calls=len(self._legs))

    def close(self) -> None:
        if self._thread is not None:
            self._ask(self._begin_closing)
            self._thread.join(CLOSE_S + 3)
            self._thread = None

    def _ask(self, command: Callable[[], None]) -> None:
        self._commands.put(command)
        with contextlib.suppress(OSError):  # full: it is awake anyway; closed: nobody is there
            self._wake_out.send(b"!")

    # --- the thread ---

    def _run(self) -> None:
        self._pacer.open()
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(self._wake_in, selectors.EVENT_READ)
            selector.register(self._pacer.fileno(), selectors.EVENT_READ)
            while not self._closed():
                self._turn()
        self._release()

    def _turn(self) -> None:
        now = time.monotonic()
        if self._agent is None:
            self._connect(now)
        else:
            self._agent.poll(now)
        self._legs_turn(now)
        self._keep_alive(now)
        self._send()
        self._report()
        self._selector.select(min(max(self._deadline() - time.monotonic(), 0), 1.0))
        self._read_wake()
        self._read_sip()
        self._read_pacer()

    def _keep_alive(self, now: float) -> None:
        """Two line ends, as RFC 5626 4.4.1 has them for streams; over UDP servers pass over them (RFC 3261 7.5)."""
        if self._options.keepalive_seconds and self._agent is not None and now >= self._keepalive_due:
            self._agent.outbox.append((b"\r\n\r\n", self._agent.proxy))
            self._keepalive_due = now + self._options.keepalive_seconds

    def _deadline(self) -> float:
        if self._agent is None:
            return time.monotonic() + RETRY_S
        keepalive = self._keepalive_due if self._options.keepalive_seconds else float("inf")
        return min([self._agent.deadline(), keepalive, *(leg.deadline for leg in self._legs.values())])

    def _read_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_in.recv(4096)
        with contextlib.suppress(queue.Empty):
            while True:
                self._commands.get_nowait()()

    def _read_sip(self) -> None:
        while self._socket is not None and self._agent is not None:
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, ConnectionRefusedError):
                return
            except OSError as exc:
                log.warning("voice=%s receive-error=%s", self.name, exc)
                return
            self._agent.receive(data, (source[0], source[1]), time.monotonic())

    def _send(self) -> None:
        if self._agent is None or self._socket is None:
            return
        for data, address in self._agent.outbox:
            try:
                self._socket.sendto(data, address)
            except OSError as exc:  # a lost datagram: the timers send it again
                log.debug("voice=%s send-error=%s", self.name, exc)
        self._agent.outbox.clear()

    # --- the trunk ---

    def _connect(self, now: float) -> None:
        """Find the server, bind the socket, start to register; on failure say why and try again later."""
        try:
            host, port = host_port(self._options.server)
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            password = _password(self._options.password_file)
            self._socket = self._bind(family, address)
        except (OSError, Malformed, ValueError, UnicodeDecodeError) as exc:
            what = exc.strerror if isinstance(exc, OSError) else str(exc)
            self._set_status(DeviceState.WAITING, f"cannot reach {self._options.server}: {what}")
            return
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._agent = self._user_agent(host, (str(address[0]), int(address[1])), password, now)

    def _bind(self, family: int, server: tuple[object, ...]) -> socket.socket:
        """The SIP socket; also learns which of our addresses the server sees."""
        host, port = self._options.bind.rsplit(":", 1)
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.bind((host.strip("[]"), int(port)))
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        self._local_host = sock.getsockname()[0]
        if ipaddress.ip_address(self._local_host).is_unspecified:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(server)
                self._local_host = probe.getsockname()[0]
        return sock

    def _user_agent(self, domain: str, proxy: tuple[str, int], password: str, now: float) -> UserAgent:
        assert self._socket is not None
        options = self._options
        seen = options.external_address or self._local_host
        local = f"{f'[{seen}]' if ':' in seen else seen}:{self._socket.getsockname()[1]}"
        user = options.username or "pinwheel"
        name = options.auth_username or options.username
        account = Account(name, password) if name else None
        identity = caller(options, user, options.domain or domain, f"sip:{user}@{local}", local, account)
        agent = UserAgent(identity, proxy, self._timers)
        if options.register:
            registrar = options.domain or domain
            ours = Identity(f"sip:{user}@{registrar}", identity.contact, local, account=account)
            agent.registration = Registration(ours, f"sip:{registrar}", due=now)
        return agent

    def _report(self) -> None:
        """Bring `status()` up to date."""
        if self._agent is None:
            return
        registration = self._agent.registration
        if registration is None or registration.registered:
            self._set_status(DeviceState.READY, "")
        elif registration.refused:
            self._set_status(DeviceState.FAILED, f"the registrar refuses us: {registration.problem}; check the account")
        else:
            self._set_status(DeviceState.WAITING, f"not registered: {registration.problem}")

    def _set_status(self, state: DeviceState, detail: str) -> None:
        registration = self._agent.registration if self._agent is not None else None
        registered = registration.registered if registration is not None else None
        status = TrunkStatus(state, detail, self._options.server, registered)
        changed = (status.state, status.detail) != (self._status.state, self._status.detail)
        self._status = status
        if changed:
            self._listener(StateChanged())

    # --- calls ---

    def _dial(self, handle: Handle, call: Call, progress: Callable[[CallPhase], None]) -> None:
        agent = self._agent
        if agent is None or self._closing_at is not None or self._status.state is not DeviceState.READY:
            handle.result.set_exception(Unavailable(self._status.detail or "the trunk is not ready"))
            return
        try:
            rtp, rtcp = self._rtp_sockets()
        except OSError:
            handle.result.set_exception(Unavailable(f"no free UDP port in rtp_ports {self._options.rtp_ports}"))
            return
        user = dialled(self._options.dial, call.number)
        domain = self._options.domain or host_port(self._options.server)[0]
        sdp = offer(self._options.external_address or self._local_host, rtp.getsockname()[1], secrets.randbelow(10**9))
        now = time.monotonic()
        sip = agent.call(f"sip:{user}@{domain}", sdp, now)
        self._next_leg += 1
        talk = Conversation(call.question is not None, call.repeats if call.again is not None else 0)
        self._legs[self._next_leg] = Leg(handle, call, progress, self._next_leg, sip, rtp, rtcp, now, talk=talk)
        progress(CallPhase.DIALLING)

    def _rtp_sockets(self) -> tuple[socket.socket, socket.socket]:
        """UDP sockets on a free even port of rtp_ports and on the next, for RTCP (RFC 3550 11). Raises OSError."""
        low, _, high = self._options.rtp_ports.partition("-")
        even = range(int(low) + int(low) % 2, int(high or low), 2)
        for port in random.sample(even, min(len(even), SWITCH_PORTS)):
            with contextlib.ExitStack() as opened:
                rtp, rtcp = (opened.enter_context(self._udp_socket()) for _ in range(2))
                try:
                    rtp.bind((self._local_host, port))
                    rtcp.bind((self._local_host, port + 1))
                except OSError:
                    continue
                opened.pop_all()
                return rtp, rtcp
        raise OSError("no free port")

    def _udp_socket(self) -> socket.socket:
        return socket.socket(socket.AF_INET6 if ":" in self._local_host else socket.AF_INET, socket.SOCK_DGRAM)

    def _hang_up(self, handle: Handle) -> None:
        for leg in self._legs.values():
            if leg.handle is handle and self._agent is not None:
                self._agent.hang_up(leg.sip, time.monotonic())

    def _legs_turn(self, now: float) -> None:
        for leg in list(self._legs.values()):
            while leg.sip.events:
                self._on_event(leg, leg.sip.events.pop(0), now)
            if now >= leg.ring_deadline and self._agent is not None:
                leg.timed_out = True
                self._agent.hang_up(leg.sip, now)
            if leg.ended is None and leg.answered_at is not None:
                self._talk_turn(leg, now)
            if leg.ended is not None and (not leg.streaming or now >= leg.ended_at + PLAYED_S):
                self._finish(leg)

    def _talk_turn(self, leg: Leg, now: float) -> None:
        self._say(leg, leg.talk.due(now))
        if (leg.talk.over or now >= leg.talk_deadline) and self._agent is not None:
            self._agent.hang_up(leg.sip, now)

    def _say(self, leg: Leg, say: Say | None) -> None:
        if say is not None and leg.streaming:
            self._pacer.say(leg.number, leg.audio(say))

    def _on_event(self, leg: Leg, event: CallEvent, now: float) -> None:
        if isinstance(event, Ringing):
            leg.rang_at = now
            leg.progress(CallPhase.RINGING)
        elif isinstance(event, Answered):
            leg.answered_at = now
            leg.progress(CallPhase.ANSWERED)
            self._play(leg, event)
        elif isinstance(event, Keyed):
            self._say(leg, leg.talk.key(event.digit, now))
        else:
            leg.ended, leg.ended_at = event, now
            if leg.streaming:
                self._pacer.stop(leg.number)

    def _play(self, leg: Leg, answered: Answered) -> None:
        leg.law = "pcma" if answered.audio.payload_type == PCMA else "pcmu"
        target = (answered.audio.host, answered.audio.port)
        if not self._options.symmetric_rtp:
            try:
                leg.rtp.connect(target)
            except OSError as exc:
                self._break(leg, f"no way to the callee's audio: {exc.strerror}")
                return
        first, payload_type, keys = leg.audio(leg.talk.begin()), answered.audio.payload_type, answered.audio.events
        open_target = target if self._options.symmetric_rtp else None
        self._pacer.play(
            leg.number, leg.rtp, payload_type, first, events=keys, hold=True, target=open_target, rtcp=leg.rtcp
        )
        leg.streaming = True

    def _break(self, leg: Leg, why: str) -> None:
        """Our side failed: hang up and say so."""
        leg.broken, leg.streaming = why, False
        if self._agent is not None:
            self._agent.hang_up(leg.sip, time.monotonic())

    def _finish(self, leg: Leg) -> None:
        leg.rtp.close()
        leg.rtcp.close()
        del self._legs[leg.number]
        leg.handle.result.set_result(leg.result())

    # --- the pacer ---

    def _read_pacer(self) -> None:
        try:
            events = self._pacer.read()
            if self._pacer.silent_for(time.monotonic()) > PACER_SILENT_S:
                raise PacerGone
        except PacerGone:
            self._restart_pacer()
            return
        for event in events:
            leg = self._legs.get(event.call)
            if leg is not None:
                self._on_pacer(leg, event, time.monotonic())

    def _on_pacer(self, leg: Leg, event: PacerEvent, now: float) -> None:
        if isinstance(event, Key):
            self._say(leg, leg.talk.key(event.digit, now))
            return
        if leg.talk.said is Say.SPEECH:
            leg.played_s = event.played_s
        if isinstance(event, Stopped):
            leg.streaming = False
        elif event.played_s == round(len(leg.audio(leg.talk.said)) / 8000, 3):  # not of one that a key cut short
            self._say(leg, leg.talk.played(now))

    def _restart_pacer(self) -> None:
        """The audio process died or hangs: end only the calls that it carried."""
        log.error("voice=%s pacer=gone calls=%s", self.name, sum(leg.streaming for leg in self._legs.values()))
        self._selector.unregister(self._pacer.fileno())
        self._pacer.close()
        for leg in self._legs.values():
            if leg.streaming:
                self._break(leg, "the audio process ended")
        self._pacer.open()
        self._selector.register(self._pacer.fileno(), selectors.EVENT_READ)

    # --- the end ---

    def _begin_closing(self) -> None:
        now = time.monotonic()
        self._closing_at = now
        if self._agent is None:
            return
        for leg in self._legs.values():
            self._agent.hang_up(leg.sip, now)
        if self._agent.registration is not None:
            self._agent.unregister(now)
            self._agent.registration.due = float("inf")

    def _closed(self) -> bool:
        """Nothing is left to be answered, or it took too long."""
        if self._closing_at is None:
            return False
        quiet = self._agent is None or (not self._legs and self._agent.idle)
        return quiet or time.monotonic() > self._closing_at + CLOSE_S

    def _release(self) -> None:
        for leg in list(self._legs.values()):
            leg.ended = leg.ended or Ended(0, "the gateway stopped", by_us=True)
            leg.ended_at = leg.ended_at or time.monotonic()
            self._finish(leg)
        self._pacer.close()
        for sock in (self._socket, self._wake_in, self._wake_out):
            if sock is not None:
                sock.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._commands.get_nowait()()
        self._set_status(DeviceState.CLOSED, "")


def _password(path: str) -> str:
    return Path(path).read_text().strip() if path else ""
