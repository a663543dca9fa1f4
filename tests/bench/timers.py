"""How late timers fire, beside APScheduler and huey on SQLite; by turns, medians."""

import contextlib
import json
import math
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from daemon.store.rows import REQUEST_COLUMNS
from daemon.store.sqlite.library import connect
from tests.bench.peers import cpu_s
from tests.bench.services import pinwheel, rivals_python
from tests.gateway import Gateway, until

RATES = {278: 3.0, 1000: 2.0}  # timers a second: for so many seconds
LEAD_S = 6.0  # until the first is due: the daemon starts meanwhile
P99_GOAL_MS = 25.0
OTHERS = ("apscheduler", "huey")
# In the last event of its workflow, so that it expires when it is due.
DUE = f"""WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1)
    INSERT INTO request (id, {REQUEST_COLUMNS})
    SELECT NULL, printf('%032x', i), printf('4477%08d', i), 'Acme', 'en-gb', 4, 6, 'sms:125000',
    300000, 0, :first, '', 'VERIFY', '', 1, 'IN PROGRESS', 1, 1, :first, 0, :first + i * 1000 / :a_second, :first,
    :first, NULL FROM n"""  # noqa: S608
LATE = """SELECT max(h.at_ms) - (r.created_ms + (r.id - 1) * 1000 / ?) FROM request r
    JOIN history h ON h.request_id = r.public_id GROUP BY r.id"""
OPEN = "SELECT count(*) FROM request WHERE status = 'IN PROGRESS'"


def ours(directory: Path, a_second: int) -> tuple[list[float], float]:
    """How late each was in ms, and the CPU used meanwhile in % of a core."""
    directory.mkdir(parents=True)
    with Gateway(directory):
        pass  # it has made its database
    count, first = round(a_second * RATES[a_second]), round((time.time() + LEAD_S) * 1000)
    database = directory / "pinwheel.db"
    with contextlib.closing(connect(database)) as db:
        db.execute(DUE, {"count": count, "first": first, "a_second": a_second})
    with pinwheel(directory) as service:
        time.sleep(max(first / 1000 - time.time(), 0))
        before, began = cpu_s(service.pids[0]), time.monotonic()
        with contextlib.closing(connect(database, read_only=True)) as db:
            until(lambda: not db.execute(OPEN).fetchone()[0], "all are over", RATES[a_second] + 30)
            cpu = (cpu_s(service.pids[0]) - before) / (time.monotonic() - began) * 100
            return [float(late) for (late,) in db.execute(LATE, (a_second,))], cpu


def of_others(name: str, directory: Path, a_second: int) -> list[float]:
    directory.mkdir(parents=True)
    command = rivals_python("timer_service.py", name, str(directory), str(a_second), str(RATES[a_second]))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=True)
    return sorted(json.loads(done.stdout))


def _p50(turns: list[list[float]]) -> float:
    return statistics.median(statistics.median(late or [math.inf]) for late in turns)


def _p99(turns: list[list[float]]) -> float:
    return statistics.median(sorted(late)[int(len(late) * 0.99)] if late else math.inf for late in turns)


def goals(directory: Path, turns: int) -> Iterator[str]:
    """Print the table; the goals that were missed. Raises NotInstalled."""
    print(
        f"{'timers: late by, ms':30}"
        + "".join(f"{f'p50 at {rate}/s':>15}{'p99':>9}" for rate in RATES)
        + "   CPU % at 278/s"
    )
    late: dict[str, dict[int, list[list[float]]]] = {
        name: {rate: [] for rate in RATES} for name in ("Pinwheel", *OTHERS)
    }
    cpu: list[float] = []
    for turn in range(turns):
        for rate in RATES:
            each, used = ours(directory / f"ours-{turn}-{rate}", rate)
            late["Pinwheel"][rate].append(each)
            cpu.append(used)
            for name in OTHERS:
                late[name][rate].append(of_others(name, directory / f"{name}-{turn}-{rate}", rate))
    for name, rates in late.items():
        figures = (f"{_p50(rates[rate]):>15.1f}{_p99(rates[rate]):>9.1f}" for rate in RATES)
        print(f"{name:30}{''.join(figures)}" + (f"{cpu[0]:>8.1f}" if name == "Pinwheel" else ""), flush=True)
    for rate in RATES:
        if (p99 := _p99(late["Pinwheel"][rate])) > P99_GOAL_MS:
            yield f"timers at {rate}/s: p99 {p99:.0f} ms late > {P99_GOAL_MS:g} ms"
