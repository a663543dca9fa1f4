"""How long /healthz waits while others read large tables: the event loop must never be held up.

The readers are a process of their own that throws away what comes, so that only the daemon is measured.
"""

import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.store.rows import REQUEST_COLUMNS
from daemon.store.sqlite.library import connect
from drivers.simulated.modem import SimulatedModem
from tests.gateway import Gateway, modem_section

REQUESTS, ACTIVE, EVENTS = 200_000, 1_000, 1_400_000
SECONDS, PAUSE_S = 2.0, 0.003
P99_MS = 5.0

FILL = (
    f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :requests)
        INSERT INTO request (id, {REQUEST_COLUMNS})
    SELECT i, printf('%032x', i), printf('4477%08d', i), 'Acme', 'en-gb', 4, 1, 'sms:125000',
        300000, 0, 1700000000000 + i, '', 'VERIFY', '', 1,
        CASE WHEN i % (:requests / :active) = 0 THEN 'IN PROGRESS' ELSE 'EXPIRED' END, 1, 1, 1700000300000, 0,
        CASE WHEN i % (:requests / :active) = 0 THEN 99990000000000 END, 1, 1, 1 FROM n""",  # noqa: S608
    """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :events)
        INSERT INTO history SELECT i, 1700000000000 + i, printf('%032x', 1 + i % :requests), 'event', 0,
        'attempt of SMS by sim1' FROM n""",
)
READING: Mapping[str, tuple[str, ...]] = {
    "nothing": (),
    "status": ("/v1/status",) * 2,
    "lists": ("/v1/requests?active=1&limit=1000",) * 2,
    "event streams": ("/v1/events?after=0&follow=0",) * 4,
    "all of these": ("/v1/status", "/v1/requests?active=1&limit=1000", *("/v1/events?after=0&follow=0",) * 2),
}
"""What is read meanwhile: a path a connection."""

READERS = """
import socket, sys, threading
def read(path):
    while True:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(sys.argv[1])
            sock.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
            while sock.recv(1 << 18):
                pass
for path in sys.argv[2:]:
    threading.Thread(target=read, args=(path,), daemon=True).start()
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """What /healthz took beside one kind of reading, in ms."""

    reading: str
    p50_ms: float
    p99_ms: float
    max_ms: float


@contextlib.contextmanager
def full_gateway(directory: Path, more: str = "") -> Iterator[Gateway]:
    """A daemon with many requests and events in its database, and one modem; more: sections of its configuration."""
    with SimulatedModem() as modem:
        with Gateway(directory, modem_section(modem.port)):
            pass  # it has made its database and its key
        sizes = {"requests": REQUESTS, "active": ACTIVE, "events": EVENTS}
        with contextlib.closing(connect(directory / "pinwheel.db")) as database:
            for statement in FILL:
                database.execute(statement, sizes)
        with Gateway(directory, more + modem_section(modem.port), log_level="warning") as gateway:
            yield gateway


def measure(gateway: Gateway, reading: str, seconds: float = SECONDS) -> Waits:
    """Ask for /healthz on one connection again and again while the readers of this kind are at work."""
    command = [sys.executable, "-c", READERS, str(gateway.socket), *READING[reading]]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as readers:
        try:
            waits = sorted(_waits_ms(gateway.socket, seconds))
        finally:
            readers.kill()
    return Waits(reading, waits[len(waits) // 2], waits[int(len(waits) * 0.99)], waits[-1])


def _waits_ms(path: Path, seconds: float) -> Iterator[float]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        time.sleep(0.5)  # for the readers to start
        end = time.monotonic() + seconds
        while (began := time.perf_counter()) and time.monotonic() < end:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):  # of its JSON
                answer += sock.recv(4096)
            yield (time.perf_counter() - began) * 1000
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(PAUSE_S)


HEAD = f"{'/healthz waits, ms, while others read':40}{'p50':>8}{'p99':>8}{'max':>8}"


def row(found: Waits) -> str:
    return f"{found.reading:40}{found.p50_ms:>8.2f}{found.p99_ms:>8.2f}{found.max_ms:>8.2f}"


def goals(directory: Path, count: int) -> Iterator[str]:
    """Print the table; the goals that were missed."""
    print(HEAD, flush=True)
    with full_gateway(directory) as gateway:
        turns = [{reading: measure(gateway, reading) for reading in READING} for _ in range(count)]
    for reading in READING:
        found = _median([turn[reading] for turn in turns])
        print(row(found), flush=True)
        if found.p99_ms > P99_MS:
            yield f"/healthz beside {reading}: p99 {found.p99_ms:.1f} ms > {P99_MS:g} ms"


def _median(turns: list[Waits]) -> Waits:
    """What else runs on the machine disturbs single turns."""
    return Waits(
        turns[0].reading,
        statistics.median(turn.p50_ms for turn in turns),
        statistics.median(turn.p99_ms for turn in turns),
        statistics.median(turn.max_ms for turn in turns),
    )
