"""`make mutate`: whether the tests notice changes of the code. Prints scores, and the changes that no test noticed.

`python -m tests.mutate daemon.core.wheel` tries one module. What was found is kept in a file: the next run continues
one that was interrupted, or came to the end of its minutes.
"""

import argparse
import os
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutate.operators import Module, Mutant
from tests.mutate.results import Results
from tests.mutate.running import Fate, Outcome, Plan, run
from tests.mutate.targets import TARGETS

MINUTES = 90.0
RESULTS = Path(".mutants")
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
HEAD = f"{'module':46}{'mutants':>8}{'killed':>7}{'survived':>9}{'equivalent':>11}{'not run':>8}{'score':>6}{'goal':>5}"

ANY = "*"
NEAR = 60  # characters on either side of a change that are shown

Key = tuple[str, str, str, str]


def equivalents() -> set[Key]:
    """Keys of mutants that do what the code does; one with ANY is for every change of a statement."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    assert all(entry["why"] for entry in entries)
    return {(x["module"], x.get("where", ""), x["before"], x.get("after", ANY)) for x in entries}


def _keys(mutant: Mutant) -> set[Key]:
    return {mutant.key, (*mutant.key[:3], ANY)}


@dataclass(slots=True)
class _Shown:
    """One module as it is printed. stale: the equivalent mutants that there are no more."""

    module: Module
    tried: list[Mutant]
    outcome: Outcome
    equivalent: int
    stale: list[Key]


def _print_row(name: str, fates: Counter[Fate], equivalent: int, goal: float | None = None) -> bool:
    """Whether the goal is met, by those that were tried."""
    tried = fates[Fate.KILLED] + fates[Fate.SURVIVED]
    score = fates[Fate.KILLED] / tried if tried else None
    shown = "-" if score is None else f"{score:.0%}"
    numbers = f"{fates.total() + equivalent:>8}{fates[Fate.KILLED]:>7}{fates[Fate.SURVIVED]:>9}{equivalent:>11}"
    asked = "" if goal is None else f"{goal:>5.0%}"
    print(f"{name:46}{numbers}{fates[Fate.NOT_RUN]:>8}{shown:>6}{asked}", flush=True)
    return score is None or goal is None or score >= goal


def _print_survivors(module: Module, mutants: list[Mutant], outcome: Outcome) -> None:
    path = module.path.relative_to(Path.cwd())
    for mutant in mutants:
        if outcome.fates[mutant.number] is Fate.SURVIVED:
            print(f"\n{path}:{mutant.lines[0]} {mutant.where} ({mutant.operator})")
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


def _print_tests(module: Module, outcome: Outcome) -> None:
    """Those that no mutant makes fail, and those that fail only with mutants that one other test notices too."""
    for test in sorted(outcome.tests.keys() - outcome.kills.keys()):
        print(f"\nno mutant of {module.name} makes it fail: {test}")
    for test, kills in sorted(outcome.kills.items()):
        other = next((other for other, more in outcome.kills.items() if other != test and kills <= more), None)
        if other is not None:
            print(f"\nits {len(kills)} mutants of {module.name} are noticed by another too: {test}\n  by {other}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mutants of the code, and whether the tests notice them.")
    parser.add_argument(
        "module",
        nargs="*",
        metavar="MODULE",
        choices=[*TARGETS, []],
        help=f"of these {len(TARGETS)} (default: all): " + ", ".join(TARGETS),
    )
    parser.add_argument("--sample", type=int, help="so many mutants of a module (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which none begins (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="at a time (default: %(default)s)")
    parser.add_argument("--every", action="store_true", help="run every test of a mutant; name those that say no more")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="file that a run continues (default: %(default)s)"
    )
    parser.add_argument("--survivors", action="store_true", help="try those again that survived, and no other")
    return parser.parse_args()


def _tried(name: str, given: argparse.Namespace, plan: Plan, equivalent: set[Key]) -> _Shown:
    module, target = Module(name), TARGETS[name]
    every = set().union(*map(_keys, module.mutants))
    stale = [key for key in equivalent if key[0] == name and key not in every]
    mutants = random.Random(given.seed).sample(module.mutants, min(given.sample or 10**9, len(module.mutants)))
    tried = [mutant for mutant in mutants if equivalent.isdisjoint(_keys(mutant))]
    results = Results(given.results, module, target.tests, given.every)
    known = results.known(tried, kills_hold=given.survivors)
    outcome = run(target, module, [mutant for mutant in tried if mutant.number not in known], plan, results.keep)
    for mutant in tried:
        if mutant.number in known:
            outcome.told(mutant, known[mutant.number])
    return _Shown(module, sorted(tried, key=lambda one: one.number), outcome, len(mutants) - len(tried), stale)


def main() -> int:
    given = _arguments()
    sys.dont_write_bytecode = False  # no copy of this process compiles what has not changed
    plan = Plan(given.workers, time.monotonic() + given.minutes * 60, given.every)
    equivalent = equivalents()
    met, shown, total = True, [], Counter[Fate]()
    print(HEAD, flush=True)
    for name in given.module or TARGETS:
        one = _tried(name, given, plan, equivalent)
        fates = Counter(one.outcome.fates.values())
        met &= _print_row(name, fates, one.equivalent, TARGETS[name].goal) and not one.stale
        total += fates
        shown.append(one)
    _print_row("all", total, sum(one.equivalent for one in shown))
    for one in shown:
        _print_survivors(one.module, one.tried, one.outcome)
        for test in one.outcome.failing:
            print(f"\nfails without a mutant: {test}")
        for _, where, before, after in one.stale:
            print(
                f"\nequivalent.toml: there is no such mutant any more: {one.module.name} {where}: {before} -> {after}"
            )
        if given.every:
            _print_tests(one.module, one.outcome)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
