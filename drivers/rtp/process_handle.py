"""The driver's side of one audio process: start it, give it work, read what happened."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time

from drivers.processes import ending, last_line
from drivers.rtp.messages import (
    HEARTBEAT_S,
    MAX_MESSAGE,
    PLAINLY,
    Alive,
    Media,
    Message,
    Move,
    PacerEvent,
    Play,
    Ready,
    Say,
    Stop,
    decoded,
    encoded,
    greeting,
)

SILENT_S = 0.9  # without a heartbeat it is gone
START_S = 10.0  # for the process's first sign of life
END_S = 0.5  # for the end of a process that closed its channel
BACKLOG_S = 0.1  # how long to wait for a full channel
STDERR_KEPT = 8192  # octets


class PacerGone(Exception):
    """The process ended, or its channel broke; what it played is lost. forbidden: it was killed for a system call."""

    def __init__(self, why: str, *, forbidden: bool = False) -> None:
        super().__init__(why)
        self.forbidden = forbidden


class Pacer:
    """The process and the channel to it. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        self.ready: Ready | None = None  # what the process reported first
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr = b""
        self._heard_at = self._read_at = 0.0
        self._broken = False

    def open(self, *, plainly: bool = False, lifeline: int | None = None) -> None:
        """Start the process; returns at once. Raises OSError when none can be started.

        plainly: it must ask the kernel for nothing special. lifeline: the reading end of a pipe; when its other end is
        closed, the process ends, also where our thread hangs and its channel stays open.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            inherited = [theirs.fileno(), *([] if lifeline is None else [lifeline])]
            command = [sys.executable, "-P", "-m", "drivers.rtp", *map(str, inherited), *([PLAINLY] if plainly else [])]
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=inherited
                )
            except OSError:
                ours.close()
                raise
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        ours.setblocking(False)
        self._channel, self._broken, self.ready, self._stderr = ours, False, None, b""
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
            assert self._process.stderr is not None
            self._process.stderr.close()
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

        utterance: a number of the caller's, repeated in events. hold: after it, silence until `say` or `stop`.
        listen: to what the callee says, until `Judged` or until we speak. rtcp: a socket for sender reports.
        """
        descriptors = [sock.fileno()] + ([rtcp.fileno()] if rtcp is not None else [])
        self._send(Play(call, media, utterance, hold, listen), descriptors, payload)

    def say(self, call: int, payload: bytes, *, utterance: int = 0) -> None:
        """Go on with this in the stream of a call that is held, or in place of what it plays."""
        self._send(Say(call, utterance), [], payload)

    def move(self, call: int, media: Media) -> None:
        """From now on like this, in the same stream; the law and our key stay."""
        self._send(Move(call, media))

    def stop(self, call: int) -> None:
        """Stop now; `Stopped` follows, unless it had finished."""
        self._send(Stop(call))

    def _send(self, message: Message, descriptors: list[int] | None = None, audio: bytes | None = None) -> None:
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
                socket.send_fds(self._channel, [encoded(message)], sent)
            except OSError:  # also BlockingIOError: a process that does not read is as good as gone
                self._broken = True

    def read(self) -> list[PacerEvent]:
        """What happened since the last time; never blocks for long. Raises PacerGone, also after a long silence."""
        events: list[PacerEvent] = []
        assert self._channel is not None
        self._read_stderr()
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
            event = self._taken(data)
            if event is not None:
                events.append(event)
        raise self._ended()

    def _taken(self, data: bytes) -> PacerEvent | None:
        """The event in a message, if it holds one. Raises PacerGone for a process of another version."""
        if self.ready is None:
            self.ready = greeting(data)
            if self.ready is None:
                raise PacerGone("the audio process is of another version than the daemon: restart pinwheel")
            self._heard_at = time.monotonic()
            return None
        message = decoded(data)
        if isinstance(message, Alive):
            self._heard_at = time.monotonic()
            return None
        assert not isinstance(message, Ready | Play | Say | Move | Stop)
        return message

    def _ended(self) -> PacerGone:
        """Why there is no process any more; its own last line says most."""
        assert self._process is not None
        try:
            returncode = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            return PacerGone("the audio process stopped listening")
        self._read_stderr()
        words = last_line(self._stderr)
        why = f"the audio process {ending(returncode)}" + (f": {words}" if words else "")
        return PacerGone(why, forbidden=returncode == -signal.SIGSYS)

    def _read_stderr(self) -> None:
        """So that the process never waits for us, and its last lines are at hand when it has ended."""
        assert self._process is not None
        assert self._process.stderr is not None
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._process.stderr.fileno(), STDERR_KEPT):
                self._stderr = (self._stderr + part)[-STDERR_KEPT:]

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
