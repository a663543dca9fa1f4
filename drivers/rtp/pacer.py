"""The driver's side of the audio process: start it, give it work, read what happened."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from typing import Any

from drivers.rtp.messages import EVENTS, HEARTBEAT_S, MAX_MESSAGE, Media, PacerEvent

SILENT_S = 0.9  # without a heartbeat it is gone
START_S = 10.0  # for the process's first sign of life
BACKLOG_S = 0.1  # how long a full channel is waited for


class PacerGone(Exception):
    """The process ended, or its channel broke; what it played is lost."""


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
