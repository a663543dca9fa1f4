"""`make soak`: slow campaigns. Each prints a table and whether it was clean; the exit status is 1 if one was not.

`python -m tests.soak faults` runs one of them, `python -m tests.soak --help` says what each does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.examples import VARIABLE
from tests.peers import postgres
from tests.soak import (
    calls,
    faults,
    gaps,
    kills,
    listening,
    locales,
    mobile,
    overload,
    power,
    registrar,
    rotations,
    storm,
    trunk,
)

KILLS = 30
MINUTES = 30.0
EXAMPLES = 40  # times those of `make test`
CALLS, CALLS_A_SECOND = 500, 20.0
HEARD, HEARD_ELSEWHERE, COMPARED, ON_A_MOBILE = 100, 20, 100, 40


def _kills(directory: Path, _: float) -> bool:
    """The daemon is ended by `kill -9` under load: no request is lost, no message is sent twice."""
    with postgres.cluster() as server:
        server_store = server.store(directory)
        databases = (("SQLite", ""), ("PostgreSQL", server_store))
        clean = [_killed(directory / name, name, store) for name, store in databases]
    return all(clean)


def _killed(directory: Path, database: str, store: str) -> bool:
    print(f"kill -9 of the daemon on {database}, {KILLS} times under load (at-most-once policy) ...", flush=True)
    directory.mkdir()
    result = kills.campaign(directory, KILLS, store=store)
    _print(
        {
            "requests accepted": result.started,
            "requests lost": len(result.lost),
            "messages sent twice": len(result.repeated),
            "reported sent, but were not": len(result.sent_unsent),
            "restart to first answer, median s": round(statistics.median(result.on_duty_s), 2),
            "restart to first answer, worst s": round(max(result.on_duty_s), 2),
            **{f"deliveries {state}": count for state, count in sorted(result.states.items())},
        }
    )
    return result.clean


def _power(directory: Path, _: float) -> bool:
    """The power fails at each sync of the SQLite file and its log: all that was answered is there."""
    print("power loss: every write recorded, cut at each sync, opened again (also with torn sectors) ...", flush=True)
    found = power.campaign(directory)
    _print(
        {
            "answers": found.told,
            "writes": found.writes,
            "cuts": found.cuts,
            "of them in a checkpoint": found.checkpoints,
            "answers lost": len(found.lost),
            "databases damaged": len(found.damaged),
        }
    )
    return found.clean


def _rotations(directory: Path, _: float) -> bool:
    """`pinwheel key rotate` is killed at each of its lines: the daemon starts, and no live request is lost."""
    print("pinwheel key rotate, killed at each line; a daemon on each set of files that this leaves ...", flush=True)
    found = rotations.campaign(directory)
    _print({"different sets of files": found.worlds, "in trouble": len(found.troubles)})
    for trouble in found.troubles:
        print(f"  {trouble}")
    return not found.troubles


def _faults(directory: Path, _: float) -> bool:
    """Each known fault of a modem, during 12 messages: none is lost, sent twice or stuck."""
    print(f"each fault during {faults.MESSAGES} messages, network {faults.NETWORK_S} s ...", flush=True)
    return faults.campaign(directory)


def _overload(directory: Path, _: float) -> bool:
    """Twice as many requests as one modem can send: no PIN arrives after its expiry."""
    each = f"one each {overload.EVERY_S:g} s, {overload.NETWORK_S:g} s a message, PINs of {overload.LIFE_S} s"
    print(f"{overload.REQUESTS} requests to one modem, {each} ...", flush=True)
    found = overload.campaign(directory)
    _print(
        {
            "PINs that reached the network alive": found.alive,
            "PINs that reached it dead": found.dead,
            "messages dropped": found.dropped,
            "shortest life left, s": round(min(found.lives_s), 1),
        }
    )
    print(f"  {found.status}")
    return found.clean


def _storm(directory: Path, minutes: float) -> bool:
    """Random faults of the modem for --minutes: nothing is lost, sent twice or stuck, and memory stays level."""
    print(f"random faults for {minutes:g} minutes (at-most-once policy) ...", flush=True)
    result = storm.campaign(directory, minutes)
    _print(
        {
            "requests accepted": result.started,
            "requests stuck": result.lost,
            "messages sent twice": result.repeated,
            "reported sent, but were not": result.sent_unsent,
            **{f"deliveries {state}": count for state, count in sorted(result.states.items())},
            **{f"faults: {name}": count for name, count in sorted(result.happened.items())},
            "memory, first sample MB": round(result.memory_mb[0], 1),
            "memory, last sample MB": round(result.memory_mb[-1], 1),
            "memory, last quarter over second": round(result.growth, 3),
            "file descriptors, first sample": result.descriptors[0],
            "file descriptors, last sample": result.descriptors[-1],
        }
    )
    return result.clean


def _calls(directory: Path, _: float) -> bool:
    """500 calls to sipp: all end as they should, and no thread, descriptor or memory stays behind."""
    print(f"{CALLS} calls, {CALLS_A_SECOND:g} a second, {calls.EACH_S:g} s each, against sipp ...", flush=True)
    found = calls.campaign(directory, CALLS, CALLS_A_SECOND)
    _print(
        {
            **{f"calls {outcome}": count for outcome, count in sorted(found.outcomes.items())},
            "calls that played the whole speech": found.played_whole,
            "CPU of signalling, ms a call": round(found.cpu_ms, 1),
            "file descriptors before": found.before[0],
            "file descriptors after": found.after[0],
            "threads before": found.before[1],
            "threads after": found.after[1],
            "memory, more MB than before": round(found.memory_mb, 1),
        }
    )
    return found.clean


def _trunk(directory: Path, minutes: float) -> bool:
    """Calls for --minutes over a Kamailio that is killed, stopped and refuses calls: each ends with an outcome."""
    print(f"calls for {minutes:g} minutes over a Kamailio that is killed, stopped and refuses calls ...", flush=True)
    found = trunk.campaign(directory, minutes)
    _print(
        {
            **{f"calls {outcome}": count for outcome, count in sorted(found.outcomes.items())},
            "calls without an outcome": found.unended,
            **{f"trunk {what}": count for what, count in sorted(found.flaps.items())},
            "registered again, worst s": round(max(found.registered_s, default=0.0), 1),
            **{f"file descriptors {when}": two[0] for when, two in found.counted},
            **{f"threads {when}": two[1] for when, two in found.counted},
            "memory, first sample MB": round(found.memory[0], 1),
            "memory, last sample MB": round(found.memory[-1], 1),
            "memory, last quarter over second": round(found.growth, 3),
        }
    )
    return found.clean


def _registrar(directory: Path, _: float) -> bool:
    """A registrar that is away for minutes, in several ways: how soon we are registered again."""
    print(f"a registrar that is away for {registrar.AWAY_S:g} s, in several ways at the same time ...", flush=True)
    return registrar.campaign(directory)


def _locales(directory: Path, _: float) -> bool:
    """Every locale that eSpeak speaks, rendered offline and checked."""
    print("every locale that eSpeak has, rendered offline (the last resort) ...", flush=True)
    found = locales.campaign(directory)
    _print(
        {
            "locales wanted": found.wanted,
            "locales complete": found.complete,
            "clips": found.clips,
            "seconds of audio": round(found.seconds),
            "seconds to render it": round(found.took_s, 1),
        }
    )
    for failure in found.failures:
        print(f"  {failure}")
    return found.clean


def _listening(directory: Path, _: float) -> bool:
    """A speech recogniser is called: it must understand every PIN."""
    print(f"calls with {HEARD} random PINs in mu-law and in A-law, recorded and given to a recogniser ...", flush=True)
    return listening.campaign(directory, HEARD, HEARD_ELSEWHERE)


def _mobile(directory: Path, _: float) -> bool:
    """The same over mobile codecs, lost frames, street noise and babble (calls are computed, not made)."""
    print(
        f"{ON_A_MOBILE} random PINs a line, as on a mobile phone in a street and in babble, given to a recogniser ...",
        flush=True,
    )
    return mobile.campaign(directory, ON_A_MOBILE)


def _gaps(directory: Path, _: float) -> bool:
    """Which gap between digits, and which speed, a recogniser understands best."""
    print(f"gaps between the digits and two speeds, {COMPARED} random PINs each, given to a recogniser ...", flush=True)
    return gaps.campaign(directory, COMPARED)


def _properties(_: Path, __: float) -> bool:
    """What has to hold for any input, with many more examples than `make test` tries."""
    print(f"every property, {EXAMPLES} times as many examples as in make test ...", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "hypothesis", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(command, env={**os.environ, VARIABLE: str(EXAMPLES)}, check=False).returncode == 0


CAMPAIGNS: dict[str, Callable[[Path, float], bool]] = {
    "kills": _kills,
    "power": _power,
    "rotations": _rotations,
    "faults": _faults,
    "overload": _overload,
    "storm": _storm,
    "calls": _calls,
    "trunk": _trunk,
    "registrar": _registrar,
    "locales": _locales,
    "listening": _listening,
    "mobile": _mobile,
    "gaps": _gaps,
    "properties": _properties,
}


def _print(rows: Mapping[str, float]) -> None:
    for name, value in rows.items():
        print(f"  {name:36} {value:>8}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Slow campaigns on simulated devices and real SIP programs.",
        epilog="campaigns:\n" + "\n".join(f"  {name:10} {campaign.__doc__}" for name, campaign in CAMPAIGNS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("campaign", nargs="*", choices=[*CAMPAIGNS, []], metavar="CAMPAIGN", help="default: all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of storm and trunk (default: %(default)g)")
    given = parser.parse_args()
    clean = True
    for name in given.campaign or CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="pinwheel-soak-") as directory:
            good = CAMPAIGNS[name](Path(directory), given.minutes)
        print("clean" if good else "NOT CLEAN", flush=True)
        clean &= good
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
