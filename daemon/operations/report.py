"""What became of requests, reckoned one by one. Pure: the database, countries and the time zone are arguments."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from daemon.core.masking import NUMBER
from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.model import Attempt, AttemptState, Channel, Request, Status
from drivers import CallOutcome

TALKED = re.compile(r", talked ([0-9]{1,6}(?:\.[0-9]{1,3})?) s")  # of the record of a call
NOT_SENT = frozenset(
    {AttemptState.REFUSED, AttemptState.UNCERTAIN, AttemptState.FAILED, AttemptState.DROPPED}
)  # what needs a reason
CAUSES, CAUSE, OTHER = 200, 80, "others"  # that are counted apart; characters of one
NO_DELIVERY = "none"


@dataclass(slots=True)
class Group:
    """Requests that have something in common. seconds: that each verified one took."""

    requests: int = 0
    verified: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, request: Request) -> None:
        self.requests += 1
        if request.status is Status.SUCCESS:
            self.verified += 1
            if request.finalized_at is not None:
                self.seconds.append(in_seconds(request.finalized_at - request.created_at))


class Figures(NamedTuple):
    """Of a group. rate: verified of the requests that have ended; median_s, p95_s: None where none was verified."""

    requests: int
    verified: int
    rate: float | None
    median_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A report. first_at: start of its first request; in_progress: have not ended, and count in no group."""

    first_at: Ms | None
    in_progress: int
    statuses: Mapping[str, int]
    all: Figures
    channels: Mapping[str, Figures]
    countries: Mapping[str, Figures]
    hours: Mapping[str, Figures]
    workflows: Mapping[str, Figures]
    causes: Mapping[str, int]
    messages: int
    calls: int
    talked_s: float
    parts: Mapping[str, int]
    seconds: Sequence[float] = field(repr=False)

    def document(self) -> dict[str, Any]:
        """For JSON, without the single times."""
        groups = ("channels", "countries", "hours", "workflows")
        plain = ("in_progress", "messages", "calls", "talked_s")
        return {
            **{name: getattr(self, name) for name in plain},
            "statuses": dict(self.statuses),
            "parts": dict(self.parts),
            "all": self.all._asdict(),
            **{name: {key: each._asdict() for key, each in getattr(self, name).items()} for name in groups},
            "causes": dict(self.causes),
        }


class Reckoning:
    """Takes each request once. hour: of the day, of a time; country: of a number."""

    def __init__(self, hour: Callable[[Ms], int], country: Callable[[str], str]) -> None:
        self._hour, self._country = hour, country
        self._all = Group()
        self._statuses = Counter({str(status): 0 for status in Status})
        self._groups: dict[str, dict[str, Group]] = {
            name: {} for name in ("channels", "countries", "hours", "workflows")
        }
        self._causes: Counter[str] = Counter()
        self._used: Counter[str] = Counter()
        self._talked_s = 0.0
        self._first_at: Ms | None = None

    def add(self, request: Request) -> None:
        self._first_at = request.created_at if self._first_at is None else min(self._first_at, request.created_at)
        self._statuses[str(request.status)] += 1
        for attempt in request.attempts:
            self._add_delivery(attempt)
        if not request.finished:
            return
        self._all.add(request)
        names = {
            "channels": str(request.attempts[-1].channel) if request.attempts else NO_DELIVERY,
            "countries": self._country(request.number),
            "hours": f"{self._hour(request.created_at):02}",
            "workflows": str(request.workflow_id),
        }
        for kind, name in names.items():
            self._groups[kind].setdefault(name, Group()).add(request)

    def _add_delivery(self, attempt: Attempt) -> None:
        if attempt.channel is Channel.SMS:
            self._used["messages"] += attempt.tries
        elif talked := TALKED.search(attempt.detail):
            self._used["calls"] += 1
            self._talked_s += float(talked[1])
        if attempt.state in NOT_SENT:
            cause = f"{attempt.channel} {attempt.state}: {cause_of(attempt.detail)}"
            known = cause in self._causes or len(self._causes) < CAUSES
            self._causes[cause if known else OTHER] += 1

    def report(self, parts: Mapping[str, int]) -> Report:
        """As it stands. parts: SMS by modem, a long text counted as several."""
        named = {kind: dict(sorted(groups.items())) for kind, groups in self._groups.items()}
        in_progress = self._statuses[str(Status.IN_PROGRESS)]
        return Report(
            self._first_at,
            in_progress,
            {status: count for status, count in self._statuses.items() if status != str(Status.IN_PROGRESS)},
            figures(self._all),
            **{kind: {name: figures(group) for name, group in groups.items()} for kind, groups in named.items()},
            causes=dict(self._causes.most_common()),
            messages=self._used["messages"],
            calls=self._used["calls"],
            talked_s=round(self._talked_s, 1),
            parts=parts,
            seconds=sorted(self._all.seconds),
        )


def figures(group: Group) -> Figures:
    rate = round(group.verified / group.requests, 4) if group.requests else None
    ordered = sorted(group.seconds)
    return Figures(group.requests, group.verified, rate, percentile(ordered, 0.5), percentile(ordered, 0.95))


def percentile(ordered: Sequence[float], part: float) -> float | None:
    """The least of the values that so large a part of them does not exceed (nearest rank); None of no values."""
    return ordered[max(ceil(part * len(ordered)) - 1, 0)] if ordered else None


def cause_of(detail: str) -> str:
    """What a detail has in common with others of its kind: its beginning, without whole numbers.

    Of a call that was answered, and failed all the same, its end says why.
    """
    beginning, _, _ = detail.partition(", ")
    cause = detail.rpartition(", ")[2] if beginning == CallOutcome.ANSWERED else beginning
    cause = NUMBER.sub("...", cause.strip())  # before it is cut: the beginning of a number is one, too
    if len(cause) > CAUSE:  # at a space, where there is one
        cause = cause[:CAUSE].rpartition(" ")[0] or cause[:CAUSE]
    return cause or "no reason given"


def first_since(at: Ms, of_next: Callable[[int], tuple[int, Ms] | None]) -> int:
    """The row behind which all requests since a time are. Rows rise with time.

    of_next: row and time of the first request behind a row; None behind the last one.
    """
    low, high = 0, 1
    while (found := of_next(high)) is not None and found[1] < at:
        low, high = found[0], found[0] * 2
    while low < high:
        middle = (low + high) // 2
        found = of_next(middle)
        if found is not None and found[1] < at:
            low = max(found[0], middle + 1)
        else:
            high = middle
    return low
