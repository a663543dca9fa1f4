"""What /metrics is made of, taken at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.core.histogram import Histogram
from daemon.operations.counters import Counts
from daemon.operations.snapshots import Snapshot

if TYPE_CHECKING:  # a start does not need what the doctor is made of
    from daemon.operations.doctor.facts import Facts


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the text is made of. requests: by status, None where the database does not say; timers: that are set.

    problems: how many checks have failed, by severity; around: the files around the daemon.
    answers, by route and class of status, and commits: seconds.
    """

    now: Snapshot
    requests: dict[str, int] | None
    timers: int | None
    counts: Counts
    files: dict[str, Path]
    problems: Mapping[str, int]
    answers: Mapping[tuple[str, str], Histogram]
    commits: Histogram
    around: "Facts"
