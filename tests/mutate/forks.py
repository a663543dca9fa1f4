"""Processes that each do one piece of work and end: forked from a warm one, so that they begin at once."""

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

MEMORY = 2 << 30  # octets: a loop that never ends may also eat

RESULT, ERROR = "result.json", "error.txt"
LOOKS_S = 0.25  # between two looks at what the children do
PR_SET_PDEATHSIG = 1  # prctl(2)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds of CPU time, of sleep without a break, and of time.

    A machine that is busy with something else needs no more of the first two. Asleep is a process that has no children
    and no thread that runs or could run.
    """

    cpu_s: float
    asleep_s: float
    wall_s: float


@dataclass(slots=True)
class _Child:
    home: Path
    pid: int
    ended: int
    until: float
    most_asleep_s: float
    asleep_s: float = 0.0


def each(
    work: Iterable[T], do: Callable[[T, Path], Any], limit: Callable[[T], Limit], workers: int, until: float
) -> Iterator[tuple[T, Any]]:
    """Each piece of work with what came of it, as JSON tells it; None for one that a signal or its limit ended.

    do: gets the work and a directory of its own. What has not begun at the time `until` (monotonic) is left out.
    Raises RuntimeError for an exception of `do`.
    """
    waiting = iter(work)
    children: dict[int, tuple[T, _Child]] = {}  # by process id
    more = True
    try:
        while more or children:
            while more and len(children) < workers:
                piece = next(waiting, None) if time.monotonic() < until else None
                if piece is None:
                    more = False
                    break
                child = _started(piece, do, limit(piece))
                children[child.pid] = (piece, child)
            for pid in _ended([child for _, child in children.values()]):
                piece, child = children.pop(pid)
                yield piece, _reaped(child)
    finally:
        for _, child in children.values():
            _reaped(child)


def once(do: Callable[[], Any], seconds: float) -> Any:
    """What comes of one piece of work. Raises TimeoutError."""
    [(_, result)] = each([0], lambda *_: do(), lambda _: Limit(seconds, seconds, seconds), 1, float("inf"))
    if result is None:
        raise TimeoutError(f"not done within {seconds:g} s")
    return result


def _started(piece: T, do: Callable[[T, Path], int], limit: Limit) -> _Child:
    home = Path(tempfile.mkdtemp(prefix="mutant-"))
    pid = os.fork()
    if pid == 0:
        try:
            _alone(home, limit)
            (home / RESULT).write_text(json.dumps(do(piece, home)))
        except BaseException:  # noqa: BLE001 - the parent raises it
            (home / ERROR).write_text(traceback.format_exc())
        finally:
            os._exit(0)
    return _Child(home, pid, os.pidfd_open(pid), time.monotonic() + limit.wall_s, limit.asleep_s)


def _alone(home: Path, limit: Limit) -> None:
    """A session of its own, silent, bounded, with its temporary files where the parent removes them.

    It ends with its parent.
    """
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    tempfile.tempdir = os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(home)
    bound_cpu(limit.cpu_s)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def bound_cpu(seconds: float) -> None:
    """From now on; the process ends when it has used them up."""
    cpu_s = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.RLIM_INFINITY))


def _ended(children: list[_Child]) -> list[int]:
    """Wait until one has ended, or has used up its time."""
    poll = select.poll()
    by_descriptor = {child.ended: child.pid for child in children}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    ended: set[int] = set()
    while children and not ended:
        ended = {by_descriptor[descriptor] for descriptor, _ in poll.poll(LOOKS_S * 1000)}
        for child in children:
            child.asleep_s = child.asleep_s + LOOKS_S if _asleep(child.pid) else 0.0
            if child.asleep_s > child.most_asleep_s or child.until <= time.monotonic():
                ended.add(child.pid)
    return list(ended)


def _asleep(pid: int) -> bool:
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            if state in "RD" or (thread / "children").read_text():
                return False
    except OSError:  # a thread that has just ended
        return False
    return True


def _reaped(child: _Child) -> Any:
    """End it and what it has started; its result."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            end(child.pid, signal.SIGKILL)
    os.close(child.ended)
    signalled = os.WIFSIGNALED(os.waitpid(child.pid, 0)[1])
    error, result = child.home / ERROR, child.home / RESULT
    try:
        if error.exists():
            raise RuntimeError(error.read_text())
        return None if signalled else json.loads(result.read_text())
    finally:
        shutil.rmtree(child.home, ignore_errors=True)
