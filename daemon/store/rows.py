"""Requests and attempts as rows: the columns, and the way there and back; and the rows that a batch writes."""

from collections.abc import Sequence
from enum import Enum, auto
from functools import lru_cache
from operator import attrgetter
from typing import Any

from daemon.core.batch import Changes, standing
from daemon.core.milliseconds import Ms
from daemon.core.model import Attempt, AttemptState, Channel, Request, Status, Step
from daemon.core.report_match import UNANSWERED
from daemon.store.contract import Due, Overdue

CHANGING_REQUEST_COLUMNS = (
    "status, step, generation, pin_until_ms, wrong, due_ms, first_event_ms, last_event_ms, finalized_ms"
)
REQUEST_COLUMNS = (
    "public_id, number, brand, locale, code_length, workflow_id, steps, pin_expiry_ms, expiry_given, created_ms,"
    f" sealed_pin, sender_id, account, key_number, {CHANGING_REQUEST_COLUMNS}"
)
ATTEMPT_COLUMNS = (
    "step, channel, generation, not_after_ms, queued_ms, state, tries, device, reference, detail, settled_ms"
)
CHANGING_ATTEMPT_COLUMNS = "step, state, tries, device, reference, detail, settled_ms"  # behind the event: what changes
HISTORY_COLUMNS = "at_ms, request_id, kind, step, detail"

WAITS = f"state IN ({', '.join(f'{str(state)!r}' for state in AttemptState if state.waits)})"
"""A condition; of SQLite's index of what waits, too."""
UNANSWERED_STATES = f"a.state IN ({', '.join(f'{state!r}' for state in map(str, UNANSWERED))})"
"""A condition; of SQLite's index attempt_unanswered, too."""


def names(columns: str) -> tuple[str, ...]:
    """Of columns with commas between them."""
    return tuple(name.strip() for name in columns.split(","))


def columns(r: Request) -> tuple[Any, ...]:
    steps = ",".join(f"{step.channel}:{step.wait}" for step in r.steps)
    fixed = (r.id, r.number, r.brand, r.locale, r.code_length, r.workflow_id, steps, r.pin_expiry, r.expiry_given)
    return (*fixed, r.created_at, r.sealed_pin, r.sender_id, r.account, r.key_number, *changing_columns(r))


def changing_columns(r: Request) -> tuple[Any, ...]:
    """The columns that events change."""
    return tuple(standing(r))


def request_of(row: Sequence[Any], attempts: tuple[Attempt, ...]) -> Request:
    (public_id, number, brand, locale, code_length, workflow_id, steps, pin_expiry, expiry_given, created_at) = row[:10]
    (sealed_pin, sender_id, account, key_number, status, step, generation, pin_until, wrong, due_at) = row[10:20]
    return Request(
        id=public_id,
        number=number,
        brand=brand,
        locale=locale,
        code_length=code_length,
        workflow_id=workflow_id,
        steps=_steps(steps),
        pin_expiry=pin_expiry,
        expiry_given=bool(expiry_given),
        created_at=created_at,
        sealed_pin=sealed_pin,
        sender_id=sender_id,
        account=account,
        key_number=key_number,
        status=Status(status),
        step=step,
        generation=generation,
        pin_until=pin_until,
        wrong=wrong,
        due_at=due_at,
        first_event_at=row[20],
        last_event_at=row[21],
        finalized_at=row[22],
        attempts=attempts,
    )


@lru_cache(1000)
def _steps(text: str) -> tuple[Step, ...]:
    """There are only a few workflows, with a few waits each."""
    parts = (part.split(":") for part in text.split(","))
    return tuple(Step(Channel(channel), Ms(int(wait))) for channel, wait in parts)


def overdue_of(row: Sequence[Any]) -> Overdue:
    """Of the columns due_ms, id, steps, step."""
    at, number, steps, begun = row
    left = _steps(steps)[begun:]
    return Overdue(Due(at, number), left[0].channel if left else None, sum((step.wait for step in left), Ms(at)))


def attempt_of(row: Sequence[Any]) -> Attempt:
    (step, channel, generation, not_after, queued_at, state, *rest) = row
    return Attempt(step, Channel(channel), generation, not_after, queued_at, AttemptState(state), *rest)


attempt_columns = attrgetter(
    "step",
    "channel",
    "generation",
    "not_after",
    "queued_at",
    "state",
    "tries",
    "device",
    "reference",
    "detail",
    "settled_at",
)
"""As ATTEMPT_COLUMNS."""

changing_attempt_columns = attrgetter("step", "state", "tries", "device", "reference", "detail", "settled_at")


class Write(Enum):
    """A table and a kind of change: one statement of each database, in the order in which they are done."""

    INSERT_REQUESTS = auto()
    UPDATE_REQUESTS = auto()
    INSERT_ATTEMPTS = auto()
    UPDATE_ATTEMPTS = auto()
    INSERT_CHECKS = auto()
    INSERT_HISTORY = auto()
    REFUND = auto()
    CHARGE = auto()
    SET_META = auto()


def written(changes: Changes) -> list[tuple[Write, Sequence[Sequence[Any]]]]:
    """The rows of each statement; those without rows are left out, as most are of a small batch."""
    writes: tuple[tuple[Write, Sequence[Sequence[Any]]], ...] = (
        (Write.INSERT_REQUESTS, [(row, *columns(request)) for row, request in changes.inserted]),
        (Write.UPDATE_REQUESTS, [(row, *changing_columns(request)) for row, request in changes.updated]),
        (Write.INSERT_ATTEMPTS, [(row, *attempt_columns(attempt)) for row, attempt in changes.attempts]),
        (Write.UPDATE_ATTEMPTS, [(row, *changing_attempt_columns(a)) for row, a in changes.changed_attempts]),
        (Write.INSERT_CHECKS, changes.checks),
        (Write.INSERT_HISTORY, changes.history),
        (Write.REFUND, changes.refunds),
        (Write.CHARGE, changes.charges),
        (Write.SET_META, list(changes.meta.items())),
    )
    return [(write, rows) for write, rows in writes if rows]
