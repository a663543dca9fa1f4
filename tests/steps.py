"""How much work a parser does, counted and not timed: lines of Python, and the octets that methods in C may look at."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

TEXTS = (str, bytes)


def steps(work: Callable[[], object]) -> int:
    """The lines that are executed, and for each method of a text its length. Regular expressions are not seen."""
    count = 0

    def line(_: FrameType, event: str, __: Any) -> Any:
        nonlocal count
        count += event == "line"
        return line

    def called(_: FrameType, event: str, function: Any) -> None:
        nonlocal count
        if event == "c_call":
            owner = getattr(function, "__self__", None)
            count += 1 + (len(owner) if isinstance(owner, TEXTS) else 0)

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(line)
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def grows_linearly(work: Callable[[int], Callable[[], object]], sizes: tuple[int, int, int]) -> bool:
    """Whether twice as much costs about twice as much. sizes: each twice the one before.

    work: makes what is to be measured for a size. What is linear gives 2 at the most, what is quadratic comes near 4:
    the whole, or what is added, where the whole has a part that does not grow.
    """
    assert sizes[1] == 2 * sizes[0] and sizes[2] == 2 * sizes[1], sizes  # noqa: PT018
    work(sizes[0])()  # what is made once, such as a compiled expression
    first, second, third = (steps(work(size)) for size in sizes)
    return third <= 2.2 * second or third - second <= 2.8 * (second - first)
