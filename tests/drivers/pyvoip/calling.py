"""What the tests of calls use: an open driver, a call, what its callee heard."""

import math
import os
import select
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from drivers import Audio, Call, CallHandle, CallPhase, CallResult, DeviceState, TrunkStatus
from drivers.codecs.g711 import alaw_encode, ulaw_encode
from drivers.pyvoip import Driver, Options
from drivers.sip.address import Timers
from tests.gateway import until
from tests.peers.baresip import Baresip

NUMBER = "447700900123"
BOUND_S = 30.0
TONE_HZ = 440


@cache
def tone(seconds: float, before_s: float = 0.5) -> Audio:
    """Silence, then a sine of 440 Hz, in both laws."""
    count = int(seconds * 8000)
    samples = [0] * int(before_s * 8000)
    samples += [round(8000 * math.sin(2 * math.pi * TONE_HZ * n / 8000)) for n in range(count)]
    pcm = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    return Audio(ulaw_encode(pcm), alaw_encode(pcm))


class Phases:
    """The phases of a call, as they come."""

    def __init__(self) -> None:
        self.seen: list[CallPhase] = []
        self._news = threading.Condition()

    def __call__(self, phase: CallPhase) -> None:
        with self._news:
            self.seen.append(phase)
            self._news.notify_all()

    def wait_for(self, phase: CallPhase) -> None:
        with self._news:
            assert self._news.wait_for(lambda: phase in self.seen, BOUND_S), f"no {phase}"


@contextmanager
def driver(server: str, timers: Timers | None = None, **options: Any) -> Iterator[Driver]:
    """An open driver that is ready, or says why not within the bound."""
    settings = {"register": False, "bind": "127.0.0.1:0", **options}
    opened = Driver("voice", Options(server=server, **settings), timers)
    ready = threading.Event()

    def listen(_: object) -> None:
        if opened.status().state is DeviceState.READY:
            ready.set()

    opened.open(listen)
    try:
        assert ready.wait(BOUND_S), opened.status()
        yield opened
    finally:
        opened.close()


def becomes(opened: Driver, wanted: DeviceState, *, alive: bool = True) -> str:
    """Wait for a state; its detail."""

    def reached() -> TrunkStatus | None:
        status = opened.status()
        return status if status.state is wanted and status.alive is alive else None

    status: TrunkStatus = until(reached, f"the trunk is {wanted}: {opened.status()}", BOUND_S)
    return status.detail


def same_signalling(opened: Driver, log: str) -> bool:
    """Whether its first thread lives: one that failed, or was replaced, is logged."""
    return opened.status().alive and "signalling=" not in log


def dial(opened: Driver, audio: Audio, ring_s: float = 20.0) -> tuple[CallHandle, Phases]:
    phases = Phases()
    return opened.call(Call(NUMBER, audio, ring_s), phases), phases


def result(handle: CallHandle) -> CallResult:
    return handle.result.result(BOUND_S)


def heard(peer: Baresip) -> list[int]:
    """The samples that it has recorded in its one call."""
    with wave.open(str(peer.recording())) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (8000, 1, 2)
        data = wav.readframes(wav.getnframes())
    return [int.from_bytes(data[i : i + 2], "little", signed=True) for i in range(0, len(data), 2)]


def crossings(samples: list[int]) -> int:
    """The cycles of the tone: upward zero crossings, without those of noise."""
    return sum(1 for a, b in pairwise(samples) if a < 0 <= b and b - a > 500)


def wait_for_end(pid: int) -> None:
    """Wait for the end of a process; also of a child that was not reaped yet."""
    descriptor = os.pidfd_open(pid)
    try:
        assert select.select([descriptor], [], [], BOUND_S)[0], f"process {pid} does not end"
    finally:
        os.close(descriptor)


def pacer_pid(process: int | str = "self") -> int:
    """The pid of the one audio process that this process has, or another."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    children = [pid for task in tasks for pid in (task / "children").read_text().split()]
    (pid,) = (pid for pid in children if b"drivers.rtp" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return int(pid)


def press(peer: Baresip, digit: str, heard_s: float) -> None:
    """Press a key once heard_s of our audio have arrived, and hold it until 0.2 s more have arrived."""
    peer.wait_until_heard(heard_s)
    peer.command("sndcode", digit)
    peer.wait_until_heard(heard_s + 0.2)
    peer.command("sndcode", " ")  # lets go of the key
