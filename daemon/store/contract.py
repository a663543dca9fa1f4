"""What every store shares: what it keeps besides requests, and how it fails."""

from dataclasses import dataclass

from daemon.core.milliseconds import Ms

MAX_CHECKS = 500  # of a request that are shown


class StoreUnusable(Exception):
    """The database cannot be used; the text names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Check:
    """A code that was checked. The code itself is not kept."""

    at: Ms
    valid: bool
    ip_address: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of history; seq is the resume key of the event stream."""

    seq: int
    at: Ms
    request_id: str
    kind: str
    step: int | None
    detail: str
