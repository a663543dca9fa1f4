"""What the tests say to the mutants of one module.

A process collects the module's tests once. A copy of it runs them all, to learn which tests reach which line and how
long each takes. Then a copy for each mutant changes the functions in place and runs the tests that reach its line, the
quickest first, until one fails. What changes more than the code of a function is tried in a process that imports
everything anew; the daemons that a test starts there are mutants too.
"""

import ast
import gc
import importlib
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import hypothesis
import pytest

from tests.mutate import forks
from tests.mutate.forks import Limit
from tests.mutate.operators import Module, Mutant
from tests.mutate.results import Failed
from tests.mutate.startup import sitecustomize
from tests.mutate.targets import REPR, Target

PROFILE = "mutate"  # of hypothesis: the same examples for every mutant
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:xdist")
OPTIONS = ("-q", "--assert=plain", "--tb=no", *PLUGINS, f"--hypothesis-profile={PROFILE}")
IMPORT, NOT_IN_PLACE = "import", "not in place"
LONGEST_S = 1200.0  # for all tests of one module, without a mutant
PATIENCE, IMPORTS_S = 5.0, 20.0  # so many times as long as without it, and as long for imports
BUSY = 20.0  # a machine with other work may need so many times as long again
FOREIGN = (sys.prefix, sys.base_prefix)  # where modules lie that are not ours


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Plan:
    """until: the end, monotonic; every: run all tests of a mutant, to see which of them never fail.

    least_s: CPU time, and time asleep, that a mutant gets at least, before it counts as one that never ends.
    """

    workers: int
    until: float
    every: bool = False
    least_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Reached:
    """A test that passes: how long it takes, its CPU time, and which lines of the module it reaches."""

    seconds: float
    cpu_s: float
    lines: Sequence[int]


@dataclass(slots=True)
class Outcome:
    """Of one module. failing: tests that fail without any mutant; kills: by test, the mutants that it killed.

    imported: the lines that run when the module is imported, those of functions that it calls then too; collected:
    those that run while all modules and tests are imported.
    """

    fates: dict[int, Fate]
    imported: frozenset[int] = frozenset()
    collected: frozenset[int] = frozenset()
    tests: dict[str, Reached] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    kills: dict[str, set[int]] = field(default_factory=dict)

    def told(self, mutant: Mutant, failed: Failed) -> None:
        self.fates[mutant.number] = Fate.SURVIVED if failed == [] else Fate.KILLED
        for test in failed or []:
            self.kills.setdefault(test, set()).add(mutant.number)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that may notice it, the quickest first."""
        found = list(self.tests) if self.at_import(mutant) else self._reaching(mutant)
        if "repr" not in mutant.where + mutant.before:  # nothing else concerns this file, which imports everything
            found = [name for name in found if not name.startswith(REPR)]
        return sorted(found, key=lambda name: (not self.tests[name].lines, self.tests[name].seconds))

    def at_import(self, mutant: Mutant) -> bool:
        """Whether it changes what happens when the module is imported, or what others do with it when they are."""
        alone = self.imported if self._reaching(mutant) else self.imported | self.collected
        return not mutant.in_function or not alone.isdisjoint(mutant.lines)

    def _reaching(self, mutant: Mutant) -> list[str]:
        return [name for name, test in self.tests.items() if any(line in mutant.lines for line in test.lines)]

    def limit(self, mutant: Mutant, least_s: float) -> Limit:
        tests = [self.tests[name] for name in self.tests_of(mutant)]
        cpu_s = sum(test.cpu_s for test in tests) * PATIENCE + least_s
        longest_s = max((test.seconds for test in tests), default=0.0)
        return Limit(cpu_s, longest_s * PATIENCE + least_s, cpu_s * BUSY)


Keep = Callable[[Mutant, Failed], None]


def run(target: Target, module: Module, mutants: Sequence[Mutant], plan: Plan, keep: Keep) -> Outcome:
    """Try the mutants of a module. keep: called with what came of one as soon as that is known."""
    outcome = Outcome(dict.fromkeys((mutant.number for mutant in mutants), Fate.NOT_RUN))
    if not mutants or time.monotonic() >= plan.until:
        return outcome
    _register_profile()
    _in_place(target, module, mutants, plan, keep, outcome)
    left = [mutant for mutant in mutants if outcome.fates[mutant.number] is Fate.NOT_RUN]
    _anew(module, left, plan, keep, outcome)
    return outcome


def _register_profile() -> None:
    hypothesis.settings.register_profile(
        PROFILE,
        database=None,
        deadline=None,
        derandomize=True,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=tuple(hypothesis.HealthCheck),
    )


class _Recorder:
    """What pytest reports."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)


# --- in place ---------------------------------------------------------------------------------------------------


def _in_place(
    target: Target, module: Module, mutants: Sequence[Mutant], plan: Plan, keep: Keep, outcome: Outcome
) -> None:
    """Try mutants of functions, in copies of one process that has collected the tests."""

    watch = _watch(module)

    def collect() -> Any:
        watch.start()
        session = _Tests(lambda tests: _try_in_place(tests, module, mutants, plan, keep, _lines_seen(watch, module)))
        pytest.main([*OPTIONS, *target.tests], plugins=[session])
        return session.result

    found = forks.once(collect, 2 * LONGEST_S + max(plan.until - time.monotonic(), 0.0))
    outcome.tests = {name: Reached(*test) for name, test in found["tests"].items()}
    outcome.failing = found["failing"]
    outcome.imported, outcome.collected = frozenset(found["imported"]), frozenset(found["collected"])
    for mutant in mutants:
        if str(mutant.number) in found["failed"]:
            outcome.told(mutant, found["failed"][str(mutant.number)])
    _warm(found["foreign"])


def _warm(names: Sequence[str]) -> None:
    """Import what is not ours: a copy of this process has it already."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)


class _Tests(_Recorder):
    """The tests that pytest has collected, for a work that runs some of them."""

    def __init__(self, work: Callable[["_Tests"], Any]) -> None:
        super().__init__()
        self._work = work
        self._items: dict[str, pytest.Item] = {}
        self.result: Any = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own."""
        if session.testsfailed:
            raise RuntimeError("the tests cannot be collected")
        self._items = {item.nodeid: item for item in session.items}
        self.result = self._work(self)
        return True

    def names(self) -> list[str]:
        return list(self._items)

    def run(self, names: Sequence[str], before: Callable[[str], None] = lambda _: None, *, every: bool) -> list[str]:
        """Those that fail; the first one only, unless `every`."""
        for name, following in zip(names, [*names[1:], None], strict=True):
            before(name)
            item, after = self._items[name], self._items[following] if following else None
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            except (KeyboardInterrupt, SystemExit, pytest.exit.Exception):
                return [*self.failed, name]
            if self.failed and not every:
                break
        return self.failed


def _try_in_place(
    tests: _Tests, module: Module, mutants: Sequence[Mutant], plan: Plan, keep: Keep, collected: frozenset[int]
) -> Any:
    """failed: by the mutant's number; foreign: the modules in use that are not ours."""
    importlib.import_module(module.name)
    functions = _functions(str(module.path))
    gc.freeze()  # the copies share what is there, as long as no collection writes to it
    learnt = forks.once(lambda: _learn(tests, module), LONGEST_S)
    tests_by_name = {name: Reached(*test) for name, test in learnt["tests"].items()}
    outcome = Outcome({}, frozenset(learnt["imported"]), collected, tests_by_name)

    def attempt(mutant: Mutant, _: Path) -> Any:
        mutant.apply()
        if not _replace(functions, compile(module.tree, str(module.path), "exec", dont_inherit=True)):
            return NOT_IN_PLACE
        return tests.run(outcome.tests_of(mutant), bound, every=plan.every)

    def bound(name: str) -> None:
        forks.bound_cpu(outcome.tests[name].cpu_s * PATIENCE + plan.least_s)

    failed: dict[int, Failed] = {}
    reached = [mutant for mutant in mutants if outcome.tests_of(mutant) and not outcome.at_import(mutant)]
    for mutant, found in forks.each(
        reached, attempt, lambda one: outcome.limit(one, plan.least_s), plan.workers, plan.until
    ):
        if found != NOT_IN_PLACE:
            failed[mutant.number] = found
            keep(mutant, found)
    return {**learnt, "collected": list(collected), "failed": failed}


def _watch(module: Module) -> coverage.Coverage:
    return coverage.Coverage(data_file=None, config_file=False, include=[str(module.path)])


def _lines_seen(watch: coverage.Coverage, module: Module) -> frozenset[int]:
    """Until now; no more are looked at."""
    watch.stop()
    return frozenset(watch.get_data().lines(str(module.path)) or ())


def _learn(tests: _Tests, module: Module) -> Any:
    """Run all tests without a mutant. tests: by name, seconds and lines of the ones that pass."""
    path = str(module.path)
    watch = _watch(module)
    begun: dict[str, tuple[float, float]] = {}

    def before(name: str) -> None:
        watch.switch_context(name)
        begun[name] = time.monotonic(), time.process_time()

    watch.start()
    watch.switch_context(IMPORT)
    runpy.run_path(path, run_name=module.name)
    failing = list(tests.run(tests.names(), before, every=True))
    ends = [*list(begun.values())[1:], (time.monotonic(), time.process_time())]
    watch.stop()
    lines: dict[str, list[int]] = {}
    for line, names in watch.get_data().contexts_by_lineno(path).items():
        for name in names:
            lines.setdefault(name, []).append(line)
    passing = {
        name: (end[0] - start[0], end[1] - start[1], lines.get(name, []))
        for (name, start), end in zip(begun.items(), ends, strict=True)
        if name not in failing
    }
    foreign = [
        name for name, module in sys.modules.items() if (getattr(module, "__file__", "") or "").startswith(FOREIGN)
    ]
    return {"tests": passing, "failing": failing, "imported": lines.get(IMPORT, []), "foreign": foreign}


def _functions(path: str) -> list[FunctionType]:
    """Those of a module that live, methods and others that have no name included."""
    found = (each for each in gc.get_objects() if isinstance(each, FunctionType))
    return [function for function in found if function.__code__.co_filename == path]


def _replace(functions: Sequence[FunctionType], mutated: CodeType) -> bool:
    """Give them the code that they have in the mutated module; False where that cannot be, or changes none of them."""
    new: dict[tuple[str, int], list[CodeType]] = {}
    for code in _codes(mutated):
        new.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
    changed = False
    for function in functions:
        codes = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno), [])
        if function.__code__ in codes:
            continue
        if len(codes) != 1 or codes[0].co_freevars != function.__code__.co_freevars:
            return False
        changed, function.__code__ = True, codes[0]
    return changed


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


# --- anew -------------------------------------------------------------------------------------------------------


def _anew(module: Module, mutants: Sequence[Mutant], plan: Plan, keep: Keep, outcome: Outcome) -> None:
    """Try mutants in processes that have imported nothing of ours."""

    def attempt(mutant: Mutant, home: Path) -> list[str]:
        mutant.apply()
        source = home / "mutant.py"
        source.write_text(ast.unparse(module.tree), encoding="utf-8")
        os.environ.update(_environment(module.name, source))
        sitecustomize.install()
        tests = outcome.tests_of(mutant)
        near = [name for name in tests if outcome.tests[name].lines]
        failed = _failing(near, every=plan.every)
        if failed and not plan.every:
            return failed
        return failed + _failing([name for name in tests if name not in near], every=plan.every)

    gc.collect()
    gc.freeze()
    unseen = [mutant for mutant in mutants if not outcome.tests_of(mutant)]
    for mutant in unseen:
        outcome.told(mutant, [])
        keep(mutant, [])
    seen = [mutant for mutant in mutants if mutant not in unseen]
    for mutant, failed in forks.each(
        seen, attempt, lambda one: outcome.limit(one, IMPORTS_S), plan.workers, plan.until
    ):
        outcome.told(mutant, failed)
        keep(mutant, failed)


def _failing(names: Sequence[str], *, every: bool) -> list[str]:
    """Of the tests those that fail, the first one only unless `every`; what keeps them from running counts as one."""
    if not names:
        return []
    recorder = _Recorder()
    stop = [] if every else ["-x"]
    status = pytest.main([*OPTIONS, *stop, *names], plugins=[recorder])
    return recorder.failed if recorder.failed or status is pytest.ExitCode.OK else ["collection"]


def _environment(name: str, source: Path) -> Mapping[str, str]:
    """For daemons that a test starts."""
    path = [str(Path(sitecustomize.__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {
        sitecustomize.MODULE: name,
        sitecustomize.SOURCE: str(source),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
