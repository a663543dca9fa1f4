"""Durable starts and checks a second, beside services as they are usually written; medians of turns, by turns."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Load, load
from tests.bench.peers import cpu_s
from tests.bench.services import SERVICES, Service, all_running

OURS, ON_SERVER = "Pinwheel", "Pinwheel on PostgreSQL"
LIKE_US, LAX = "Redis, appendfsync always", "Redis, appendfsync everysec"
CONNECTIONS = 256
SECONDS, MOST_A_SECOND = 3.0, 20_000
CHECKS = 8_000
STARTS_GOAL, P99_GOAL_MS, ONE_GOAL, CHECKS_GOAL, RATIO_GOAL, CPU_GOAL_MS = 5000, 90.0, 1200, 5500, 2.5, 0.20
SERVER_GOAL, SERVER_ONE_GOAL = 0.6, 0.4  # of the starts/s on SQLite: with 256 connections, with one
START, CHECK = "/verify/json", "/verify/check/json"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one service did. cpu_ms: of a start, with 256 connections, of the service and its database."""

    many: Load
    one: Load
    checks: Load
    cpu_ms: float


def bodies(first: int, count: int, more: str = "") -> Iterator[str]:
    """Forms that start requests for ordinary handsets, each once."""
    return (f"number=4477{number:08d}&brand=Acme&workflow_id=6{more}" for number in range(first, first + count))


class Numbers:
    """Hands out ranges of numbers, so that no request meets another."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, count: int) -> int:
        self._next += count
        return self._next - count


def turn(service: Service, numbers: Numbers, seconds: float = SECONDS) -> Turn:
    most = round(MOST_A_SECOND * seconds)
    before = sum(map(cpu_s, service.pids))
    many = load(service.socket, bodies(numbers.take(most), most), START, CONNECTIONS, seconds)
    cpu_ms = (sum(map(cpu_s, service.pids)) - before) / (many.good + many.others) * 1000
    one = load(service.socket, bodies(numbers.take(most), most), START, 1, seconds)
    own_code = bodies(numbers.take(CHECKS), CHECKS, "&pin_code=1234")
    started = load(service.socket, own_code, START, CONNECTIONS, 10 * seconds).ids
    checks = load(service.socket, (f"request_id={each}&code=1234" for each in started), CHECK, CONNECTIONS, seconds)
    return Turn(many, one, checks, cpu_ms)


HEAD = (
    f"{'':30}{'starts/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'ratio':>7}{'on 1 connection/s':>19}{'p99 ms':>8}"
    f"{'checks/s':>10}{'p99 ms':>8}{'CPU ms/start':>14}"
)


def row(name: str, turns: list[Turn], ours: list[Turn]) -> str:
    """ratio: how many times as many starts Pinwheel makes."""
    return (
        f"{name:30}{_median(turns, lambda t: t.many.a_second):>10.0f}{_median(turns, lambda t: t.many.p50_ms):>8.1f}"
        f"{_median(turns, lambda t: t.many.p99_ms):>8.1f}{_times(ours, turns):>7.2f}"
        f"{_median(turns, lambda t: t.one.a_second):>19.0f}{_median(turns, lambda t: t.one.p99_ms):>8.1f}"
        f"{_median(turns, lambda t: t.checks.a_second):>10.0f}"
        f"{_median(turns, lambda t: t.checks.p99_ms):>8.1f}{_median(turns, lambda t: t.cpu_ms):>14.2f}"
    )


def _median(turns: list[Turn], figure: Callable[[Turn], float]) -> float:
    return statistics.median(map(figure, turns))


def _one(turns: list[Turn]) -> float:
    return _median(turns, lambda t: t.one.a_second)


def _times(ours: list[Turn], others: list[Turn]) -> float:
    """How many times as many starts a second are ours."""
    return _median(ours, lambda t: t.many.a_second) / _median(others, lambda t: t.many.a_second)


def goals(directory: Path, turns: int) -> Iterator[str]:
    """Print the table, ratios first; the goals that were missed. Raises NotInstalled."""
    numbers = Numbers()
    found: dict[str, list[Turn]] = {name: [] for name in SERVICES}
    with all_running(directory) as services:
        for _ in range(turns):
            for name, service in services.items():
                found[name].append(turn(service, numbers))
    ours = found[OURS]
    for other in (LIKE_US, LAX, ON_SERVER):
        print(f"starts/s of Pinwheel over {other}: {_times(ours, found[other]):.2f}")
    print(HEAD)
    for name, its_turns in found.items():
        print(row(name, its_turns, ours), flush=True)
    if bad := sum(t.many.others + t.one.others + t.checks.others for each in found.values() for t in each):
        yield f"{bad} answers were not status 0"
    for name, value, goal in (
        ("starts/s", _median(ours, lambda t: t.many.a_second), STARTS_GOAL),
        ("times the Redis service", _times(ours, found[LIKE_US]), RATIO_GOAL),
        ("starts/s on 1 connection", _one(ours), ONE_GOAL),
        ("on PostgreSQL, times SQLite", 1 / _times(ours, found[ON_SERVER]), SERVER_GOAL),
        ("on PostgreSQL, times SQLite, 1 connection", _one(found[ON_SERVER]) / _one(ours), SERVER_ONE_GOAL),
        ("checks/s", _median(ours, lambda t: t.checks.a_second), CHECKS_GOAL),
    ):
        if value < goal:
            yield f"{name}: {value:.2f} < {goal:g}"
    if (p99 := _median(ours, lambda t: t.many.p99_ms)) > P99_GOAL_MS:
        yield f"starts, p99: {p99:.0f} ms > {P99_GOAL_MS:g} ms"
    if (cpu_ms := _median(ours, lambda t: t.cpu_ms)) > CPU_GOAL_MS:
        yield f"CPU of a start: {cpu_ms:.2f} ms > {CPU_GOAL_MS:g} ms"
