"""What the tests say to the mutants of one module.

A process collects the module's tests once. A copy of it runs them all, to learn which tests reach which line and how
long each takes. Then a copy for each mutant changes the functions in place and runs the tests that reach its line, the
quickest first, until one fails. What changes more than a function, or has survived so far, is tried again in a
process that imports everything anew; the daemons that a test starts there are mutants too.
"""

import ast
import gc
import importlib
import os
import runpy
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from tests.mutate.startup import sitecustomize
from tests.mutate.targets import Target

PROFILE = "mutate"  # of hypothesis: the same examples for every mutant
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", f"--hypothesis-profile={PROFILE}")
IMPORT = "import"
LONGEST_S = 1200.0  # for all tests of one module, without a mutant
PATIENCE, IMPORTS_S = 5.0, 20.0  # so many times as long as without it, and as long for imports


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Plan:
    """until: the end, monotonic; every: run all tests of a mutant, to see which of them never fail.

    least_s: CPU time that a mutant gets at least, before it counts as one that never ends.
    """

    workers: int
    until: float
    every: bool = False
    least_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Reached:
    """A test that passes: how long it takes, and which lines of the module it reaches; a daemon's are not known."""

    seconds: float
    lines: Sequence[int] | None


@dataclass(slots=True)
class Outcome:
    """Of one module. failing: tests that fail without any mutant; kills: by test, how many mutants it killed.

    imported: the lines that run when the module is imported, those of functions that it calls then too.
    """

    fates: dict[int, Fate]
    imported: frozenset[int] = frozenset()
    tests: dict[str, Reached] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    def told(self, mutant: Mutant, failed: list[str] | None) -> None:
        """failed: the tests that failed; None where they did not come to an end."""
        self.fates[mutant.number] = Fate.SURVIVED if failed == [] else Fate.KILLED
        self.kills.update(failed or [])

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that may notice it, the quickest first."""
        everywhere = self.at_import(mutant)
        found = [
            name
            for name, test in self.tests.items()
            if test.lines is None or everywhere or any(line in mutant.lines for line in test.lines)
        ]
        return sorted(found, key=lambda name: (not self.tests[name].lines, self.tests[name].seconds))

    def at_import(self, mutant: Mutant) -> bool:
        """Whether it changes what happens when the module is imported."""
        return not mutant.in_function or not self.imported.isdisjoint(mutant.lines)

    def seconds(self, mutant: Mutant) -> float:
        return sum(self.tests[name].seconds for name in self.tests_of(mutant))


def run(target: Target, module: Module, mutants: Sequence[Mutant], plan: Plan) -> Outcome:
    """Try the mutants of a module."""
    outcome = Outcome(dict.fromkeys((mutant.number for mutant in mutants), Fate.NOT_RUN))
    if time.monotonic() >= plan.until:
        return outcome
    _register_profile()
    inside = [mutant for mutant in mutants if mutant.in_function]
    if target.tests:
        _in_place(target, module, inside, plan, outcome)
    if target.daemons:
        _learn_daemons(target, outcome)
    left = [mutant for mutant in mutants if outcome.fates[mutant.number] is not Fate.KILLED]
    _anew(module, left, plan, outcome)
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


def _in_place(target: Target, module: Module, mutants: Sequence[Mutant], plan: Plan, outcome: Outcome) -> None:
    """Try mutants of functions, in copies of one process that has collected the tests."""

    def collect() -> Any:
        session = _Tests(lambda tests: _try_in_place(tests, module, mutants, plan))
        pytest.main([*OPTIONS, *target.tests], plugins=[session])
        return session.result

    found = forks.once(collect, 2 * LONGEST_S + max(plan.until - time.monotonic(), 0.0))
    outcome.tests = {name: Reached(*test) for name, test in found["tests"].items()}
    outcome.failing, outcome.imported = found["failing"], frozenset(found["imported"])
    for mutant in mutants:
        if str(mutant.number) in found["failed"]:
            outcome.told(mutant, found["failed"][str(mutant.number)])


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


def _try_in_place(tests: _Tests, module: Module, mutants: Sequence[Mutant], plan: Plan) -> Any:
    """failed: by the mutant's number."""
    importlib.import_module(module.name)
    functions = _functions(str(module.path))
    gc.freeze()  # the copies share what is there, as long as no collection writes to it
    learnt = forks.once(lambda: _learn(tests, module), LONGEST_S)
    tests_by_name = {name: Reached(*test) for name, test in learnt["tests"].items()}
    outcome = Outcome({}, frozenset(learnt["imported"]), tests_by_name)

    def attempt(mutant: Mutant, _: Path) -> list[str]:
        mutant.apply()
        _replace(functions, compile(module.tree, str(module.path), "exec", dont_inherit=True))
        return tests.run(outcome.tests_of(mutant), every=plan.every)

    def limit(mutant: Mutant) -> Limit:
        span_s = outcome.seconds(mutant) * PATIENCE
        return Limit(span_s + plan.least_s, span_s + IMPORTS_S)

    reached = [mutant for mutant in mutants if outcome.tests_of(mutant) and not outcome.at_import(mutant)]
    tried = forks.each(reached, attempt, limit, plan.workers, plan.until)
    return {**learnt, "failed": {mutant.number: failed for mutant, failed in tried}}


def _learn(tests: _Tests, module: Module) -> Any:
    """Run all tests without a mutant. tests: by name, seconds and lines of the ones that pass."""
    path = str(module.path)
    watch = coverage.Coverage(data_file=None, config_file=False, include=[path])
    begun: dict[str, float] = {}

    def before(name: str) -> None:
        watch.switch_context(name)
        begun[name] = time.monotonic()

    watch.start()
    watch.switch_context(IMPORT)
    runpy.run_path(path, run_name=module.name)
    failing = list(tests.run(tests.names(), before, every=True))
    ends = [*list(begun.values())[1:], time.monotonic()]
    watch.stop()
    lines: dict[str, list[int]] = {}
    for line, names in watch.get_data().contexts_by_lineno(path).items():
        for name in names:
            lines.setdefault(name, []).append(line)
    passing = {
        name: (end - start, lines.get(name, []))
        for (name, start), end in zip(begun.items(), ends, strict=True)
        if name not in failing
    }
    return {"tests": passing, "failing": failing, "imported": lines.get(IMPORT, [])}


def _functions(path: str) -> list[FunctionType]:
    """Those of a module that live, methods and others that have no name included."""
    found = (each for each in gc.get_objects() if isinstance(each, FunctionType))
    return [function for function in found if function.__code__.co_filename == path]


def _replace(functions: Sequence[FunctionType], mutated: CodeType) -> None:
    """Give them the code that they have in the mutated module."""
    new: dict[tuple[str, int], list[CodeType]] = {}
    for code in _codes(mutated):
        new.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
    for function in functions:
        codes = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno), [])
        if len(codes) == 1 and codes[0].co_freevars == function.__code__.co_freevars:
            function.__code__ = codes[0]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


# --- anew -------------------------------------------------------------------------------------------------------


def _learn_daemons(target: Target, outcome: Outcome) -> None:
    """Run the tests that start daemons, without a mutant."""

    def run_all() -> Any:
        recorder = _Recorder()
        pytest.main([*OPTIONS, *target.daemons], plugins=[recorder])
        return recorder.seconds, recorder.failed

    seconds, failed = forks.once(run_all, LONGEST_S)
    outcome.tests.update({name: Reached(span, None) for name, span in seconds.items() if name not in failed})
    outcome.failing += failed


def _anew(module: Module, mutants: Sequence[Mutant], plan: Plan, outcome: Outcome) -> None:
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

    def limit(mutant: Mutant) -> Limit:
        span_s = outcome.seconds(mutant) * PATIENCE + IMPORTS_S
        return Limit(span_s, span_s)

    unseen = [mutant for mutant in mutants if not outcome.tests_of(mutant)]
    for mutant in unseen:
        outcome.told(mutant, [])
    seen = [mutant for mutant in mutants if mutant not in unseen]
    for mutant, failed in forks.each(seen, attempt, limit, plan.workers, plan.until):
        outcome.told(mutant, failed)


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
