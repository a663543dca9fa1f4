"""How evenly audio leaves: the pacer's streams, timed by the kernel where they arrive."""

import socket
import statistics
import struct
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.streams import SENDERS, label

SO_TIMESTAMPNS = 35
FRAME_MS = 20.0
SAMPLED = 20  # streams that are timed; the rest go to a port that nobody reads
WARM_UP_MS = 500.0


@dataclass(frozen=True, slots=True)
class Pacing:
    """off_ms: how far an interval is from 20 ms; a_second: packets of a stream; cpu: of a stream, in % of one core.

    lost: of what was to come; None of senders that go on for ever.
    """

    sender: str
    streams: int
    off_p99_ms: float
    off_max_ms: float
    a_second: float
    lost: int | None
    cpu: float


def measure(streams: int, directory: Path, sender: str = "Pinwheel", seconds: float = 20.0) -> Pacing:
    """So many streams at a time; those that are timed go to one socket, whose kernel notes when each packet comes."""
    with _socket() as timed, _socket() as sink:
        timed.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        timed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        timed.settimeout(1.0)
        targets = [timed.getsockname()] + [sink.getsockname()] * (max(streams // SAMPLED, 1) - 1)
        with SENDERS[sender](streams, targets, seconds, directory) as sending:
            before, began = sending.cpu_s(), time.monotonic()
            came = _arrivals(timed, seconds)
            cpu = (sending.cpu_s() - before) / (time.monotonic() - began) / streams * 100
        return _judged(sender, streams, came, cpu, seconds)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def _arrivals(timed: socket.socket, seconds: float) -> dict[int, list[float]]:
    """When each packet came, in ms, by source; until nothing more comes, or the time is over."""
    came: dict[int, list[float]] = defaultdict(list)
    end = time.monotonic() + seconds + 3
    while time.monotonic() < end:
        try:
            data, ancillary, _, _ = timed.recvmsg(2048, 64)
        except TimeoutError:
            if came:
                break
            continue
        at_s, nanoseconds = struct.unpack("qq", ancillary[0][2])
        came[struct.unpack_from("!I", data, 8)[0]].append(at_s * 1e3 + nanoseconds / 1e6)
    return came


def _judged(sender: str, streams: int, came: dict[int, list[float]], cpu: float, seconds: float) -> Pacing:
    off, rates = [], []
    for times in came.values():
        settled = [at for at in times if at >= times[0] + WARM_UP_MS]
        off += [abs(b - a - FRAME_MS) for a, b in pairwise(settled)]
        rates.append((len(settled) - 1) / (settled[-1] - settled[0]) * 1000)
    p99 = sorted(off)[int(len(off) * 0.99)]
    wanted = round(seconds * 50)
    lost = sum(wanted - len(times) for times in came.values()) if sender == "Pinwheel" else None
    return Pacing(sender, streams, p99, max(off), statistics.mean(rates), lost, cpu)


HEAD = f"{'':28}{'streams':>8}{'|dev| p99 ms':>14}{'|dev| max ms':>14}{'packets/s':>11}{'lost':>6}{'CPU % a call':>14}"


def row(found: Pacing, more: str = "") -> str:
    numbers = f"{found.off_p99_ms:>14.2f}{found.off_max_ms:>14.2f}{found.a_second:>11.4f}"
    lost = "" if found.lost is None else found.lost
    return f"{label(found.sender) + more:28}{found.streams:>8}{numbers}{lost:>6}{found.cpu:>14.3f}"
