"""`make bench`: starts, timers, reads, scrapes, messages, pacing of calls; the exit status: whether all goals are met.

`python -m tests.bench starts profile` runs some of them; `--short` takes fewer turns and fewer requests.
"""

import argparse
import compileall
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.bench import backups, pacing, pending, profile, reads, scrapes, speed, starts, timers
from tests.bench.peers import PEERS
from tests.bench.services import NotInstalled
from tests.bench.speed import Speed
from tests.bench.streams import busy_gateway

USE = {0.5: 0.96, 3.0: 0.99}
IDLE_MS, IDLE_WORST_MS = 10.0, 30.0
POOL_TIMES = 3.9
CPU_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """A row of the table of pacing. most_ms: for the p99 of how far an interval is from 20 ms; busy: a daemon is."""

    sender: str
    streams: int
    seconds: float = 20.0
    most_ms: float | None = None
    busy: bool = False


PACING = (
    Plan("Pinwheel", 1, 60.0, 3.0),
    Plan("Pinwheel", 100, 60.0, 3.0),
    Plan("Pinwheel", 100, 20.0, 3.0, busy=True),
    Plan("Pinwheel", 500, 20.0, 5.0),
    Plan("Pinwheel", 1000, 20.0, 10.0),
    Plan("sipp", 100),
    Plan("pyVoIP", 1),
    Plan("pyVoIP", 100),
)
A_SECOND = 50.0


ROOT, PACKAGES = Path(__file__).parents[2], ("daemon", "drivers")
TURNS = 5
SHORT = 10  # times fewer pending requests


def _profile(directory: Path, _: int) -> Iterator[str]:
    profile.show(directory)
    yield from ()


def _pending(directory: Path, turns: int) -> Iterator[str]:
    yield from pending.goals(directory, pending.MILLION if turns == TURNS else pending.MILLION // SHORT)


def _messages(directory: Path, _: int) -> Iterator[str]:
    print(speed.HEAD, flush=True)
    measured: dict[str, Speed] = {}
    for sender in speed.SENDERS:
        if sender in PEERS and not PEERS[sender].version:
            print(f"{sender:34}not installed", flush=True)
            continue
        measured[sender] = speed.measure(sender, directory / sender)
        print(speed.row(measured[sender]), flush=True)
    yield from _speed_goals(measured["Pinwheel"])
    yield from _cpu_goals(list(measured), directory / "cpu")
    times = speed.pool(directory / "pool")
    print(f"{speed.POOL} modems: {times:.2f} times the messages that one could send at the most", flush=True)
    counted = speed.reports(directory / "reports")
    print(f"delivery reports counted: {counted} of {speed.REPORTS}")
    if times < POOL_TIMES:
        yield f"{speed.POOL} modems: {times:.2f} < {POOL_TIMES}"
    if counted < speed.REPORTS:
        yield f"reports: {counted} < {speed.REPORTS}"


CAMPAIGNS: Mapping[str, Callable[[Path, int], Iterator[str]]] = {
    "starts": starts.goals,
    "profile": _profile,
    "timers": timers.goals,
    "pending": _pending,
    "reads": reads.goals,
    "scrapes": scrapes.goals,
    "backups": backups.goals,
    "messages": _messages,
    "pacing": lambda directory, _: _pacing_goals(directory),
}
"""Each prints its table and gives the goals that were missed; its arguments are a directory and the number of turns."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("campaigns", nargs="*", choices=[*CAMPAIGNS, []], help="default: all")
    parser.add_argument("--short", action="store_true", help="one turn, and a tenth of the pending requests")
    wanted = parser.parse_args()
    missed: list[str] = []
    for (
        package
    ) in PACKAGES:  # as an installation has them; where PYTHONDONTWRITEBYTECODE is set, each start compiled all
        compileall.compile_dir(ROOT / package, quiet=1)
    with tempfile.TemporaryDirectory(prefix="pinwheel-bench-") as name:
        for campaign in wanted.campaigns or CAMPAIGNS:
            directory = Path(name) / campaign
            directory.mkdir()
            print(f"{campaign}; load average before it: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
            try:
                missed += CAMPAIGNS[campaign](directory, 1 if wanted.short else TURNS)
            except NotInstalled as exc:
                missed.append(f"{campaign}: {exc}")
    print("every goal is met" if not missed else "goals missed: " + "; ".join(missed))
    return 1 if missed else 0


def _pacing_goals(directory: Path) -> Iterator[str]:
    """Print the table of the pacer and its peers; the goals that the pacer missed."""
    print(pacing.HEAD, flush=True)
    for number, plan in enumerate(PACING):
        home = directory / f"pacing{number}"
        home.mkdir()
        with busy_gateway(home) if plan.busy else nullcontext():
            found = pacing.measure(plan.streams, home, plan.sender, plan.seconds)
        print(pacing.row(found, ", daemon busy" if plan.busy else ""), flush=True)
        if plan.most_ms is None:
            continue
        if found.off_p99_ms > plan.most_ms:
            yield f"pacing of {plan.streams} streams: p99 {found.off_p99_ms:.1f} ms > {plan.most_ms:g} ms"
        if round(found.a_second, 2) != A_SECOND or found.lost:
            yield f"pacing of {plan.streams} streams: {found.a_second:.3f} packets/s, {found.lost} lost"


def _speed_goals(ours: Speed) -> Iterator[str]:
    """The goals that Pinwheel missed."""
    for network_s, least in USE.items():
        if ours.utilisation[network_s] < least:
            yield f"use at {network_s:g} s: {ours.utilisation[network_s]:.3f} < {least}"
    if statistics.median(ours.idle_ms) > IDLE_MS:
        yield f"idle, median: {statistics.median(ours.idle_ms):.1f} ms > {IDLE_MS:g} ms"
    if max(ours.idle_ms) > IDLE_WORST_MS:
        yield f"idle, worst: {max(ours.idle_ms):.1f} ms > {IDLE_WORST_MS:g} ms"


def _cpu_goals(senders: list[str], directory: Path) -> Iterator[str]:
    """Print what a message costs each sender, in turns, as the speed of the machine varies; the goals we missed."""
    rounds: dict[str, list[float]] = {sender: [] for sender in senders}
    for number in range(CPU_ROUNDS):
        for sender in senders:
            rounds[sender].append(speed.watchful_cpu_ms(sender, directory / f"{sender}{number}"))
    print("CPU ms/message where all watch the modem and know what arrived (each round, mean)", flush=True)
    means = {sender: statistics.mean(found) for sender, found in rounds.items()}
    for sender, found in rounds.items():
        print(f"{speed.label(sender):34}" + "".join(f"{each:>12.1f}" for each in (*found, means[sender])), flush=True)
    for sender in senders:
        if means["Pinwheel"] > means[sender]:
            yield f"CPU: {means['Pinwheel']:.1f} ms a message > {means[sender]:.1f} ms of {sender}"


if __name__ == "__main__":
    sys.exit(main())
