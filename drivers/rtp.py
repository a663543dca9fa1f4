"""The RTP pacer: a process of its own that puts ready G.711 frames on the wire, one every 20 ms or as was agreed.

A process, because a busy Python thread beside the sender ruins the grid (measured: p99 172 ms between frames). The
driver gives it a socket and the whole audio of a call, and hears how much of it was sent. Sending runs on an absolute
clock: a late frame does not delay the next. Between two utterances of a call it sends silence, so that the stream
never breaks off. It listens for keys (RFC 4733), and where it is asked to, for who answered. With keys for SRTP nothing
leaves in clear, and what is not the far end's is not heard. It ends when the driver's end of the channel closes.

`Pacer` is the driver's side; `python -m drivers.rtp FD` is the process.
"""

import contextlib
import ctypes
import gc
import heapq
import json
import os
import random
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from drivers.answering import Listener
from drivers.srtp import CannotProtect, Guard, Keys

FRAME_MS = 20  # RFC 3551 4.2: the default packet time
OCTETS_A_MS = 8  # G.711
HEADER = struct.Struct("!BBHII")  # RFC 3550 5.1
VERSION_2 = 0x80
MARKER = 0x80  # RFC 3551 4.1: the first frame of a talkspurt
PADDING, EXTENSION, SOURCES = 0x20, 0x10, 0x0F
RTCP_TYPES = range(64, 96)  # where RTCP would show, if it came to this port (RFC 5761 4)
EXPEDITED_FORWARDING = 46 << 2  # RFC 3246, as RFC 4594 4.1 asks for telephony
STALL_S = 0.100  # later than this, and the callee hears a gap rather than a burst
HEARTBEAT_S = 0.25
SILENT_S = 0.9  # without a heartbeat it is gone
START_S = 10.0  # for the process's first sign of life
BACKLOG_S = 0.1  # how long a full channel is waited for
MAX_MESSAGE = 4096
SILENCE = {0: b"\xff", 8: b"\xd5"}  # of PCMU and PCMA, by payload type (G.711)
KEYS = "0123456789*#ABCD"  # events 0 to 15 (RFC 4733 3.2)

# A kernel filter that lets only some payload types through (Linux socket-filter.txt): the callee's speech wakes nobody.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
UDP_HEADER = 8
IN_STEP = 0x3FF  # of SRTP one packet in 1024 comes through, whose index must not run away unseen (RFC 3711 3.3.1)

RTCP_S, FIRST_RTCP_S = 5.0, 2.5  # the least interval, and half of it for the first (RFC 3550 6.2, 6.3.1)
SENDER_REPORT = struct.Struct("!BBHIIIIII")  # RFC 3550 6.4.1, without report blocks: we do not listen to speech
SR, SDES, BYE = 200, 202, 203
CNAME = 1
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970


class PacerGone(Exception):
    """The process ended, or its channel broke; what it played is lost."""


@dataclass(frozen=True, slots=True)
class Media:
    """What was agreed on a call's audio.

    target: where to; None for a socket that is connected. symmetric: rather to where the far end's first packet comes
    from, which through a NAT is not where it said (RFC 4961). rtcp_port: of the target, 0 for none. events: the payload
    types of keys. held: the far end does not want to hear anything now.
    """

    payload_type: int
    target: tuple[str, int] | None = None
    symmetric: bool = False
    rtcp_port: int = 0
    events: tuple[int, ...] = ()
    frame_ms: int = FRAME_MS
    held: bool = False
    keys: Keys | None = None

    def to_message(self) -> dict[str, Any]:
        return asdict(self) | {"keys": self.keys.to_message() if self.keys is not None else None}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Media":
        target, keys = message["target"], message["keys"]
        changed = {"target": tuple(target) if target else None, "events": tuple(message["events"])}
        return cls(**(message | changed | {"keys": Keys.from_message(keys) if keys else None}))


@dataclass(frozen=True, slots=True)
class Finished:
    """All of an utterance was sent. played_s: how long it was."""

    call: int
    utterance: int
    played_s: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call was stopped within this utterance or after it."""

    call: int
    utterance: int
    played_s: float


@dataclass(frozen=True, slots=True)
class Key:
    """The callee pressed a key."""

    call: int
    digit: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Who answered: a verdict of `drivers.answering`."""

    call: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing can be sent, and nothing was."""

    call: int
    why: str


PacerEvent = Finished | Stopped | Key | Heard | Failed
EVENTS: dict[str, type[PacerEvent]] = {
    "finished": Finished,
    "stopped": Stopped,
    "key": Key,
    "heard": Heard,
    "failed": Failed,
}


# --- the driver's side -------------------------------------------------------------------------------------


class Pacer:
    """The process and the channel to it. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._heard_at = self._read_at = 0.0
        self._broken = False

    def open(self) -> None:
        """Start the process; returns at once. Raises OSError when none can be started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", "-m", "drivers.rtp", str(theirs.fileno())]
            try:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        self._channel, self._broken = ours, False
        self._read_at = time.monotonic()
        self._heard_at = self._read_at + START_S

    def close(self, grace_s: float = 0.5) -> None:
        """End the process and reap it. grace_s: for its last goodbyes."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of the process; 0 where there is none."""
        return self._process.pid if self._process is not None else 0

    def fileno(self) -> int:
        """Readable when `read` has something to say."""
        return self._channel.fileno() if self._channel is not None else -1

    def play(
        self,
        call: int,
        sock: socket.socket,
        media: Media,
        payload: bytes,
        *,
        utterance: int = 0,
        hold: bool = False,
        listen: bool = False,
        rtcp: socket.socket | None = None,
    ) -> None:
        """Send the audio through a UDP socket, from now on. A broken channel shows in `read`.

        utterance: a number of the caller's, told in events. hold: after it, silence until `say` or `stop`. listen: to
        what the callee says, until `Heard` tells who that is, or something is said. rtcp: a socket for sender reports.
        """
        message = {"play": call, "media": media.to_message(), "utterance": utterance, "hold": hold, "listen": listen}
        self._tell(message, [sock.fileno()] + ([rtcp.fileno()] if rtcp is not None else []), payload)

    def say(self, call: int, payload: bytes, *, utterance: int = 0) -> None:
        """Go on with this in the stream of a call that is held, or in place of what it plays."""
        self._tell({"say": call, "utterance": utterance}, [], payload)

    def move(self, call: int, media: Media) -> None:
        """From now on like this, in the same stream; the law and our key stay."""
        self._tell({"move": call, "media": media.to_message()})

    def stop(self, call: int) -> None:
        """Stop now; `Stopped` follows, unless it had finished."""
        self._tell({"stop": call})

    def _tell(self, message: dict[str, Any], descriptors: list[int] | None = None, audio: bytes | None = None) -> None:
        """One message; audio goes with it as a file in memory."""
        assert self._channel is not None
        with contextlib.ExitStack() as opened:
            sent = list(descriptors or ())
            if audio is not None:
                file = opened.enter_context(open(os.memfd_create("pinwheel-audio"), "wb", buffering=0))
                file.write(audio)
                sent.append(file.fileno())
            try:
                writable = select.poll()
                writable.register(self._channel, select.POLLOUT)
                writable.poll(BACKLOG_S * 1000)
                socket.send_fds(self._channel, [json.dumps(message).encode()], sent)
            except OSError:  # also BlockingIOError: a process that does not read is as good as gone
                self._broken = True

    def read(self) -> list[PacerEvent]:
        """What happened since the last time; never blocks. Raises PacerGone, also when it has been silent for long."""
        events: list[PacerEvent] = []
        assert self._channel is not None
        while not self._broken:
            try:
                data = self._channel.recv(MAX_MESSAGE)
            except BlockingIOError:
                self._judge_silence(time.monotonic())
                return events
            except OSError:
                break
            if not data:
                break
            self._heard_at = max(self._heard_at, time.monotonic())
            kind, *details = json.loads(data)
            if kind == "alive":
                self._heard_at = time.monotonic()
            else:
                events.append(EVENTS[kind](*details))
        raise PacerGone("the audio process ended")

    def deadline(self) -> float:
        """When `read` is to be called next, whatever happens."""
        return self._read_at + HEARTBEAT_S

    def _judge_silence(self, now: float) -> None:
        """Raises PacerGone. Where we ourselves did not look for long, it may only just have been stopped, too."""
        if now - self._read_at > 2 * HEARTBEAT_S:
            self._heard_at = max(self._heard_at, now)
        self._read_at = now
        if now - self._heard_at > SILENT_S:
            raise PacerGone("the audio process hangs")


# --- the process -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stream:
    """One call's audio on its way."""

    call: int
    sock: socket.socket
    media: Media
    payload: bytes = field(repr=False)
    due: float
    utterance: int = 0
    hold: bool = False
    guard: Guard | None = None
    ear: Listener | None = None
    target: tuple[str, int] | None = None  # until the socket is connected
    told: bool = False  # that it is finished
    last_event: tuple[int, int] = (-1, 0)  # source and time stamp of the last key
    rtcp: socket.socket | None = None
    rtcp_due: float = float("inf")
    packets: int = 0
    octets: int = 0
    position: int = 0  # in the payload
    marker: int = MARKER
    # RFC 3550 5.1: all three start at random; the sequence in its lower half, so that no receiver misses that it
    # began anew (RFC 3711 3.3.1).
    sequence: int = field(default_factory=lambda: random.SystemRandom().getrandbits(15))
    timestamp: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))
    source: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))

    @property
    def played_s(self) -> float:
        return round(min(self.position, len(self.payload)) / 8000, 3)

    @property
    def finished(self) -> bool:
        return self.position >= len(self.payload)

    def send_frame(self, now: float) -> None:
        """The next frame, and when the one after it is due."""
        if now - self.due > STALL_S:
            self._resume(now)
        frame_ms = self.media.frame_ms
        octets = frame_ms * OCTETS_A_MS
        if self.media.held:
            self.marker = MARKER
        else:
            self._send(octets)
        self.timestamp = (self.timestamp + octets) & 0xFFFFFFFF
        self.due += frame_ms / 1000

    def _send(self, octets: int) -> None:
        payload_type = self.media.payload_type
        frame = self.payload[self.position : self.position + octets]
        if len(frame) < octets:
            frame = frame.ljust(octets, SILENCE[payload_type])
        packet = HEADER.pack(VERSION_2, self.marker | payload_type, self.sequence, self.timestamp, self.source) + frame
        if self.guard is not None:
            packet = self.guard.protect(packet)
        # A refused or full socket loses this frame, as the network may lose any.
        with contextlib.suppress(OSError):
            self.sock.sendto(packet, self.target) if self.target else self.sock.send(packet)
        self.marker = 0
        self.packets += 1
        self.octets += octets
        self.sequence = (self.sequence + 1) & 0xFFFF
        if self.position < len(self.payload):
            self.position += octets

    def say(self, utterance: int, payload: bytes) -> None:
        """The next utterance of the same stream."""
        self.utterance, self.payload, self.position, self.told, self.marker = utterance, payload, 0, False, MARKER
        if self.ear is not None:
            self.listened()

    def aim(self, media: Media) -> None:
        """Send like this from now on. Raises OSError where there is no way, CannotProtect for bad keys."""
        if media.keys is not None and self.guard is None:
            self.guard = Guard(media.keys)
        elif media.keys is not None and self.guard is not None and media.keys != self.media.keys:
            self.guard.expect(media.keys.theirs)
        self.media, self.target = media, None
        if media.target is not None:
            self.sock.connect(media.target)  # also finds out whether there is a way
        if media.target is not None and media.symmetric:
            self.target = media.target
            _disconnect(self.sock)
        self.filter()

    def filter(self) -> None:
        """Only what somebody wants to hear wakes us."""
        if self.target is not None or self.ear is not None:
            hear_all(self.sock)
        else:
            hear_only(self.sock, self.media.events, in_step=self.guard is not None)

    def listened(self) -> None:
        """It is known who answered, or does not matter any more."""
        self.ear = None
        self.filter()

    def report(self, now: float, *, goodbye: bool = False) -> None:
        """A sender report (RFC 3550 6.4.1), with the name of the source; at the end, its goodbye."""
        if self.rtcp is None:
            return
        self.rtcp_due = now + RTCP_S
        wall = time.time() + NTP_EPOCH_S
        clock = (int(wall) & 0xFFFFFFFF, int(wall % 1 * 2**32), self.timestamp)
        counts = (self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF)
        packet = SENDER_REPORT.pack(VERSION_2, SR, 6, self.source, *clock, *counts)
        name = b"%08x" % self.source
        packet += struct.pack("!BBHIBB8sH", VERSION_2 | 1, SDES, 4, self.source, CNAME, len(name), name, 0)
        packet += struct.pack("!BBHI", VERSION_2 | 1, BYE, 1, self.source) if goodbye else b""
        if self.guard is not None:
            packet = self.guard.protect_rtcp(packet)
        with contextlib.suppress(OSError):
            self.rtcp.sendto(packet, self._rtcp_target())

    def _rtcp_target(self) -> tuple[str, int]:
        """The far end's address for reports. Raises OSError where it has none."""
        host, port = (self.target or self.sock.getpeername())[:2]
        said = self.media.target is not None and self.media.target[1] == port
        rtcp_port = self.media.rtcp_port if said else port + 1
        if not 0 < rtcp_port < 65536:
            raise OSError("no port for RTCP")
        return host, rtcp_port

    def close(self) -> None:
        for sock in (self.sock, self.rtcp):
            if sock is not None:
                sock.close()

    def heard(self, packet: bytes, source: tuple[str, int], now: float) -> tuple[str, str] | None:
        """Take a packet of the far end: the first tells where it is. Returns what it tells: a key, or who answered."""
        if len(packet) < HEADER.size or packet[0] & 0xC0 != VERSION_2 or packet[1] & 0x7F in RTCP_TYPES:
            return None
        if self.guard is not None:
            packet = self.guard.unprotect(packet)
        if not packet:
            return None
        if self.target is not None:
            self.sock.connect(source)
            self.target = None
            self.filter()
        payload_type = packet[1] & 0x7F
        if payload_type in self.media.events:
            return self._key(packet)
        if self.ear is not None and payload_type in SILENCE:
            return self.judged(self.ear.hear(payload_of(packet), payload_type, now))
        return None

    def judged(self, verdict: str | None) -> tuple[str, str] | None:
        """What there is to tell of a verdict."""
        if verdict is None:
            return None
        self.listened()
        return "heard", verdict

    def _key(self, packet: bytes) -> tuple[str, str] | None:
        """The key that this packet tells first: an event is several packets of one time stamp (RFC 4733 2.5.1)."""
        payload = payload_of(packet)
        _, _, _, timestamp, source = HEADER.unpack_from(packet)
        last_source, last = self.last_event
        newer = source != last_source or 0 < (timestamp - last) & 0xFFFFFFFF < 1 << 31
        if len(payload) < 4 or payload[0] >= len(KEYS) or not newer:
            return None
        self.last_event = source, timestamp
        return "key", KEYS[payload[0]]

    def _resume(self, now: float) -> None:
        """After a stall: a gap of its true length, then the next frame; no word is dropped and nothing bursts out."""
        frame_s = self.media.frame_ms / 1000
        missed = int((now - self.due) / frame_s)
        self.due += missed * frame_s
        self.timestamp = (self.timestamp + missed * self.media.frame_ms * OCTETS_A_MS) & 0xFFFFFFFF
        self.marker = MARKER


def payload_of(packet: bytes) -> bytes:
    """What follows the header, its list of sources and its extension (RFC 3550 5.1), without padding."""
    start = HEADER.size + 4 * (packet[0] & SOURCES)
    if packet[0] & EXTENSION:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    return packet[start : len(packet) - (packet[-1] if packet[0] & PADDING else 0)]


class Process:
    """The pacer's main loop: sleep until a frame is due or the driver says something."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._streams: dict[int, Stream] = {}
        self._queue: list[tuple[float, int]] = []
        self._heartbeat_due = 0.0
        self._listening = select.epoll()  # its own waits are rounded to milliseconds: it is only looked at
        self._by_socket: dict[int, Stream] = {}

    def run(self) -> None:
        """Until the driver is gone."""
        while True:
            now = time.monotonic()
            self._send_due(now)
            if now >= self._heartbeat_due:
                self._report("alive")
                self._heartbeat_due = now + HEARTBEAT_S
            due = min(self._queue[0][0] if self._queue else float("inf"), self._heartbeat_due)
            channel, listening = self._channel.fileno(), self._listening.fileno()
            readable, _, _ = select.select([channel, listening], [], [], max(due - time.monotonic(), 0))
            if listening in readable:
                self._read_far_ends()
            if channel in readable and not self._command():
                return

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            _, call = heapq.heappop(self._queue)
            stream = self._streams.get(call)
            if stream is None:
                continue
            if stream.finished and not stream.told:  # the last frame has had its time
                stream.told = True
                if not stream.hold:
                    self._end("finished", stream)
                    continue
                self._report("finished", stream.call, stream.utterance, stream.played_s)
            stream.send_frame(time.monotonic())
            if stream.ear is not None:
                self._tell_of(stream, stream.judged(stream.ear.wait(now)))
            if now >= stream.rtcp_due:
                stream.report(now)
            heapq.heappush(self._queue, (stream.due, call))

    def _command(self) -> bool:
        """Obey one message; False when the driver is gone."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 3)
        except OSError:  # it went without reading our last words
            return False
        if not data:
            return False
        message = json.loads(data)
        if flags & socket.MSG_CTRUNC:
            self._refuse(message, descriptors)
        elif "play" in message:
            self._play(message, descriptors)
        elif "say" in message:
            payload = _audio(descriptors)
            if message["say"] in self._streams:
                self._streams[message["say"]].say(message["utterance"], payload)
        elif "move" in message:
            if message["move"] in self._streams:
                self._move(self._streams[message["move"]], Media.from_message(message["media"]))
        elif message["stop"] in self._streams:
            self._end("stopped", self._streams[message["stop"]])
        return True

    def _refuse(self, message: dict[str, Any], descriptors: list[int]) -> None:
        """Not all descriptors of a message could be had."""
        for descriptor in descriptors:
            os.close(descriptor)
        call, why = (
            message["play"] if "play" in message else message["say"],
            "the audio process has too many files open",
        )
        if call in self._streams:
            self._fail(self._streams[call], why)
        else:
            self._report("failed", call, why)

    def _play(self, message: dict[str, Any], descriptors: list[int]) -> None:
        payload = _audio(descriptors[-1:])
        sock, *others = [socket.socket(fileno=descriptor) for descriptor in descriptors[:-1]]
        now, media = time.monotonic(), Media.from_message(message["media"])
        stream = Stream(message["play"], sock, media, payload, now, message["utterance"], message["hold"])
        if message["listen"]:
            stream.ear = Listener(now)
        for rtcp in others:
            stream.rtcp, stream.rtcp_due = rtcp, now + FIRST_RTCP_S
            hear_only(rtcp, ())
        for each in (sock, *others):
            each.setblocking(False)
            _mark_for_telephony(each)
        self._streams[stream.call] = self._by_socket[sock.fileno()] = stream
        self._listening.register(sock, select.EPOLLIN)
        if self._move(stream, media):
            heapq.heappush(self._queue, (stream.due, stream.call))

    def _move(self, stream: Stream, media: Media) -> bool:
        """Whether there is a way."""
        try:
            stream.aim(media)
        except OSError as exc:
            self._fail(stream, f"no way to the callee's audio: {exc.strerror}")
        except CannotProtect as exc:
            self._fail(stream, str(exc))
        else:
            return True
        return False

    def _read_far_ends(self) -> None:
        now = time.monotonic()
        for descriptor, _ in self._listening.poll(0):
            stream = self._by_socket[descriptor]
            with contextlib.suppress(OSError):  # also an ICMP error that a frame of ours met
                self._tell_of(stream, stream.heard(*stream.sock.recvfrom(MAX_MESSAGE), now))

    def _tell_of(self, stream: Stream, news: tuple[str, str] | None) -> None:
        if news is not None:
            self._report(news[0], stream.call, news[1])

    def _end(self, how: str, stream: Stream) -> None:
        stream.report(time.monotonic(), goodbye=True)
        self._forget(stream)
        self._report(how, stream.call, stream.utterance, stream.played_s)

    def _fail(self, stream: Stream, why: str) -> None:
        self._forget(stream)
        self._report("failed", stream.call, why)

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.call], self._by_socket[stream.sock.fileno()]
        self._listening.unregister(stream.sock)
        stream.close()

    def _report(self, kind: str, *details: float | str) -> None:
        # A driver that does not read for minutes misses heartbeats; one that is gone shows as end of file.
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps([kind, *details]).encode(), socket.MSG_DONTWAIT)


def _audio(descriptors: list[int]) -> bytes:
    with open(descriptors[0], "rb") as audio:
        audio.seek(0)
        return audio.read()


def hear_only(sock: socket.socket, payload_types: tuple[int, ...], *, in_step: bool = False) -> None:
    """Let only packets of these payload types through, and of all others one in 1024, if that is to keep in step."""
    accept, drop = (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)
    sometimes = (
        (0x28, 0, 0, UDP_HEADER + 2),
        (0x45, 1, 0, IN_STEP),
        accept,
    )  # the sequence number; skip if it has bits
    compare = [(0x15, len(payload_types) - i, 0, number) for i, number in enumerate(payload_types)]
    program = (
        *(sometimes if in_step else ()),
        (0x30, 0, 0, UDP_HEADER + 1),  # load the second octet of the RTP header
        (0x54, 0, 0, 0x7F),  # without the marker
        *compare,  # skip to the end if equal
        drop,
        accept,
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(code))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_program)


def hear_all(sock: socket.socket) -> None:
    """Take the filter off."""
    with contextlib.suppress(OSError):  # there was none
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def _disconnect(sock: socket.socket) -> None:
    """Take packets from anywhere again: connect() to no family (udp(7)), which Python's own cannot."""
    ctypes.CDLL(None).connect(sock.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)


def _mark_for_telephony(sock: socket.socket) -> None:
    level, option = (
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        if sock.family == socket.AF_INET6
        else (socket.IPPROTO_IP, socket.IP_TOS)
    )
    with contextlib.suppress(OSError):
        sock.setsockopt(level, option, EXPEDITED_FORWARDING)


def main() -> None:
    """The process: its one argument is the inherited descriptor of the channel."""
    for number in (signal.SIGINT, signal.SIGTERM):  # it ends with the driver, after the last goodbye
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    with contextlib.suppress(OSError, ValueError):  # a call has two sockets; the usual limit is 1024
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()  # nothing here makes cycles, and a collection would be heard
    Process(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
