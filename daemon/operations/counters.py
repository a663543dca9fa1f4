"""What has happened since the start, counted as it becomes durable. Pure: the time is an argument."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from daemon.core.commands import Decision
from daemon.core.histogram import LATENESS_S, Histogram
from daemon.core.milliseconds import Ms, in_seconds
from daemon.core.model import AttemptState, Channel, Charge, Refund, Request, Status

VERIFY_S = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
SETTLED = (
    AttemptState.SENT,
    AttemptState.DELIVERED,
    AttemptState.REFUSED,
    AttemptState.UNCERTAIN,
    AttemptState.FAILED,
    AttemptState.DROPPED,
)
ENDED = [status.name.lower() for status in Status if status is not Status.IN_PROGRESS]
WORKFLOWS = 20  # that are counted apart; further ones are OTHER
COUNTRIES = 12  # likewise, those of the first conversions: a gateway with eight modems stays below 600 series
OTHER = "other"
API = "v1"  # by which requests are started, as long as there is no other


@dataclass(frozen=True, slots=True)
class Counts:
    """A copy for another thread. started: by workflow and API; finished: by status and workflow.

    attempts: by channel and state; conversions: by channel and country; parts, refunded: SMS by modem.
    durations: seconds to the right code by channel; lateness: seconds by which timers fired late.
    """

    started: Mapping[tuple[str, str], int]
    finished: Mapping[tuple[str, str], int]
    attempts: Mapping[tuple[str, str], int]
    conversions: Mapping[tuple[str, str], int]
    parts: Mapping[str, int]
    refunded: Mapping[str, int]
    durations: Mapping[str, Histogram]
    lateness: Histogram


class Tally:
    """Takes each decision once, when it is durable. workflows: their ids; devices: the names of the modems.

    country: of a number, as two letters of ISO 3166; "" for none.
    speed: of the clock, whose lateness is counted in real time: what makes a timer late does not run faster.
    """

    def __init__(
        self, workflows: Sequence[int], devices: Sequence[str], country: Callable[[str], str], speed: float = 1.0
    ) -> None:
        self._workflows: dict[int, str] = {}
        self._country = country
        self._speed = speed
        self._started = Counter({(OTHER, API): 0})
        self._finished = Counter({(status, OTHER): 0 for status in ENDED})
        self._attempts = Counter({(str(channel), str(state)): 0 for channel in Channel for state in SETTLED})
        self._countries: set[str] = set()
        self._conversions: Counter[tuple[str, str]] = Counter()
        self._count_apart(OTHER)
        self._parts: Counter[str] = Counter()
        self._refunded: Counter[str] = Counter()
        self.watch(devices, workflows)
        self._durations = {str(channel): Histogram(VERIFY_S) for channel in Channel}
        self._lateness = Histogram(LATENESS_S)

    def watch(self, devices: Iterable[str], workflows: Iterable[int] = ()) -> None:
        """Count what these send, and these workflows apart, too; what was counted of others so far stays."""
        room = WORKFLOWS - len(self._workflows)
        for number in sorted(set(workflows) - self._workflows.keys())[:room]:
            name = self._workflows[number] = str(number)
            self._started[name, API] = 0
            self._finished.update({(status, name): 0 for status in ENDED})
        for device in devices:
            self._parts.setdefault(device, 0)
            self._refunded.setdefault(device, 0)

    def see(self, decision: Decision, at: Ms) -> None:
        """Count what has changed; `at` is when that became durable."""
        before, after = decision.before, decision.after
        for action in decision.actions:
            if isinstance(action, Charge) and action.device in self._parts:
                self._parts[action.device] += action.count
            elif isinstance(action, Refund) and action.device in self._refunded:
                self._refunded[action.device] += action.count
        if after is None:
            return
        if before is None:
            self._started[self._workflow(after), API] += 1
        elif before.due_at is not None and before.due_at != after.due_at and before.due_at <= at:
            self._lateness.observe(in_seconds(at - before.due_at) / self._speed)
        self._count_attempts(before, after)
        if after.finished and not (before is not None and before.finished):
            self._count_end(after)

    def _count_attempts(self, before: Request | None, after: Request) -> None:
        known = {attempt.step: attempt.state for attempt in before.attempts} if before is not None else {}
        for attempt in after.attempts:
            if attempt.state in SETTLED and attempt.state is not known.get(attempt.step):
                self._attempts[str(attempt.channel), str(attempt.state)] += 1

    def _count_end(self, request: Request) -> None:
        self._finished[request.status.name.lower(), self._workflow(request)] += 1
        if request.status is Status.SUCCESS and request.attempts and request.finalized_at is not None:
            channel = str(request.attempts[-1].channel)
            self._conversions[channel, self._country_of(request)] += 1
            self._durations[channel].observe(in_seconds(request.finalized_at - request.created_at))

    def _country_of(self, request: Request) -> str:
        found = self._country(request.number)
        if found and found not in self._countries and len(self._countries) < COUNTRIES:
            self._countries.add(found)
            self._count_apart(found)
        return found if found in self._countries else OTHER

    def _count_apart(self, country: str) -> None:
        self._conversions.update({(str(channel), country): 0 for channel in Channel})

    def _workflow(self, request: Request) -> str:
        return self._workflows.get(request.workflow_id, OTHER)

    def counts(self) -> Counts:
        """As it stands."""
        return Counts(
            started=dict(self._started),
            finished=dict(self._finished),
            attempts=dict(self._attempts),
            conversions=dict(self._conversions),
            parts=dict(self._parts),
            refunded=dict(self._refunded),
            durations={channel: each.copy() for channel, each in self._durations.items()},
            lateness=self._lateness.copy(),
        )
