"""Whole milliseconds: the one unit of every time and span that is compared, stored or scheduled.

At run time an `Ms` is a plain int. For the type checker it is a type of its own: it can be added to, subtracted from
and compared with its like only, never with seconds, a float or a bare number. `Ms` and `seconds` are the ways in,
`int` and `in_seconds` the ways out. A time is counted from the Unix epoch, in UTC.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:

    class Ms:
        """A time or a span in whole milliseconds."""

        def __init__(self, count: int) -> None: ...
        def __int__(self) -> int: ...
        def __add__(self, other: "Ms") -> "Ms": ...
        def __sub__(self, other: "Ms") -> "Ms": ...
        def __lt__(self, other: "Ms") -> bool: ...
        def __le__(self, other: "Ms") -> bool: ...
        def __gt__(self, other: "Ms") -> bool: ...
        def __ge__(self, other: "Ms") -> bool: ...
else:
    Ms = int


EPOCH = Ms(0)


def seconds(count: float) -> Ms:
    """A span or a time that is given in seconds, to the nearest millisecond."""
    return Ms(round(count * 1000))


DAY = seconds(86_400)


def in_seconds(span: Ms) -> float:
    """For devices, sleeps and people."""
    return int(span) / 1000
