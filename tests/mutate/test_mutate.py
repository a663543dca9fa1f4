"""The mutation runner is tested too: on a small module with known tests."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.mutate.__main__ import equivalents
from tests.mutate.operators import Module
from tests.mutate.targets import TARGETS

SUM = """
    import logging

    log = logging.getLogger("x")


    def most(left: int = 3, right: int = 0) -> int:
        '''The larger one.'''
        log.info("left %d", left)
        assert left is not None
        if left > right:
            return left
        if left < 0 and not right:
            raise ValueError("both" + "negative")
        return right
"""


def changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> set[tuple[str, str, str]]:
    (tmp_path / "small.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    return {(mutant.operator, mutant.before, mutant.after) for mutant in Module("small").mutants}


def test_each_operator_of_the_field_changes_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = "if left < 0 and (not right):"
    head = "def most(left: int=3, right: int=0) -> int:"
    assert changes(tmp_path, monkeypatch, SUM) == {
        ("constant", head, "def most(left: int=4, right: int=0) -> int:"),
        ("constant", head, "def most(left: int=2, right: int=0) -> int:"),
        ("constant", head, "def most(left: int=3, right: int=1) -> int:"),
        ("comparison", "if left > right:", "if left >= right:"),
        ("comparison", "if left > right:", "if left <= right:"),
        ("return value", "return left", "return None"),
        ("and/or", both, "if left < 0 or not right:"),
        ("condition left out", both, "if left < 0:"),
        ("condition left out", both, "if not right:"),
        ("comparison", both, "if left <= 0 and (not right):"),
        ("comparison", both, "if left >= 0 and (not right):"),
        ("constant", both, "if left < 1 and (not right):"),
        ("not", both, "if left < 0 and right:"),
        ("statement deleted", "raise ValueError('both' + 'negative')", "pass"),
        ("return value", "return right", "return None"),
    }


@pytest.mark.parametrize(
    ("source", "operator", "after"),
    [
        ("f(a, b)", "arguments swapped", "f(b, a)"),
        ("f(a, key=b)", "argument left out", "f(a)"),
        ("f()", "statement deleted", "pass"),
        ("x.y = 1", "statement deleted", "pass"),
        ("x += 1", "statement deleted", "pass"),
        ("x += 1", "arithmetic", "x -= 1"),
        ("a = b // 2", "arithmetic", "a = b * 2"),
        ("a = -b", "arithmetic", "a = b"),
        ("a = True", "constant", "a = False"),
        ("a = 1.5", "constant", "a = 2.5"),
        ("a = 'b'", "constant", "a = 'XXb'"),
        ("a = b'b'", "constant", "a = b'XXb'"),
        ("a = 'SELECT x FROM y WHERE z >= ? AND v=1'", "constant", "a = 'SELECT x FROM y WHERE z > ? AND v=1'"),
        ("a = 'SELECT x FROM y WHERE z >= ? AND v=1'", "constant", "a = 'SELECT x FROM y WHERE z >= ? OR v=1'"),
        ("a = 'SELECT x FROM y WHERE z >= ? AND v=1'", "constant", "a = 'SELECT x FROM y WHERE z >= ? AND v!=1'"),
        ("a = ' ORDER BY x DESC'", "constant", "a = ' ORDER BY x'"),
        ("a = [b for b in c if b.d]", "not", "a = [b for b in c if not b.d]"),
        ("a = [b for b in c if b.d]", "condition left out", "a = [b for b in c if True]"),
        ("while a: f()", "not", "while not a:"),
        ("try: f()\nexcept OSError: g()", "handler", "except OSError:\n    raise"),
        ("match a:\n case 1 if b: f()", "not", "case 1 if not b:"),
        ("match a:\n case 1: f()", "constant", "case 2:"),
        ("if a in b: f()", "comparison", "if a not in b:"),
        ("if a is None: f()", "comparison", "if a is not None:"),
        ("if a == b: f()", "comparison", "if a != b:"),
    ],
)
def test_a_place_is_changed(
    source: str, operator: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (operator, after) in {(found[0], found[2]) for found in changes(tmp_path, monkeypatch, source)}


@pytest.mark.parametrize("source", ["max(a, b)", "suppress(a, b)", "f(a, a)", "f(*a, b)"])
def test_arguments_that_may_change_places_are_left(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "arguments swapped" not in {found[0] for found in changes(tmp_path, monkeypatch, source)}


def test_the_same_change_twice_in_one_function_has_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = changes(tmp_path, monkeypatch, "f()\nf()")
    assert found == {("statement deleted", "f()", "pass"), ("statement deleted", "f()", "pass  # 2")}


def test_what_is_to_be_measured_is_there() -> None:
    """There used to be no test of it: a file that got another name ended a run of half an hour."""
    modules = {name: Path(*name.split(".")).with_suffix(".py") for name in TARGETS}
    tests = {Path(test) for target in TARGETS.values() for test in target.tests if test.endswith(".py")}
    assert [str(path) for path in {*modules.values(), *tests} if not path.is_file()] == []
    assert {key[0] for key in equivalents()} <= modules.keys()


PROJECT = {
    "small.py": """
        LEAST = 2

        def enough(count: int) -> bool:
            return count >= LEAST

        def for_ever(count: int) -> int:
            while count > 0:
                count -= 1
            return count

        def unseen() -> int:
            return 1

        def adder(base):
            def added(more):
                return base + more
            return added

        ADDED = adder(1)
    """,
    "tests/test_small.py": """
        from small import ADDED, LEAST, enough, for_ever

        def test_enough():
            assert enough(2) and not enough(1)

        def test_nothing():
            enough(2)

        def test_what_was_made_at_the_import():
            assert ADDED(1) == 2
            assert ADDED(2) == 3

        def test_for_ever():
            assert for_ever(2) == 0
    """,
    "run.py": """
        import time
        from tests.mutate.operators import Module
        from tests.mutate.running import Fate, Plan, run
        from tests.mutate.targets import Target

        module = Module("small")
        target, plan = Target(1.0, ("tests/test_small.py",)), Plan(2, time.monotonic() + 60, every=True, least_s=0.2)
        kept = []
        outcome = run(target, module, module.mutants, plan, lambda mutant, failed: kept.append(mutant))
        for mutant in module.mutants:
            if outcome.fates[mutant.number] is not Fate.KILLED:
                print(mutant.where, mutant.after)
        print("never fail:", *sorted(outcome.tests.keys() - outcome.kills.keys()))
    """,
}


def test_mutants_are_killed_or_survive_in_place_and_anew(tmp_path: Path) -> None:
    """In a process of its own: its copies change the modules that they have, and one runs into an endless loop."""
    for name, source in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(source))
    paths = [".", str(Path(__file__).parents[2])]
    code = f"import sys; sys.path[:0] = {paths}; exec(open('run.py').read())"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "for_ever count -= 2",
        "unseen return 2",
        "never fail: tests/test_small.py::test_nothing",
    ]
