"""How evenly audio leaves: the pacer's streams, timed by the kernel where they arrive."""

import socket
import statistics
import struct
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from drivers.rtp import Media, Pacer

SO_TIMESTAMPNS = 35
FRAME_MS = 20.0
SAMPLED = 20  # streams that are timed; the rest go to a port that nobody reads
SECONDS = 10
WARM_UP_MS = 500.0


@dataclass(frozen=True, slots=True)
class Pacing:
    """off_ms: how far the interval between two packets is from 20 ms; a_second: packets of a stream."""

    streams: int
    off_p99_ms: float
    off_max_ms: float
    a_second: float
    lost: int


def measure(streams: int) -> Pacing:
    """So many streams at a time, from one pacer."""
    with _socket() as timed, _socket() as sink:
        timed.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        timed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        timed.settimeout(1.0)
        pacer = Pacer()
        pacer.open()
        near = [_socket() for _ in range(streams)]
        try:
            for number, sock in enumerate(near):
                sock.connect((timed if number < SAMPLED else sink).getsockname())
                pacer.play(number, sock, Media(0), bytes(8000 * SECONDS))
                pacer.read()
                time.sleep(0.001)
            return _judged(streams, _arrivals(timed, min(streams, SAMPLED)))
        finally:
            for sock in near:
                sock.close()
            pacer.close()


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def _arrivals(timed: socket.socket, streams: int) -> dict[int, list[float]]:
    """When each packet came, in ms, by source."""
    came: dict[int, list[float]] = defaultdict(list)
    end = time.monotonic() + SECONDS + 5
    while time.monotonic() < end and sum(map(len, came.values())) < streams * SECONDS * 50:
        try:
            data, ancillary, _, _ = timed.recvmsg(2048, 64)
        except TimeoutError:
            break
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        came[struct.unpack_from("!I", data, 8)[0]].append(seconds * 1e3 + nanoseconds / 1e6)
    return came


def _judged(streams: int, came: dict[int, list[float]]) -> Pacing:
    off, rates = [], []
    for times in came.values():
        settled = [at for at in times if at >= times[0] + WARM_UP_MS]
        off += [abs(b - a - FRAME_MS) for a, b in pairwise(settled)]
        rates.append((len(settled) - 1) / (settled[-1] - settled[0]) * 1000)
    p99 = sorted(off)[int(len(off) * 0.99)]
    lost = sum(SECONDS * 50 - len(times) for times in came.values())
    return Pacing(streams, p99, max(off), statistics.mean(rates), lost)


HEAD = f"{'streams':>8}{'|dev| p99 ms':>14}{'|dev| max ms':>14}{'packets/s':>11}{'lost':>6}"


def row(found: Pacing) -> str:
    numbers = f"{found.off_p99_ms:>14.2f}{found.off_max_ms:>14.2f}{found.a_second:>11.4f}{found.lost:>6}"
    return f"{found.streams:>8}{numbers}"
