"""How long a start takes while the database is backed up: at a steady rate, beside a database of years."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.reads import full_gateway
from tests.gateway import UNLIMITED, Gateway, until

A_SECOND, CALM_S = 100, 5.0
WORST_ADDED_MS = 250.0
PROGRAM = "from daemon.cli import main; main()"


class Starts(threading.Thread):
    """Starts of requests at a pace, each a connection of its own; what each took, in seconds."""

    def __init__(self, gateway: Gateway, a_second: int) -> None:
        super().__init__()
        self._gateway, self._pace_s = gateway, 1 / a_second
        self.answered: list[tuple[str, float]] = []
        self.ends = threading.Event()

    def run(self) -> None:
        begin = time.monotonic()
        while not self.ends.wait(max(begin + len(self.answered) * self._pace_s - time.monotonic(), 0)):
            before = time.monotonic()
            request_id = self._gateway.verify(f"44770{len(self.answered):07}", workflow_id=6)
            self.answered.append((request_id, time.monotonic() - before))


@dataclass(frozen=True, slots=True)
class Waits:
    """Of starts, in ms."""

    p50: float
    p99: float
    worst: float


def _waits(answered: Sequence[tuple[str, float]]) -> Waits:
    ordered = sorted(seconds * 1000 for _, seconds in answered)
    return Waits(ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])


def _row(beside: str, found: Waits) -> str:
    return f"{beside:40}{found.p50:>8.2f}{found.p99:>8.2f}{found.worst:>8.2f}"


def goals(directory: Path, count: int) -> Iterator[str]:
    """Print the table; the goals that were missed."""
    print(f"{f'{A_SECOND} starts a second, ms':40}{'p50':>8}{'p99':>8}{'worst':>8}", flush=True)
    with full_gateway(directory, f"{UNLIMITED}max_active_per_number = 0\n") as gateway:
        starts = Starts(gateway, A_SECOND)
        starts.start()
        try:
            until(lambda: len(starts.answered) >= A_SECOND * CALM_S, "some seconds of load", 60)
            begun, took_s = len(starts.answered), []
            for number in range(count):
                took_s.append(_backed_up(gateway, directory / f"backup-{number}.db"))
            ended = len(starts.answered)
        finally:
            starts.ends.set()
            starts.join()
    calm, beside = _waits(starts.answered[:begun]), _waits(starts.answered[begun:ended])
    size_mb = (directory / "backup-0.db").stat().st_size / 1e6
    print(_row("nothing beside", calm))
    print(_row(f"pinwheel backup, {count} times", beside))
    added = beside.worst - calm.worst
    print(
        f"a backup of {size_mb:.0f} MB takes {statistics.median(took_s):.1f} s; worst added: {added:.1f} ms", flush=True
    )
    if added > WORST_ADDED_MS:
        yield f"backup: the worst start takes {added:.0f} ms more > {WORST_ADDED_MS:g} ms"


def _backed_up(gateway: Gateway, file: Path) -> float:
    """By the command, as an operator runs it; how long it took."""
    began = time.monotonic()
    command = [sys.executable, "-c", PROGRAM, "backup", str(file), "--config", str(gateway.config)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return time.monotonic() - began
