"""`make mutate`: whether the tests notice changes of the code. Prints scores, and the changes that no test noticed.

`python -m tests.mutate daemon.core.wheel` tries all mutants of one module.
"""

import argparse
import importlib
import os
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.mutate.operators import Module, Mutant
from tests.mutate.running import Fate, Outcome, Plan, run
from tests.mutate.targets import TARGETS

MINUTES = 30.0
SAMPLE = 40
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
HEAD = (
    f"{'module':34}{'mutants':>8}{'killed':>8}{'survived':>10}{'equivalent':>12}{'not run':>9}{'score':>8}{'goal':>7}"
)
# Not ours, and slow to import: a copy of this process has them already.
WARM = (
    "cryptography.hazmat.primitives.ciphers.aead",
    "phonenumbers",
    "pyotp",
    "serial",
    "sqlite_utils",
    "starlette.requests",
)

ANY = "*"
NEAR = 60  # characters on either side of a change that are shown

Key = tuple[str, str, str, str]


def _equivalent() -> set[Key]:
    """Keys of mutants that do what the code does; one with ANY is for every change of a statement."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    assert all(entry["why"] for entry in entries)
    return {(x["module"], x.get("where", ""), x["before"], x.get("after", ANY)) for x in entries}


def _keys(mutant: Mutant) -> set[Key]:
    return {mutant.key, (*mutant.key[:3], ANY)}


def _warm() -> None:
    for name in WARM:
        with suppress(ImportError):
            importlib.import_module(name)


def _print_row(name: str, outcome: Outcome, equivalent: int, goal: float) -> bool:
    """Whether the goal is met, by those that were tried."""
    count = Counter(outcome.fates.values())
    tried = count[Fate.KILLED] + count[Fate.SURVIVED]
    score = count[Fate.KILLED] / tried if tried else None
    shown = "-" if score is None else f"{score:.0%}"
    numbers = f"{tried + count[Fate.NOT_RUN] + equivalent:>8}{count[Fate.KILLED]:>8}{count[Fate.SURVIVED]:>10}"
    print(f"{name:34}{numbers}{equivalent:>12}{count[Fate.NOT_RUN]:>9}{shown:>8}{goal:>7.0%}", flush=True)
    return score is None or score >= goal


def _print_survivors(module: Module, mutants: list[Mutant], outcome: Outcome) -> None:
    path = module.path.relative_to(Path.cwd())
    for mutant in mutants:
        if outcome.fates[mutant.number] is Fate.SURVIVED:
            seen = "" if outcome.tests_of(mutant) else ", no test comes here"
            print(f"\n{path}:{mutant.lines[0]} {mutant.where} ({mutant.operator}{seen})")
            print("\n".join(f"  {sign} {line}" for sign, line in _difference(mutant.before, mutant.after)))


def _in_common(left: str, right: str) -> int:
    """How many characters from the first on."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(left), len(right)))


def _difference(before: str, after: str) -> Iterator[tuple[str, str]]:
    """As lines with a sign, shortened to what is near the change."""
    start = _in_common(before, after)
    end = min(_in_common(before[::-1], after[::-1]), len(before) - start, len(after) - start)
    for sign, text in (("-", before), ("+", after)):
        first, last = max(start - NEAR, 0), min(len(text) - end + NEAR, len(text))
        shown = "..." * (first > 0) + text[first:last] + "..." * (last < len(text))
        yield from ((sign, line) for line in shown.splitlines())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mutants of the code, and whether the tests notice them.")
    parser.add_argument("module", nargs="*", choices=[*TARGETS, []], help="without one: all, a sample of each")
    parser.add_argument("--sample", type=int, help=f"mutants of a module (default: all of named ones, else {SAMPLE})")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and the order (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which none begins (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="at a time (default: %(default)s)")
    parser.add_argument("--every", action="store_true", help="run every test of a mutant; name those that never fail")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    plan = Plan(given.workers, time.monotonic() + given.minutes * 60, given.every)
    sample = given.sample or (None if given.module else SAMPLE)
    equivalent = _equivalent()
    _warm()
    met, shown = True, []
    print(HEAD, flush=True)
    for name in given.module or TARGETS:
        module = Module(name)
        known = set().union(*map(_keys, module.mutants))
        stale = [key for key in equivalent if key[0] == name and key not in known]
        mutants = random.Random(given.seed).sample(module.mutants, min(sample or 10**9, len(module.mutants)))
        tried = [mutant for mutant in mutants if equivalent.isdisjoint(_keys(mutant))]
        outcome = run(TARGETS[name], module, tried, plan)
        met &= _print_row(name, outcome, len(mutants) - len(tried), TARGETS[name].goal) and not stale
        shown.append((module, sorted(tried, key=lambda mutant: mutant.number), outcome, stale))
    for module, tried, outcome, stale in shown:
        _print_survivors(module, tried, outcome)
        for test in outcome.failing:
            print(f"\nfails without a mutant: {test}")
        for _, where, before, after in stale:
            print(f"\nequivalent.toml: there is no such mutant any more: {module.name} {where}: {before} -> {after}")
        if given.every:
            for test in sorted(outcome.tests.keys() - outcome.kills.keys()):
                print(f"\nno mutant of {module.name} makes it fail: {test}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
