"""Many calls set up one after the other against sipp: do all end as they should, and does anything stay behind?"""

import os
import socket
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.drivers.pyvoip.calling import dial, driver, result, tone
from tests.peers.baresip import free_port

HOST = "127.0.0.3"
EACH_S = 7.0
MORE_MEMORY_MB = 30.0  # of Python's allocator, that keeps what 150 calls at a time needed


@dataclass(frozen=True, slots=True)
class Result:
    """cpu_ms: of signalling a call; before, after: descriptors and threads of the driver's process."""

    outcomes: Counter[str]
    played_whole: int
    cpu_ms: float
    before: tuple[int, int]
    after: tuple[int, int]
    memory_mb: float

    @property
    def clean(self) -> bool:
        total = self.outcomes.total()
        good = self.outcomes["answered"] == total == self.played_whole
        return good and self.before == self.after and self.memory_mb < MORE_MEMORY_MB


def campaign(directory: Path, calls: int, a_second: float) -> Result:
    port = free_port(HOST, socket.SOCK_DGRAM)
    command = ["sipp", "-sn", "uas", "-i", HOST, "-p", str(port), "-nostdin"]
    sipp = subprocess.Popen(
        command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1)
        with driver(f"{HOST}:{port}") as opened:
            result(dial(opened, tone(0.1))[0])
            before, memory, cpu_s = left(), memory_mb(), time.process_time()
            speech, started = tone(EACH_S - 0.5), time.monotonic()
            handles = []
            for number in range(calls):
                handles.append(dial(opened, speech)[0])
                time.sleep(max(started + (number + 1) / a_second - time.monotonic(), 0))
            ended = [handle.result.result(EACH_S + 30) for handle in handles]
            cpu_ms = (time.process_time() - cpu_s) / calls * 1000
            return Result(
                Counter(str(each.outcome) for each in ended),
                sum(each.played_s == EACH_S for each in ended),
                cpu_ms,
                before,
                left(),
                memory_mb() - memory,
            )
    finally:
        sipp.kill()
        sipp.wait()


def left() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
