"""What the commands of a batch work on, in memory: what was found, as the commands before have left it."""

from collections import Counter, defaultdict
from typing import assert_never

from daemon.core.batch import (
    Changes,
    Charged,
    CheckedCode,
    Found,
    Line,
    Needs,
    Refunded,
    ReportKey,
    report_key,
    standing,
)
from daemon.core.commands import (
    AddNote,
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Command,
    Decision,
    Fire,
    GiveUp,
    Interrupt,
    Loaded,
    Next,
    RefundTest,
    Report,
    SetMeta,
    Settle,
    SettleLate,
    Start,
)
from daemon.core.milliseconds import Ms
from daemon.core.model import (
    Action,
    Charge,
    ClearTimer,
    Deliver,
    Note,
    RecordCheck,
    Refund,
    Remember,
    Reply,
    Request,
    SetTimer,
    StopDelivery,
)
from daemon.core.report_match import meant


class WorkingSet:
    """`loaded` and `apply` each command in turn; then `changes` is all that is to be saved, `requests` what is left."""

    def __init__(self, wanted: Needs, found: Found) -> None:
        self._before = found.requests
        self._rows = iter(found.rows)
        self.requests: dict[int, Request] = {}  # those found and those inserted, by row
        self._by_id: dict[str, int] = {}
        self._by_number: dict[str, list[int]] = defaultdict(list)  # and by its endings, as far as reports have them
        self._endings = {len(key.ending) for key in wanted.reports if key.ending}
        self._touched: dict[int, None] = {}  # in order
        self._records = _Records()
        for row in sorted(found.requests):
            self._add(row, found.requests[row])

    def _add(self, row: int, request: Request) -> None:
        self.requests[row] = request
        self._by_id[request.id] = row
        self._by_number[request.number].append(row)
        for length in self._endings:
            if length < len(request.number):
                self._by_number[request.number[-length:]].append(row)

    def loaded(self, command: Command) -> Loaded:
        """What a command needs, as it stands now."""
        match command:
            case Start():
                of_number = map(self.requests.__getitem__, self._by_number.get(command.request.number, ()))
                running = (r for r in of_number if not r.finished and r.number == command.request.number)
                return Loaded(active=tuple(running))
            case Check() | Cancel() | Next() | Begin() | Settle() | SettleLate() | GiveUp() | Interrupt():
                return self._at(self._by_id.get(command.request_id))
            case Report():
                return self._reported(report_key(command))
            case Fire():
                return self._at(command.row)
            case ChargeTest() | RefundTest() | AddNote() | SetMeta():
                return Loaded()
            case _:
                assert_never(command)

    def _at(self, row: int | None, step: int = 0) -> Loaded:
        request = None if row is None else self.requests.get(row)
        return Loaded() if row is None or request is None else Loaded(row, request, step)

    def _reported(self, key: ReportKey) -> Loaded:
        rows = {*self._by_number.get(key.number, ()), *self._by_number.get(key.ending, ())}
        found = meant(key, ((row, self.requests[row]) for row in rows))
        return Loaded() if found is None else self._at(*found)

    def apply(self, decision: Decision, at: Ms) -> Decision:
        """Take over what was decided at a time; returns the decision with the row id of a request that is new."""
        row, after = decision.row, decision.after
        if after is not None and decision.before is None:
            row = next(self._rows)
            self._add(row, after)
            decision = decision.of_row(row)
        elif after is not None:
            self.requests[row] = after
        if after is not None and after is not decision.before:
            self._touched[row] = None
        for action in decision.actions:
            self._records.add(row, decision.request_id, action, at)
        return decision

    def changes(self) -> Changes:
        """What differs from what was found; each request and attempt once, as it is now."""
        inserted, updated, attempts, changed = [], [], [], []
        for row in self._touched:
            before, now = self._before.get(row), self.requests[row]
            if before is None:
                inserted.append((row, now))
            elif standing(before) != standing(now):
                updated.append((row, now))
            for attempt in now.attempts:
                known = None if before is None else before.attempt(attempt.step)
                if known is None:
                    attempts.append((row, attempt))
                elif known != attempt:
                    changed.append((row, attempt))
        r = self._records
        refunds = [Refunded(device, number, sms) for (device, number), sms in r.refunds.items()]
        added = (r.checks, r.history, refunds, list(r.charges.values()), r.meta)
        return Changes(inserted, updated, attempts, changed, *added)


class _Records:
    """What is only added: lines, charges, settings."""

    def __init__(self) -> None:
        self.checks: list[CheckedCode] = []
        self.history: list[Line] = []
        self.refunds: Counter[tuple[str, str]] = Counter()  # of what was charged before this batch
        self.charges: dict[int, Charged] = {}  # by their order
        self._charges_of: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._charged = 0
        self.meta: dict[str, str] = {}

    def add(self, row: int, request_id: str, action: Action, at: Ms) -> None:
        match action:
            case Note():
                self.history.append(Line(at, request_id, action.kind, action.step, action.detail))
            case RecordCheck():
                self.checks.append(CheckedCode(row, at, action.valid, action.ip_address))
            case Charge():
                self._charge(action)
            case Refund():
                self._refund(action)
            case Remember():
                self.meta[action.name] = action.value
            case Deliver() | SetTimer() | ClearTimer() | StopDelivery() | Reply():
                pass  # for after the commit
            case _:
                assert_never(action)

    def _charge(self, charge: Charge) -> None:
        for _ in range(charge.count):
            self._charges_of[charge.device, charge.number].append(self._charged)
            self.charges[self._charged] = Charged(charge.device, charge.at, charge.number)
            self._charged += 1

    def _refund(self, refund: Refund) -> None:
        """The newest go: those of this batch first."""
        of_batch = self._charges_of[refund.device, refund.number]
        here = min(len(of_batch), refund.count)
        for _ in range(here):
            del self.charges[of_batch.pop()]
        if refund.count > here:
            self.refunds[refund.device, refund.number] += refund.count - here
