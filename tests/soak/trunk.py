"""Calls over a trunk that is killed, stopped and refuses: does each end with an outcome, and does nothing grow?"""

import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drivers import CallHandle, DeviceState, Unavailable
from drivers.pyvoip import Driver, Options
from tests.drivers.pyvoip.calling import dial, tone
from tests.peers.baresip import free_port
from tests.peers.kamailio import PASSWORD, Kamailio
from tests.soak.calls import left, memory_mb

HOST = "127.0.0.3"
SEED = 20261125
SPEECH_S = 3.0
CALL_EVERY_S = (0.3, 1.5)
QUIET_S = (8.0, 25.0)  # between two flaps
AWAY_S = (1.0, 45.0)
BACK_WITHIN_S = 10.0
SETTLE_S = 75.0  # after the last call: INVITEs are given up after 32 s, and linger for another 32
SAMPLE_S = 5.0
FLAT = 1.15  # memory: the last quarter over the second


@dataclass
class Result:
    """registered_s: from each return of the trunk until we were registered again; samples: descriptors, threads, MB."""

    outcomes: Counter[str] = field(default_factory=Counter)
    flaps: Counter[str] = field(default_factory=Counter)
    registered_s: list[float] = field(default_factory=list)
    unended: int = 0
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    most: tuple[int, int] = (0, 0)
    memory: list[float] = field(default_factory=list)

    @property
    def counted(self) -> tuple[tuple[str, tuple[int, int]], ...]:
        return ("before", self.before), ("at the most", self.most), ("after", self.after)

    @property
    def growth(self) -> float:
        quarter = max(len(self.memory) // 4, 1)
        second, last = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        return (sum(last) / len(last)) / (sum(second) / len(second)) if second else 1.0

    @property
    def clean(self) -> bool:
        flat = self.before == self.after and self.growth < FLAT
        return flat and not self.unended and max(self.registered_s, default=0.0) <= BACK_WITHIN_S


def campaign(directory: Path, minutes: float) -> Result:
    result, chance = Result(), random.Random(SEED)
    (directory / "password").write_text(PASSWORD)
    with _callee(directory) as callee, Kamailio(directory, callee) as trunk:
        options = Options(
            trunk.address,
            username="gateway",
            password_file=str(directory / "password"),
            bind="127.0.0.1:0",
        )
        opened = Driver("voice", options)
        opened.open(lambda _: None)
        try:
            until_registered(opened, 30)
            _end_of(dial(opened, tone(0.1))[0], result, 30)
            result.outcomes.clear()
            time.sleep(SETTLE_S / 2)
            result.before = left()
            until = time.monotonic() + minutes * 60
            calls = threading.Thread(target=_calls, args=(opened, result, until, random.Random(SEED + 1)))
            calls.start()
            _flaps(trunk, opened, result, until, chance)
            calls.join()
            time.sleep(SETTLE_S)
            result.after = left()
        finally:
            opened.close()
    return result


@contextmanager
def _callee(directory: Path) -> Iterator[str]:
    """sipp, which answers every call and waits for its end."""
    port = free_port(HOST, socket.SOCK_DGRAM)
    command = ["sipp", "-sn", "uas", "-i", HOST, "-p", str(port), "-nostdin"]
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    sipp = subprocess.Popen(command, cwd=directory, **silent)  # type: ignore[call-overload]
    try:
        yield f"{HOST}:{port}"
    finally:
        sipp.kill()
        sipp.wait()


def until_registered(opened: Driver, within_s: float) -> float:
    """How long it took to be ready, if it took no longer than this."""
    started = time.monotonic()
    while opened.status().state is not DeviceState.READY and time.monotonic() < started + within_s:
        time.sleep(0.02)
    return time.monotonic() - started


# --- calls -------------------------------------------------------------------------------------------------


def _calls(opened: Driver, result: Result, until: float, chance: random.Random) -> None:
    """Calls coming and going: most speak to their end, some are hung up at any moment."""
    speech, threads = tone(SPEECH_S), []
    while time.monotonic() < until:
        handle, _ = dial(opened, speech, ring_s=10.0)
        threads.append(threading.Thread(target=_end_of, args=(handle, result, 60.0)))
        threads[-1].start()
        if chance.random() < 0.2:
            threading.Timer(chance.uniform(0, SPEECH_S), handle.hang_up).start()
        threads = [thread for thread in threads if thread.is_alive()]
        time.sleep(chance.uniform(*CALL_EVERY_S))
    for thread in threads:
        thread.join()


def _end_of(handle: CallHandle, result: Result, within_s: float) -> None:
    try:
        result.outcomes[str(handle.result.result(within_s).outcome)] += 1
    except Unavailable:
        result.outcomes["not dialled, no trunk"] += 1
    except TimeoutError:
        result.unended += 1


# --- the trunk ---------------------------------------------------------------------------------------------


def _flaps(trunk: Kamailio, opened: Driver, result: Result, until: float, chance: random.Random) -> None:
    while time.monotonic() < until:
        _sample(result, time.monotonic() + chance.uniform(*QUIET_S))
        what = chance.choice(["killed", "frozen", "refusing"])
        result.flaps[what] += 1
        away_s = chance.uniform(*AWAY_S)
        with {"killed": trunk.killed, "frozen": trunk.frozen, "refusing": trunk.refusing}[what]():
            _sample(result, time.monotonic() + away_s)
        if opened.status().state is not DeviceState.READY:
            result.registered_s.append(until_registered(opened, 120))


def _sample(result: Result, until: float) -> None:
    """Watch until then."""
    while (now := time.monotonic()) < until:
        time.sleep(min(SAMPLE_S, until - now))
        descriptors, threads = left()
        result.most = max(result.most[0], descriptors), max(result.most[1], threads)
        result.memory.append(memory_mb())
