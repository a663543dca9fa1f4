"""A database of dictionaries: what a batch asks of one, and no more."""

from collections.abc import Callable
from dataclasses import replace

from daemon.core.batch import Changes, Charged, CheckedCode, Found, Line, Needs, standing
from daemon.core.model import Attempt, Request
from daemon.core.report_match import may_mean
from daemon.store.contract import nobody_waits

STANDING = (
    "status step generation pin_until wrong due_at first_event_at last_event_at finalized_at".split()  # noqa: SIM905
)


class Dictionaries:
    """The part of a `Database` that loads and saves."""

    def __init__(self) -> None:
        self.requests: dict[int, Request] = {}
        self.checks: list[CheckedCode] = []
        self.history: list[Line] = []
        self.sent: list[Charged] = []
        self.meta: dict[str, str] = {}
        self.saves = 0
        self._next_row = 1

    def load(self, needs: Needs) -> Found:
        rows = range(self._next_row, self._next_row + needs.new)
        self._next_row = rows.stop
        return Found({row: request for row, request in self.requests.items() if _needed(row, request, needs)}, rows)

    def save(self, changes: Changes, committing: Callable[[], None] = nobody_waits) -> None:
        for row, request in changes.inserted:
            assert row not in self.requests
            assert request.id not in {known.id for known in self.requests.values()}, "a defect of the command"
            self.requests[row] = replace(request, attempts=())
        for row, request in changes.updated:
            assert standing(self.requests[row]) != standing(request)
            stands = dict(zip(STANDING, standing(request), strict=True))
            self.requests[row] = replace(self.requests[row], **stands)
        for row, attempt in changes.attempts:
            assert self.requests[row].attempt(attempt.step) is None
            self._keep(row, attempt)
        for row, attempt in changes.changed_attempts:
            assert self.requests[row].attempt(attempt.step) not in (None, attempt)
            self._keep(row, attempt)
        self.checks += changes.checks
        self.history += changes.history
        for device, number, count in changes.refunds:
            for _ in range(count):
                self._refund(device, number)
        self.sent += changes.charges
        self.meta |= changes.meta
        committing()
        self.saves += 1

    def _keep(self, row: int, attempt: Attempt) -> None:
        others = [known for known in self.requests[row].attempts if known.step != attempt.step]
        ordered = tuple(sorted([*others, attempt], key=lambda each: each.step))
        self.requests[row] = replace(self.requests[row], attempts=ordered)

    def _refund(self, device: str, number: str) -> None:
        mine = [place for place, each in enumerate(self.sent) if (each.device, each.number) == (device, number)]
        if mine:
            del self.sent[max(mine, key=lambda place: (self.sent[place].at, place))]


def _needed(row: int, request: Request, needs: Needs) -> bool:
    reported = any(may_mean(key, request.number, attempt) for key in needs.reports for attempt in request.attempts)
    runs = request.number in needs.numbers and not request.finished
    return request.id in needs.ids or row in needs.rows or runs or reported
