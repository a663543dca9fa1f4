"""The audio process: its main loop, and how it starts."""

import contextlib
import gc
import heapq
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

from drivers.answering import Listener
from drivers.rtp.messages import HEARTBEAT_S, MAX_MESSAGE, Media
from drivers.rtp.sockets import hear_only, mark_for_telephony
from drivers.rtp.stream import FIRST_RTCP_S, Stream
from drivers.srtp import CannotProtect


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
            mark_for_telephony(each)
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
