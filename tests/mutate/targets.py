"""Which tests are to notice a mutant of which module, and the score that they must reach."""

from dataclasses import dataclass

PURE, OTHERS = 0.90, 0.80
CORE = "tests/daemon/core/"


@dataclass(frozen=True, slots=True)
class Target:
    """goal: the part of the mutants to kill; daemons: tests that only a daemon's own process brings to the module."""

    goal: float
    tests: tuple[str, ...]
    daemons: tuple[str, ...] = ()


TARGETS: dict[str, Target] = {
    "daemon.pins": Target(PURE, ("tests/daemon/test_pins.py",)),
    "daemon.core.backlog": Target(PURE, (CORE + "test_backlog.py",)),
    "daemon.core.callers": Target(PURE, (CORE + "test_callers.py",)),
    "daemon.core.holds": Target(PURE, (CORE + "test_holds.py", CORE + "test_backlog.py")),
    "daemon.core.limits": Target(PURE, (CORE + "test_limits.py",)),
    "daemon.core.milliseconds": Target(PURE, (CORE + "test_quota.py",)),
    "daemon.core.overload": Target(PURE, (CORE + "test_overload.py",)),
    "daemon.core.pace": Target(PURE, (CORE + "test_pace.py", CORE + "test_backlog.py")),
    "daemon.core.phrases": Target(PURE, (CORE + "test_phrases.py",)),
    "daemon.core.plurals": Target(PURE, (CORE + "test_plurals.py",)),
    "daemon.core.quota": Target(PURE, (CORE + "test_quota.py",)),
    "daemon.core.reporting": Target(PURE, (CORE + "test_reporting.py",)),
    "daemon.core.wheel": Target(PURE, (CORE + "test_wheel.py",)),
    "daemon.core.workflows": Target(PURE, (CORE + "test_timelines.py", CORE + "test_machine.py")),
}
