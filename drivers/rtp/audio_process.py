"""The audio process: its main loop, and how it starts."""

import contextlib
import gc
import heapq
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import assert_never

from drivers.rtp.answering import Listener
from drivers.rtp.messages import (
    HEARTBEAT_S,
    MAX_MESSAGE,
    VERSION,
    Alive,
    Failed,
    Finished,
    Media,
    Message,
    Move,
    Order,
    Play,
    Ready,
    Say,
    Stop,
    Stopped,
    decoded,
    encoded,
)
from drivers.rtp.paced_stream import FIRST_RTCP_S, Stream, Utterance
from drivers.rtp.sockets import accept_only, mark_for_telephony
from drivers.rtp.srtp import CannotProtect

NICE = -10  # before other programs of the host; a unit that sets Nice= gives it without being asked


class Process:
    """The pacer's main loop: sleep until a frame is due or the driver says something."""

    def __init__(self, channel: socket.socket, lifeline: int | None = None) -> None:
        self._channel = channel
        self._lifeline = [] if lifeline is None else [lifeline]
        self._streams: dict[int, Stream] = {}
        self._queue: list[tuple[float, int]] = []
        self._heartbeat_due = 0.0
        self._listening = select.epoll()  # its own waits are rounded to milliseconds: it is only looked at
        self._by_socket: dict[int, Stream] = {}

    def run(self) -> None:
        """Until the driver is gone, or nothing holds the other end of the lifeline."""
        while True:
            now = time.monotonic()
            self._send_due(now)
            if now >= self._heartbeat_due:
                self._report(Alive())
                self._heartbeat_due = now + HEARTBEAT_S
            due = min(self._queue[0][0] if self._queue else float("inf"), self._heartbeat_due)
            channel, listening = self._channel.fileno(), self._listening.fileno()
            waiting = [channel, listening, *self._lifeline]
            readable, _, _ = select.select(waiting, [], [], max(due - time.monotonic(), 0))
            if listening in readable:
                self._read_far_ends()
            if not {*self._lifeline}.isdisjoint(readable) or (channel in readable and not self._command()):
                return

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            _, call = heapq.heappop(self._queue)
            stream = self._streams.get(call)
            if stream is None:
                continue
            if stream.utterance.finished and not stream.utterance.reported:  # the last frame has had its time
                stream.utterance.reported = True
                if not stream.hold:
                    self._end(stream, Finished)
                    continue
                self._report(stream.played(Finished))
            stream.send_frame(time.monotonic())
            stream.far.turn(now)
            if stream.far.listener is not None:
                self._report(stream.far.judged(stream.far.listener.wait(now)))
            if now >= stream.rtcp_due:
                stream.report(now)
            heapq.heappush(self._queue, (stream.due, call))

    def _command(self) -> bool:
        """Carry out one message; False when the driver is gone."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 3)
        except OSError:  # it went without reading our last words
            return False
        if not data:
            return False
        order = decoded(data)
        assert isinstance(order, Order)
        if flags & socket.MSG_CTRUNC:
            self._refuse(order, descriptors)
        else:
            self._obey(order, descriptors)
        return True

    def _obey(self, order: Order, descriptors: list[int]) -> None:
        stream = self._streams.get(order.call)
        match order:
            case Play():
                self._play(order, descriptors)
            case Say():
                payload = _audio(descriptors)
                if stream is not None:
                    stream.say(order.utterance, payload, time.monotonic())
            case Move():
                if stream is not None:
                    self._move(stream, order.media)
            case Stop():
                if stream is not None:
                    self._end(stream, Stopped)
            case _:
                assert_never(order)

    def _refuse(self, order: Order, descriptors: list[int]) -> None:
        """Not all descriptors of a message could be had."""
        for descriptor in descriptors:
            os.close(descriptor)
        why = "the audio process has too many files open"
        if order.call in self._streams:
            self._fail(self._streams[order.call], why)
        else:
            self._report(Failed(order.call, why))

    def _play(self, order: Play, descriptors: list[int]) -> None:
        payload = _audio(descriptors[-1:])
        sock, *others = [socket.socket(fileno=descriptor) for descriptor in descriptors[:-1]]
        now = time.monotonic()
        stream = Stream(order.call, sock, order.media, Utterance(order.utterance, payload), now, order.hold)
        if order.listen:
            stream.far.listener = Listener(now)
        for rtcp in others:
            stream.rtcp, stream.rtcp_due = rtcp, now + FIRST_RTCP_S
            accept_only(rtcp, ())
        for each in (sock, *others):
            each.setblocking(False)
            mark_for_telephony(each)
        self._streams[stream.call] = self._by_socket[sock.fileno()] = stream
        self._listening.register(sock, select.EPOLLIN)
        if self._move(stream, order.media):
            heapq.heappush(self._queue, (stream.due, stream.call))

    def _move(self, stream: Stream, media: Media) -> bool:
        """Whether there is a way."""
        try:
            stream.aim(media, time.monotonic())
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
                data, address = stream.sock.recvfrom(MAX_MESSAGE)
                for event in stream.far.take(data, address[:2], now):
                    self._report(event)

    def _end(self, stream: Stream, how: type[Finished | Stopped]) -> None:
        stream.report(time.monotonic(), goodbye=True)
        self._forget(stream)
        self._report(stream.played(how))

    def _fail(self, stream: Stream, why: str) -> None:
        self._forget(stream)
        self._report(Failed(stream.call, why))

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.call], self._by_socket[stream.sock.fileno()]
        self._listening.unregister(stream.sock)
        stream.close()

    def _report(self, message: Message | None) -> None:
        # A driver that does not read for minutes misses heartbeats; one that is gone shows as end of file.
        if message is not None:
            with contextlib.suppress(OSError):
                self._channel.send(encoded(message), socket.MSG_DONTWAIT)


def _audio(descriptors: list[int]) -> bytes:
    with open(descriptors[0], "rb") as audio:
        audio.seek(0)
        return audio.read()


# --- the start -----------------------------------------------------------------------------------------------


def _raise_priority() -> None:
    if os.getpriority(os.PRIO_PROCESS, 0) > NICE:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def _raise_file_limit() -> None:
    """A call has two sockets; the usual limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


FAVOURS: dict[str, Callable[[], None]] = {
    f"priority {NICE}": _raise_priority,
    "as many open files as the limit allows": _raise_file_limit,
}
"""What is asked of the kernel. The audio process works without each of them, only less well."""


def refused(favours: dict[str, Callable[[], None]]) -> tuple[str, ...]:
    """Ask for each; those that were not granted, and why."""
    missing = []
    for name, ask in favours.items():
        try:
            ask()
        except (OSError, ValueError) as exc:
            missing.append(f"{name}: {(isinstance(exc, OSError) and exc.strerror) or exc}")
    return tuple(missing)


def main(channel_fd: int, lifeline: int | None = None, *, plainly: bool) -> None:
    """channel_fd, lifeline: inherited, as of `Pacer.open`.

    plainly: ask for no favours, as a process before was killed for that.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # it ends with the driver, after the last goodbye
        signal.signal(number, signal.SIG_IGN)
    missing = tuple(f"{name}: forbidden" for name in FAVOURS) if plainly else refused(FAVOURS)
    gc.disable()  # nothing here makes cycles, and a collection would interrupt the audio
    channel = socket.socket(fileno=_renumbered(channel_fd))
    channel.send(encoded(Ready(VERSION, missing)))
    Process(channel, None if lifeline is None else _renumbered(lifeline)).run()


def _renumbered(descriptor: int) -> int:
    """The same by the lowest number that is free here: select() takes none above 1023, and a busy daemon has more."""
    low = os.dup(descriptor)
    os.close(descriptor)
    return low
