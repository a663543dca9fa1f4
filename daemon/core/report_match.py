"""Which message a status report means: of those that it may mean, the one that it means first of all."""

from collections.abc import Iterable

from daemon.core.batch import ReportKey
from daemon.core.milliseconds import Ms
from daemon.core.model import Attempt, AttemptState, Request

UNANSWERED = (AttemptState.REQUEUED, AttemptState.SENDING, AttemptState.UNCERTAIN)
"""What may have gone out although its device has given no reference."""


def may_mean(key: ReportKey, number: str, attempt: Attempt) -> bool:
    """Whether a status report can be of this attempt, which sent to this number.

    Each modem counts references by itself. Of a message to the very number the reference is the same, or not known
    yet; of one to a number with the same ending it is the same.
    """
    if not key.device or attempt.device != key.device or attempt.queued_at < key.since:
        return False
    if number == key.number and not attempt.reference and attempt.state in UNANSWERED:
        return True
    same = number == key.number or bool(key.ending and number.endswith(key.ending))
    return same and attempt.reference == key.reference != ""


def meant(key: ReportKey, requests: Iterable[tuple[int, Request]]) -> tuple[int, int] | None:
    """Row and step of the newest message to the number with the reference; else of one whose reference is not known;
    else of one to a number with the same ending."""

    def rank(candidate: tuple[int, Request, Attempt]) -> tuple[bool, bool, Ms, int, int]:
        row, request, attempt = candidate
        return request.number == key.number, bool(attempt.reference), attempt.queued_at, row, attempt.step

    candidates = (
        (row, request, attempt)
        for row, request in requests
        for attempt in request.attempts
        if may_mean(key, request.number, attempt)
    )
    best = max(candidates, key=rank, default=None)
    return None if best is None else (best[0], best[2].step)
