"""`make soak`: slow campaigns. Each prints a table; the exit status says whether all were clean.

`python -m tests.soak faults` runs one of them; `--minutes` is the length of the storm.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.soak import calls, faults, gaps, kills, listening, locales, mobile, overload, registrar, storm, trunk

KILLS = 30
MINUTES = 30.0
CALLS, CALLS_A_SECOND = 500, 20.0
HEARD, HEARD_ELSEWHERE, COMPARED, ON_A_MOBILE = 100, 20, 100, 40


def _kills(directory: Path, _: float) -> bool:
    print(f"kill -9 of the daemon, {KILLS} times under load (at-most-once policy) ...", flush=True)
    result = kills.campaign(directory, KILLS)
    _print(
        {
            "requests promised": result.started,
            "requests lost": len(result.lost),
            "messages sent twice": len(result.repeated),
            "reported sent, but were not": len(result.sent_unsent),
            "restart to first answer, median s": round(statistics.median(result.on_duty_s), 2),
            "restart to first answer, worst s": round(max(result.on_duty_s), 2),
            **{f"deliveries {state}": count for state, count in sorted(result.states.items())},
        }
    )
    return result.clean


def _faults(directory: Path, _: float) -> bool:
    print(f"each fault in the middle of {faults.MESSAGES} messages, network {faults.NETWORK_S} s ...", flush=True)
    return faults.campaign(directory)


def _overload(directory: Path, _: float) -> bool:
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
    print(f"  {found.told}")
    return found.clean


def _storm(directory: Path, minutes: float) -> bool:
    print(f"random faults for {minutes:g} minutes (at-most-once policy) ...", flush=True)
    result = storm.campaign(directory, minutes)
    _print(
        {
            "requests promised": result.started,
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
    print(f"calls for {minutes:g} minutes over a Kamailio that is killed, frozen and refuses ...", flush=True)
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
    print(f"a registrar that is away for {registrar.AWAY_S:g} s, in several ways at the same time ...", flush=True)
    return registrar.campaign(directory)


def _locales(directory: Path, _: float) -> bool:
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
    print(f"{HEARD} random PINs a law, called, and what a recogniser hears in the callee's recording ...", flush=True)
    return listening.campaign(directory, HEARD, HEARD_ELSEWHERE)


def _mobile(directory: Path, _: float) -> bool:
    print(
        f"{ON_A_MOBILE} random PINs a line on a mobile phone, in a street and in babble, by a recogniser ...",
        flush=True,
    )
    return mobile.campaign(directory, ON_A_MOBILE)


def _gaps(directory: Path, _: float) -> bool:
    print(f"gaps between the digits and two speeds, {COMPARED} random PINs each, by a recogniser ...", flush=True)
    return gaps.campaign(directory, COMPARED)


CAMPAIGNS: dict[str, Callable[[Path, float], bool]] = {
    "kills": _kills,
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
}


def _print(rows: Mapping[str, float]) -> None:
    for name, value in rows.items():
        print(f"  {name:36} {value:>8}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Slow campaigns; without a name, all of them.")
    parser.add_argument("campaign", nargs="*", choices=[*CAMPAIGNS, []], help=", ".join(CAMPAIGNS))
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the storm (default: %(default)s)")
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
