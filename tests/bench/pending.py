"""What a million requests cost a daemon that starts, and what one verification costs and leaves behind."""

import contextlib
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.client.connection import Unreachable
from daemon.store.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS
from daemon.store.sqlite.library import connect
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.bench.load import load
from tests.bench.peers import cpu_s, family
from tests.bench.services import ABSENT
from tests.bench.speed import numbers
from tests.bench.starts import CHECK, START
from tests.gateway import UNLIMITED, Gateway, modem_section, until, voice_section

MILLION = 1_000_000
PATIENCE_S, IDLE_S = 120.0, 8.0
VERIFICATIONS, NETWORK_S = 150, 0.02
CROWD, MODEMS, CONNECTIONS = 600, 4, 16
PENDING = f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
    INSERT INTO request (id, {REQUEST_COLUMNS})
    SELECT i, printf('%032x', i), printf('4477%08d', i), 'Acme', 'en-gb', 4, 6, 'sms:125000',
    300000, 0, :now, '', 'VERIFY', '', 1, 'IN PROGRESS', 1, 1, :now, 0, :now + 3600000 + i, :now, :now,
    NULL FROM n"""  # noqa: S608
QUEUED = f"""INSERT INTO attempt (request, {ATTEMPT_COLUMNS})
    SELECT id, 0, 'sms', 1, 99990000000000, created_ms, 'queued', 0, '', '', '', NULL
    FROM request"""  # noqa: S608
ON_DUTY_S, PENDING_MB, IDLE_CPU, QUEUED_S, QUEUED_MB, RSS_MB, ROW_OCTETS, CPU_MS = 0.35, 20, 0.3, 0.5, 90, 60, 1000, 2.5


@dataclass(frozen=True, slots=True)
class Started:
    """on_duty_s: None where it was not within PATIENCE_S; cpu: idle, in % of a core."""

    on_duty_s: float | None
    rss_mb: float
    cpu: float


def start(directory: Path, requests: int, *, queued: bool) -> Started:
    """A daemon on so many requests in progress, each with a delivery that waits for a modem, or without."""
    gateway = Gateway(directory, ABSENT, log_level="warning")
    if requests:
        with contextlib.closing(connect(gateway.database)) as db:
            db.execute(PENDING, {"count": requests, "now": round(time.time() * 1000)})
            if queued:
                db.execute(QUEUED)
    command = [
        sys.executable,
        "-m",
        "daemon.main",
        "--config",
        str(gateway.config),
        "--log-level",
        "warning",
    ]
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            on_duty = _on_duty(gateway, began)
            time.sleep(1)
            before = cpu_s(process.pid)
            time.sleep(IDLE_S)
            return Started(on_duty, rss_mb(process.pid), (cpu_s(process.pid) - before) / IDLE_S * 100)
        finally:
            process.kill()


def _on_duty(gateway: Gateway, began: float) -> float | None:
    while time.monotonic() < began + PATIENCE_S:
        with contextlib.suppress(Unreachable):
            gateway.health()
            return time.monotonic() - began
        time.sleep(0.005)
    return None


MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$|^(Rss|Anonymous): +(\d+) kB$", re.MULTILINE)


def rss_mb(pid: int) -> float:
    """Resident memory of a process and all below it; what several of them have of one file counts once (proc(5))."""
    anonymous, of_files = 0, Counter[str]()
    for member in family(pid):
        own, file = Counter[str](), ""
        for path, kind, kb in MAPPING.findall(Path(f"/proc/{member}/smaps").read_text()):
            if not kind:
                file = path
            elif kind == "Rss":
                own[file] += int(kb)
            else:
                own[file] -= int(kb)
                anonymous += int(kb)
        of_files |= own
    return (anonymous + of_files.total()) * 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Whole:
    """Of a verification from start to check; rss_mb: idle, before the first. Only the daemon's own CPU counts."""

    cpu_ms: float
    octets: float
    rss_mb: float


def whole(directory: Path) -> Whole:
    """Verifications one after the other, by the simulated modem, with a trunk that is not used.

    Each step finds a processor that has done something else meanwhile: the same Python code takes 4 to 6 times as long
    after 15 ms of sleep as at once (measured on two virtual cores). `crowd` shows what is left without that.
    """
    modem = SimulatedModem(directory / "modem", network_s=NETWORK_S, report_s=0.02)
    with modem, SimulatedPhone() as phone:
        sections = modem_section(modem.port) + voice_section(phone.address) + UNLIMITED
        with Gateway(directory, sections, log_level="info") as gateway:
            assert gateway.process is not None
            pid = gateway.process.pid
            time.sleep(1)
            idle_mb, before, empty = rss_mb(pid), cpu_s(pid), _octets(gateway.database)
            for number in numbers(VERIFICATIONS):
                request = gateway.verify(number, workflow_id=6, pin_code="1234")
                until(lambda: "delivered" in _states(gateway, request), "the report")  # noqa: B023 - is called at once
                assert gateway.client.verify("check", request_id=request, code="1234")["status"] == "0"
            cpu_ms = (cpu_s(pid) - before) / VERIFICATIONS * 1000
        return Whole(cpu_ms, (_octets(gateway.database) - empty) / VERIFICATIONS, idle_mb)


def crowd(directory: Path) -> float:
    """CPU ms of a verification of many at once, on several modems."""
    with contextlib.ExitStack() as stack:
        places = [directory / f"modem{i}" for i in range(MODEMS)]
        modems = [SimulatedModem(place, network_s=NETWORK_S, report_s=0.02) for place in places]
        sections = [modem_section(stack.enter_context(modem).port, f"sim{i}") for i, modem in enumerate(modems)]
        gateway = stack.enter_context(Gateway(directory, "".join(sections) + UNLIMITED, log_level="info"))
        assert gateway.process is not None
        before = cpu_s(gateway.process.pid)
        forms = (f"number={number}&brand=Acme&workflow_id=6&pin_code=1234" for number in numbers(CROWD))
        ids = load(gateway.socket, forms, START, CONNECTIONS, 60).ids
        until(lambda: _delivered(gateway) == CROWD, "all reports", 120)
        checked = load(gateway.socket, (f"request_id={each}&code=1234" for each in ids), CHECK, CONNECTIONS, 60)
        assert checked.good == CROWD
        return (cpu_s(gateway.process.pid) - before) / CROWD * 1000


def _states(gateway: Gateway, request: str) -> list[str]:
    query = "SELECT a.state FROM attempt a JOIN request r ON r.id = a.request WHERE r.public_id = ?"
    with contextlib.closing(connect(gateway.database, read_only=True)) as db:
        return [state for (state,) in db.execute(query, (request,))]


def _delivered(gateway: Gateway) -> int:
    with contextlib.closing(connect(gateway.database, read_only=True)) as db:
        return int(db.execute("SELECT count(*) FROM attempt WHERE state = 'delivered'").fetchone()[0])


def _octets(database: Path) -> int:
    """Of the file; its log has been folded back into it."""
    return database.stat().st_size


def goals(directory: Path, requests: int) -> Iterator[str]:
    """Print the table; the goals that were missed."""
    homes = {name: directory / name for name in ("idle", "pending", "queued", "whole", "crowd")}
    for home in homes.values():
        home.mkdir(parents=True)
        with Gateway(home):
            pass  # it has made its database and its key
    print(f"{f'{requests} requests':30}{'on duty s':>12}{'RSS MB':>10}{'idle CPU %':>12}")
    idle = start(homes["idle"], 0, queued=False)
    pending, queued = start(homes["pending"], requests, queued=False), start(homes["queued"], requests, queued=True)
    for name, found in (("none", idle), ("pending", pending), ("queued for a modem", queued)):
        on_duty = f"{found.on_duty_s:.2f}" if found.on_duty_s is not None else f"> {PATIENCE_S:.0f}"
        print(f"{name:30}{on_duty:>12}{found.rss_mb:>10.0f}{found.cpu:>12.1f}", flush=True)
    each = whole(homes["whole"])
    busy_ms = crowd(homes["crowd"])
    print(f"a whole verification: {each.cpu_ms:.1f} ms of CPU alone, {busy_ms:.1f} ms among many on {MODEMS} modems")
    print(f"it leaves {each.octets:.0f} octets on disk")
    print(f"idle with modem and trunk: {each.rss_mb:.0f} MB", flush=True)
    for name, value, goal in (
        ("pending: on duty, s", pending.on_duty_s, ON_DUTY_S),
        ("pending: MB above idle", pending.rss_mb - idle.rss_mb, PENDING_MB),
        ("pending: idle CPU, %", pending.cpu, IDLE_CPU),
        ("queued: on duty, s", queued.on_duty_s, QUEUED_S),
        ("queued: MB", queued.rss_mb, QUEUED_MB),
        ("idle with modem and trunk, MB", each.rss_mb, RSS_MB),
        ("octets of a finished verification", each.octets, ROW_OCTETS),
        ("CPU of a whole verification, ms", each.cpu_ms, CPU_MS),
    ):
        if value is None or value > goal:
            yield f"{name}: {'never' if value is None else f'{value:.2f}'} > {goal:g}"
