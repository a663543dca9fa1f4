"""The RTP pacer: a process of its own that puts ready G.711 frames on the wire, one every 20 ms.

A process, because a busy Python thread beside the sender ruins the grid (measured: p99 172 ms between frames). The
driver gives it a connected socket and the whole audio of a call, and hears how much of it was sent. Sending runs on an
absolute clock: a late frame does not delay the next. The pacer ends when the driver's end of the channel closes.

`Pacer` is the driver's side; `python -m drivers.rtp FD` is the process.
"""

import contextlib
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


PacerEvent = Finished | Stopped
EVENTS: dict[str, type[Finished] | type[Stopped]] = {"finished": Finished, "stopped": Stopped}


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

    def play(self, call: int, sock: socket.socket, payload_type: int, payload: bytes) -> None:
        """Send the audio through a connected UDP socket, from now on. A broken channel shows in `read`."""
        with open(os.memfd_create("pinwheel-audio"), "wb", buffering=0) as audio:
            audio.write(payload)
            self._tell({"play": call, "payload_type": payload_type}, [sock.fileno(), audio.fileno()])

    def stop(self, call: int) -> None:
        """Stop now; `Stopped` follows, unless it had finished."""
        self._tell({"stop": call}, [])

    def _tell(self, message: dict[str, int], descriptors: list[int]) -> None:
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
            kind, call, played_s = json.loads(data)
            if kind in EVENTS:
                events.append(EVENTS[kind](call, played_s))
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
    sent: int = 0  # frames
    marker: int = MARKER
    # RFC 3550 5.1: all three start at random.
    sequence: int = field(default_factory=lambda: random.SystemRandom().getrandbits(16))
    timestamp: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))
    source: int = field(default_factory=lambda: random.SystemRandom().getrandbits(32))

    @property
    def played_s(self) -> float:
        return min(self.sent * FRAME_OCTETS, len(self.payload)) / 8000

    @property
    def finished(self) -> bool:
        return self.sent * FRAME_OCTETS >= len(self.payload)

    def send_frame(self, now: float) -> None:
        """The next frame, and when the one after it is due."""
        if now - self.due > STALL_S:
            self._resume(now)
        start = self.sent * FRAME_OCTETS
        header = HEADER.pack(VERSION_2, self.marker | self.payload_type, self.sequence, self.timestamp, self.source)
        # A refused or full socket loses this frame, as the network may lose any.
        with contextlib.suppress(OSError):
            self.sock.send(header + self.payload[start : start + FRAME_OCTETS])
        self.marker = 0
        self.sent += 1
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME_OCTETS) & 0xFFFFFFFF
        self.due += FRAME_S

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

    def run(self) -> None:
        """Until the driver is gone."""
        while True:
            now = time.monotonic()
            self._send_due(now)
            if now >= self._heartbeat_due:
                self._report("alive", 0, 0.0)
                self._heartbeat_due = now + HEARTBEAT_S
            due = min(self._queue[0][0] if self._queue else float("inf"), self._heartbeat_due)
            readable, _, _ = select.select([self._channel], [], [], max(due - time.monotonic(), 0))
            if readable and not self._command():
                return

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            _, call = heapq.heappop(self._queue)
            stream = self._streams.get(call)
            if stream is None:
                continue
            if stream.finished:  # the last frame has had its 20 ms
                self._end("finished", stream)
                continue
            stream.send_frame(time.monotonic())
            heapq.heappush(self._queue, (stream.due, call))

    def _command(self) -> bool:
        """Obey one message; False when the driver is gone."""
        data, descriptors, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 2)
        if not data:
            return False
        message = json.loads(data)
        if "play" in message:
            self._play(message["play"], message["payload_type"], descriptors)
        elif message["stop"] in self._streams:
            self._end("stopped", self._streams[message["stop"]])
        return True

    def _play(self, call: int, payload_type: int, descriptors: list[int]) -> None:
        sock = socket.socket(fileno=descriptors[0])
        sock.setblocking(False)
        _mark_for_telephony(sock)
        with open(descriptors[1], "rb") as audio:
            audio.seek(0)
            payload = audio.read()
        stream = Stream(call, sock, payload_type, payload, due=time.monotonic())
        self._streams[call] = stream
        heapq.heappush(self._queue, (stream.due, call))

    def _end(self, how: str, stream: Stream) -> None:
        del self._streams[stream.call]
        stream.sock.close()
        self._report(how, stream.call, stream.played_s)

    def _report(self, kind: str, call: int, played_s: float) -> None:
        # A driver that does not read for minutes misses heartbeats; one that is gone shows as end of file.
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps([kind, call, round(played_s, 3)]).encode(), socket.MSG_DONTWAIT)


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
