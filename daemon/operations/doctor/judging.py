"""Runs the checks over facts, and hides what only follows from something else. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from daemon.operations.doctor.facts import Facts
from daemon.operations.doctor.verdicts import State, Verdict, ok, skipped
from daemon.operations.host.values import Missing


class Place(StrEnum):
    """Who sees what a check judges."""

    MACHINE = "machine"  # the command
    DAEMON = "daemon"  # the daemon itself
    EITHER = "either"  # the command, or the daemon where the command may not look


@dataclass(frozen=True, slots=True)
class Check:
    """One row. title: what it looks at; part: of the facts; judge: yields what is to be said, nothing if all is well.

    needs: codes; if one of them fails for the same device, or if either is about the whole gateway, this only follows.
    errors_of: as needs, but only errors count, and of those none with which the daemon starts.
    stops: while it fails, its device sends nothing. health: /healthz then says this. is_reason: /healthz names it among
    its reasons, and answers 200 all the same. slow: it waits for a network or a device. fixes: `--fix` can do something
    about it.
    """

    name: str
    title: str
    part: Callable[[Facts], Any]
    judge: Callable[[Any], Iterable[Verdict]]
    needs: tuple[str, ...] = ()
    place: Place = Place.MACHINE
    stops: bool = False
    health: str = ""
    is_reason: bool = False
    slow: bool = False
    fixes: bool = False
    errors_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check, for one subject. because: the code of what it follows from, or ""."""

    check: Check
    verdict: Verdict
    because: str = ""

    @property
    def state(self) -> State:
        return self.verdict.state


def judged(checks: Iterable[Check], facts: Facts) -> list[Result]:
    """In the order of the checks, causes first: a check stands behind those that it needs.

    A cause is as grave as the worst that follows from it, which is not shown.
    """
    known: dict[str, list[Result]] = {}
    errors: list[tuple[str, str]] = []  # that follow: the code of the cause, and the subject
    for check in checks:
        found = [Result(check, verdict) for verdict in _verdicts(check, facts)]
        known[check.name] = [_unless_it_follows(result, known) for result in found]
        pairs = zip(found, known[check.name], strict=True)
        errors += [(now.because, now.verdict.subject) for was, now in pairs if now.because and was.state is State.ERROR]
    return [_as_grave(result, errors) for results in known.values() for result in results]


def _verdicts(check: Check, facts: Facts) -> Iterator[Verdict]:
    part = check.part(facts)
    asks = check.place is Place.DAEMON or (check.place is Place.EITHER and isinstance(part, Missing))
    if asks and not isinstance(facts.given, Missing):
        found = [each.verdict for each in facts.given if each.name == check.name]
        yield from found or [ok()]
        return
    if isinstance(part, Missing):
        yield skipped(part.why)
    else:
        yield from list(check.judge(part)) or [ok()]


def _unless_it_follows(result: Result, known: Mapping[str, list[Result]]) -> Result:
    """A problem whose cause was found is skipped, so that only the cause is shown."""
    if not result.state.is_problem:
        return result
    for cause in _causes(result.check, known):
        if _meet(cause.verdict.subject, result.verdict.subject):
            hidden = cause.because or cause.check.name
            return Result(result.check, replace(skipped(f"because {hidden}"), subject=result.verdict.subject), hidden)
    return result


def _causes(check: Check, known: Mapping[str, list[Result]]) -> Iterator[Result]:
    """What the problems of a check may follow from, of what was found before."""
    for code in check.needs:
        yield from (each for each in known.get(code, ()) if each.because or each.state.is_problem)
    for code in check.errors_of:
        found = known.get(code, ())
        yield from (each for each in found if each.because or (each.state is State.ERROR and not each.verdict.starts))


def _as_grave(result: Result, errors: Iterable[tuple[str, str]]) -> Result:
    """A warning from which an error follows is one, too: a modem without its port sends nothing."""
    if result.state is State.WARNING and any(
        code == result.check.name and _meet(result.verdict.subject, subject) for code, subject in errors
    ):
        return replace(result, verdict=replace(result.verdict, state=State.ERROR))
    return result


def _meet(one: str, other: str) -> bool:
    """Whether they are about the same device, or one of them about the whole gateway."""
    return one == other or not one or not other


def problems(results: Iterable[Result]) -> list[Result]:
    """The errors first."""
    found = [result for result in results if result.state.is_problem]
    return sorted(found, key=lambda result: result.state is not State.ERROR)


def stopping(results: Iterable[Result]) -> list[Result]:
    """What keeps a device from sending."""
    return [result for result in results if result.check.stops and result.state.is_problem]


def health(results: Collection[Result], devices: Iterable[str]) -> str:
    """Why the daemon cannot do its work, in a few words; "" where it can. devices: as the subjects of verdicts."""
    for result in results:
        if result.check.health and result.state.is_problem:
            return result.check.health
    stopped = {result.verdict.subject for result in stopping(results)}
    return "" if any(device not in stopped for device in devices) else "nothing can be sent"


def chosen(checks: Iterable[Check], codes: Iterable[str]) -> tuple[Check, ...]:
    """Those checks, and what they need to distinguish cause from consequence; all of them where no code is given.

    Raises KeyError, which names a code that does not exist.
    """
    rows = {check.name: check for check in checks}
    wanted = [rows[code].name for code in codes]
    if not wanted:
        return tuple(rows.values())
    needed: set[str] = set()
    while wanted:
        code = wanted.pop()
        if code not in needed:
            needed.add(code)
            wanted += (*rows[code].needs, *rows[code].errors_of)
    return tuple(check for code, check in rows.items() if code in needed)
