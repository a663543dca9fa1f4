"""A batch: commands that share one load and one save; the values between them and a database.

Each command names what it needs (`needs`). The union of that is `Found` in a few queries, the commands are decided in
order on a `WorkingSet`, and what they changed is saved as one `Changes`. Pure: a dictionary will do as a database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from operator import attrgetter
from typing import Any, NamedTuple, assert_never

from daemon.core.commands import (
    AddNote,
    Begin,
    Cancel,
    ChargeTest,
    Check,
    Command,
    Fire,
    GiveUp,
    Interrupt,
    Next,
    RefundTest,
    Report,
    SetMeta,
    Settle,
    SettleLate,
    Start,
)
from daemon.core.milliseconds import Ms
from daemon.core.model import Attempt, Request
from daemon.core.values import value

standing = attrgetter(
    "status", "step", "generation", "pin_until", "wrong", "due_at", "first_event_at", "last_event_at", "finalized_at"
)
"""What events change of a request, besides its attempts."""


def hidden(value: tuple[Any, ...]) -> str:
    """How a named tuple shows that has the number of a person, or the text of a message."""
    return f"{type(value).__name__}(...)"


class ReportKey(NamedTuple):
    """By what a status report says which message it means.

    ending: the last digits of the number, by which a network's national form of it is known; "" where it has none.
    """

    number: str
    ending: str
    reference: str
    device: str
    since: Ms

    def __repr__(self) -> str:
        return hidden(self)


NONE_KNOWN: Mapping[int, Request] = {}


class Needs(NamedTuple):
    """What commands need.

    ids, rows: of the requests that they name. numbers: those whose running requests count. reports: those whose
    requests may be meant, by `daemon.core.report_match`. new: row ids for so many new requests. known: what a database
    need not read again where numbers and reports lead to it: by row, as it stands.
    """

    ids: frozenset[str] = frozenset()
    rows: frozenset[int] = frozenset()
    numbers: frozenset[str] = frozenset()
    reports: frozenset[ReportKey] = frozenset()
    new: int = 0
    known: Mapping[int, Request] = NONE_KNOWN

    @property
    def nothing(self) -> bool:
        """Whether a database need not be asked."""
        return not (self.ids or self.rows or self.numbers or self.reports or self.new)

    def __repr__(self) -> str:
        return hidden(self)


NOTHING_NEEDED = Needs()


def needs(command: Command) -> Needs:
    """What one command needs."""
    match command:
        case Start():
            return Needs(numbers=frozenset((command.request.number,)), new=1)
        case Check() | Cancel() | Next() | Begin() | Settle() | SettleLate() | GiveUp() | Interrupt():
            return Needs(ids=frozenset((command.request_id,)))
        case Report():
            return Needs(reports=frozenset((report_key(command),)))
        case Fire():
            return Needs(rows=frozenset((command.row,)))
        case ChargeTest() | RefundTest() | AddNote() | SetMeta():
            return NOTHING_NEEDED
        case _:
            assert_never(command)


def all_needs(commands: Sequence[Command]) -> Needs:
    """What the commands need together."""
    each = [needs(command) for command in commands]
    if len(each) == 1:
        return each[0]
    return Needs(
        frozenset().union(*(one.ids for one in each)),
        frozenset().union(*(one.rows for one in each)),
        frozenset().union(*(one.numbers for one in each)),
        frozenset().union(*(one.reports for one in each)),
        sum(one.new for one in each),
    )


def report_key(report: Report) -> ReportKey:
    return ReportKey(report.number, report.ending, report.reference, report.device, report.since)


@value
class Found:
    """What a database has of what is needed. It may be more.

    requests: by row id, each with all its attempts. rows: new row ids, as many as are needed, ascending, above every
    row that there is; those that are not used are lost.
    """

    requests: Mapping[int, Request] = field(default_factory=dict)
    rows: Sequence[int] = ()


class CheckedCode(NamedTuple):
    """A code that was judged."""

    row: int
    at: Ms
    valid: bool
    ip_address: str


class Line(NamedTuple):
    """A line of history; its place in it is the database's to give."""

    at: Ms
    request_id: str
    kind: str
    step: int | None
    detail: str

    def __repr__(self) -> str:
        return hidden(self)


class Charged(NamedTuple):
    """An SMS that counts for the quota of a device: a row each."""

    device: str
    at: Ms
    number: str

    def __repr__(self) -> str:
        return hidden(self)


class Refunded(NamedTuple):
    """So many SMS, the newest that a device was charged for to a number, have not gone out."""

    device: str
    number: str
    sms: int

    def __repr__(self) -> str:
        return hidden(self)


@value
class Changes:
    """What a batch changed; each request and each attempt once, as it is in the end.

    updated: those of which `standing` differs. attempts: new ones, changed_attempts: those that were there, of all
    requests. A database saves refunds before charges.
    """

    inserted: Sequence[tuple[int, Request]] = ()
    updated: Sequence[tuple[int, Request]] = ()
    attempts: Sequence[tuple[int, Attempt]] = ()
    changed_attempts: Sequence[tuple[int, Attempt]] = ()
    checks: Sequence[CheckedCode] = ()
    history: Sequence[Line] = ()
    refunds: Sequence[Refunded] = ()
    charges: Sequence[Charged] = ()
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to save."""
        requests = (self.inserted, self.updated, self.attempts, self.changed_attempts)
        return not any((*requests, self.checks, self.history, self.refunds, self.charges, self.meta))
