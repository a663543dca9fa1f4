"""The RTP pacer: a process of its own that puts ready G.711 frames on the wire, one every 20 ms.

A process, because a busy Python thread beside the sender ruins the grid (measured: p99 172 ms between frames). The
driver gives it a connected socket and the whole audio of a call, and hears how much of it was sent. Sending runs on an
absolute clock: a late frame does not delay the next. Between two utterances of a call it sends silence, so that the
stream never breaks off, and it listens for keys (RFC 4733). It ends when the driver's end of the channel closes.

`Pacer` is the driver's side; `python -m drivers.rtp FD` is the process.
"""

import contextlib
import ctypes
import gc
import heapq
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

FRAME_S = 0.020  # RFC 3551 4.2: the default packet time
FRAME_OCTETS = 160  # 8000 octets a second
HEADER = struct.Struct("!BBHII")  # RFC 3550 5.1
VERSION_2 = 0x80
MARKER = 0x80  # RFC 3551 4.1: the first frame of a talkspurt
EXPEDITED_FORWARDING = 46 << 2  # RFC 3246, as RFC 4594 4.1 asks for telephony
STALL_S = 0.100  # later than this, and the callee hears a gap rather than a burst
HEARTBEAT_S = 0.25
START_S = 10.0  # for the process's first sign of life
MAX_MESSAGE = 4096
SILENCE = {0: b"\xff", 8: b"\xd5"}  # of PCMU and PCMA, by payload type (G.711)
KEYS = "0123456789*#ABCD"  # events 0 to 15 (RFC 4733 3.2)

# A kernel filter that lets only one payload type through (Linux socket-filter.txt): the callee's speech wakes nobody.
SO_ATTACH_FILTER = 26
UDP_HEADER = 8

RTCP_S, FIRST_RTCP_S = 5.0, 2.5  # the least interval, and half of it for the first (RFC 3550 6.2, 6.3.1)
SENDER_REPORT = struct.Struct("!BBHIIIIII")  # RFC 3550 6.4.1, without report blocks: we do not listen to speech
SR, SDES, BYE = 200, 202, 203
CNAME = 1
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970


class PacerGone(Exception):
    """The process ended, or its channel broke; what it played is lost."""


@dataclass(frozen=True, slots=True)
class Finished:
    """All of the audio was sent. played_s: how long it was."""

    call: int
    played_s: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """It was stopped before its end."""

    call: int
    played_s: float


@dataclass(frozen=True, slots=True)
class Key:
    """The callee pressed a key."""

    call: int
    digit: str


PacerEvent = Finished | Stopped | Key
EVENTS: dict[str, type[Finished] | type[Stopped] | type[Key]] = {"finished": Finished, "stopped": Stopped, "key": Key}


# --- the driver's side -------------------------------------------------------------------------------------


class Pacer:
    """The process and the channel to it. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._heard_at = 0.0
        self._broken = False

    def open(self) -> None:
        """Start the process; returns at once. Raises OSError when none can be started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", "-m", "drivers.rtp", str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        ours.setblocking(False)
        self._channel, self._broken = ours, False
        self._heard_at = time.monotonic() + START_S

    def close(self) -> None:
        """End the process and reap it."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
            self._process.kill()
            self._process.wait()
            self._process = None

    def fileno(self) -> int:
        """Readable when `read` has something to say."""
        return self._channel.fileno() if self._channel is not None else -1

    def play(
        self,
        call: int,
        sock: socket.socket,
        payload_type: int,
        payload: bytes,
        *,
        events: int | None = None,
        hold: bool = False,
        target: tuple[str, int] | None = None,
        rtcp: socket.socket | None = None,
    ) -> None:
        """Send the audio through a connected UDP socket, from now on. A broken channel shows in `read`.

        rtcp: a socket for sender reports, which go to the port after that of the audio (RFC 3550 11).
        events: the payload type of keys, if the far end sends them; hold: after it, silence until `say` or `stop`.
        target: of a socket that is not connected; it is, once, to where the far end's first packet comes from, which
        through a NAT is not where it said (symmetric RTP, RFC 4961).
        """
        message: dict[str, Any] = {
            "play": call,
            "payload_type": payload_type,
            "events": -1 if events is None else events,
        }
        message |= {"hold": int(hold), "target": list(target) if target else None}
        sockets = [sock.fileno()] + ([rtcp.fileno()] if rtcp is not None else [])
        self._tell_with_audio(message, sockets, payload)

    def say(self, call: int, payload: bytes) -> None:
        """Go on with this in the stream of a call that is held, or in place of what it plays."""
        self._tell_with_audio({"say": call}, [], payload)

    def _tell_with_audio(self, message: dict[str, Any], descriptors: list[int], payload: bytes) -> None:
        with open(os.memfd_create("pinwheel-audio"), "wb", buffering=0) as audio:
            audio.write(payload)
            self._tell(message, [*descriptors, audio.fileno()])

    def stop(self, call: int) -> None:
        """Stop now; `Stopped` follows, unless it had finished."""
        self._tell({"stop": call}, [])

    def _tell(self, message: dict[str, Any], descriptors: list[int]) -> None:
        assert self._channel is not None
        try:
            socket.send_fds(self._channel, [json.dumps(message).encode()], descriptors)
        except OSError:  # also BlockingIOError: a process that does not read is as good as gone
            self._broken = True

    def read(self) -> list[PacerEvent]:
        """What happened since the last time; never blocks. Raises PacerGone."""
        events: list[PacerEvent] = []
        assert self._channel is not None
        while not self._broken:
            try:
                data = self._channel.recv(MAX_MESSAGE)
            except BlockingIOError:
                return events
            except OSError:
                break
            if not data:
                break
            self._heard_at = time.monotonic()
            kind, call, detail = json.loads(data)
            if kind in EVENTS:
                events.append(EVENTS[kind](call, detail))
        raise PacerGone("the audio process ended")

    def silent_for(self, now: float) -> float:
        """Seconds since its last sign of life (one comes every 0.25 s); negative while it is starting."""
        return now - self._heard_at


# --- the process -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stream:
    """One call's audio on its way."""

    call: int
    sock: socket.socket
    payload_type: int
    payload: bytes = field(repr=False)
    due: float
    events: int = -1
    hold: bool = False
    target: tuple[str, int] | None = None  # until the socket is connected
    told: bool = False  # that it is finished
    last_event: int = -1  # time stamp of the last key
    rtcp: socket.socket | None = None
    rtcp_due: float = float("inf")
    packets: int = 0
    sent: int = 0  # frames of this payload
    marker: int = MARKER
    # RFC 3550 5.1: all three start at random.
    sequence: int = field(default_factory=lambda: random.SystemRandom().getrandbits(16))
    timestamp: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))
    source: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))

    @property
    def played_s(self) -> float:
        return round(min(self.sent * FRAME_OCTETS, len(self.payload)) / 8000, 3)

    @property
    def finished(self) -> bool:
        return self.sent * FRAME_OCTETS >= len(self.payload)

    def send_frame(self, now: float) -> None:
        """The next frame, and when the one after it is due."""
        if now - self.due > STALL_S:
            self._resume(now)
        start = self.sent * FRAME_OCTETS
        frame = self.payload[start : start + FRAME_OCTETS] or SILENCE[self.payload_type] * FRAME_OCTETS
        header = HEADER.pack(VERSION_2, self.marker | self.payload_type, self.sequence, self.timestamp, self.source)
        # A refused or full socket loses this frame, as the network may lose any.
        with contextlib.suppress(OSError):
            self.sock.sendto(header + frame, self.target) if self.target else self.sock.send(header + frame)
        self.marker = 0
        self.packets += 1
        self.sent += not self.finished
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME_OCTETS) & 0xFFFFFFFF
        self.due += FRAME_S

    def say(self, payload: bytes) -> None:
        """The next utterance of the same stream."""
        self.payload, self.sent, self.told, self.marker = payload, 0, False, MARKER

    def report(self, now: float, *, goodbye: bool = False) -> None:
        """A sender report (RFC 3550 6.4.1), with the name of the source; at the end, its goodbye."""
        if self.rtcp is None:
            return
        self.rtcp_due = now + RTCP_S
        wall = time.time() + NTP_EPOCH_S
        clock = (int(wall) & 0xFFFFFFFF, int(wall % 1 * 2**32), self.timestamp)
        octets = self.packets * FRAME_OCTETS & 0xFFFFFFFF
        packet = SENDER_REPORT.pack(VERSION_2, SR, 6, self.source, *clock, self.packets & 0xFFFFFFFF, octets)
        name = b"%08x" % self.source
        packet += struct.pack("!BBHIBB8sH", VERSION_2 | 1, SDES, 4, self.source, CNAME, len(name), name, 0)
        packet += struct.pack("!BBHI", VERSION_2 | 1, BYE, 1, self.source) if goodbye else b""
        with contextlib.suppress(OSError):
            host, port = (self.target or self.sock.getpeername())[:2]
            self.rtcp.sendto(packet, (host, port + 1))

    def close(self) -> None:
        for sock in (self.sock, self.rtcp):
            if sock is not None:
                sock.close()

    def heard(self, packet: bytes, source: tuple[str, int]) -> str:
        """Take a packet of the far end: the first tells where it is. Returns the key that it tells, or ""."""
        if self.target is not None and len(packet) >= HEADER.size and packet[0] & 0xC0 == VERSION_2:
            self.sock.connect(source)
            self.target = None
            _let_through(self.sock, self.events)
        return self._key(packet)

    def _key(self, packet: bytes) -> str:
        """The key that this packet tells first, or "": an event comes in several packets of one time stamp."""
        if len(packet) < HEADER.size + 4 or packet[1] & 0x7F != self.events:
            return ""
        timestamp, event = HEADER.unpack_from(packet)[3], packet[HEADER.size]
        if timestamp == self.last_event or event >= len(KEYS):
            return ""
        self.last_event = timestamp
        return KEYS[event]

    def _resume(self, now: float) -> None:
        """After a stall: a gap of its true length, then the next frame; no word is dropped and nothing bursts out."""
        missed = int((now - self.due) / FRAME_S)
        self.due += missed * FRAME_S
        self.timestamp = (self.timestamp + missed * FRAME_OCTETS) & 0xFFFFFFFF
        self.marker = MARKER


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
                self._report("alive", 0, 0.0)
                self._heartbeat_due = now + HEARTBEAT_S
            due = min(self._queue[0][0] if self._queue else float("inf"), self._heartbeat_due)
            channel, listening = self._channel.fileno(), self._listening.fileno()
            readable, _, _ = select.select([channel, listening], [], [], max(due - time.monotonic(), 0))
            if listening in readable:
                self._read_keys()
            if channel in readable and not self._command():
                return

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            _, call = heapq.heappop(self._queue)
            stream = self._streams.get(call)
            if stream is None:
                continue
            if stream.finished and not stream.told:  # the last frame has had its 20 ms
                stream.told = True
                if not stream.hold:
                    self._end("finished", stream)
                    continue
                self._report("finished", stream.call, stream.played_s)
            stream.send_frame(time.monotonic())
            if now >= stream.rtcp_due:
                stream.report(now)
            heapq.heappush(self._queue, (stream.due, call))

    def _command(self) -> bool:
        """Obey one message; False when the driver is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 3)
        except OSError:  # it went without reading our last words
            return False
        if not data:
            return False
        message = json.loads(data)
        if "play" in message:
            *sockets, audio = descriptors
            self._play(message, [socket.socket(fileno=descriptor) for descriptor in sockets], _audio(audio))
        elif "say" in message:
            payload = _audio(descriptors[0])
            if message["say"] in self._streams:
                self._streams[message["say"]].say(payload)
        elif message["stop"] in self._streams:
            self._end("stopped", self._streams[message["stop"]])
        return True

    def _play(self, message: dict[str, Any], sockets: list[socket.socket], payload: bytes) -> None:
        for each in sockets:
            each.setblocking(False)
            _mark_for_telephony(each)
        sock = sockets[0]
        target = tuple(message["target"]) if message["target"] else None
        if target is None:
            _let_through(sock, message["events"])
        call, due, events = message["play"], time.monotonic(), message["events"]
        stream = Stream(call, sock, message["payload_type"], payload, due, events, bool(message["hold"]), target)
        for rtcp in sockets[1:]:
            stream.rtcp, stream.rtcp_due = rtcp, due + FIRST_RTCP_S
            _let_through(rtcp, -1)
        self._streams[call] = self._by_socket[sock.fileno()] = stream
        self._listening.register(sock, select.EPOLLIN)
        heapq.heappush(self._queue, (stream.due, call))

    def _read_keys(self) -> None:
        for descriptor, _ in self._listening.poll(0):
            stream = self._by_socket[descriptor]
            with contextlib.suppress(OSError):  # also an ICMP error that a frame of ours met
                digit = stream.heard(*stream.sock.recvfrom(MAX_MESSAGE))
                if digit:
                    self._report("key", stream.call, digit)

    def _end(self, how: str, stream: Stream) -> None:
        del self._streams[stream.call], self._by_socket[stream.sock.fileno()]
        self._listening.unregister(stream.sock)
        stream.report(time.monotonic(), goodbye=True)
        stream.close()
        self._report(how, stream.call, stream.played_s)

    def _report(self, kind: str, call: int, detail: float | str) -> None:
        # A driver that does not read for minutes misses heartbeats; one that is gone shows as end of file.
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps([kind, call, detail]).encode(), socket.MSG_DONTWAIT)


def _audio(descriptor: int) -> bytes:
    with open(descriptor, "rb") as audio:
        audio.seek(0)
        return audio.read()


def _let_through(sock: socket.socket, payload_type: int) -> None:
    """Only packets of this payload type; none for -1. What came before the filter is looked at all the same."""
    program = (
        (0x30, 0, 0, UDP_HEADER + 1),  # load the second octet of the RTP header
        (0x54, 0, 0, 0x7F),  # without the marker
        (0x15, 0, 1, payload_type & 0xFFFFFFFF),  # skip one unless equal
        (0x06, 0, 0, 0xFFFF),  # take it
        (0x06, 0, 0, 0),  # drop it
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(code))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_program)


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
    gc.disable()  # nothing here makes cycles, and a collection would be heard
    Process(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
