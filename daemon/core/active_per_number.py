"""How many requests may run for one number at a time: what a start beyond that gets."""

from collections.abc import Sequence

from daemon.core.model import Request
from daemon.core.outcomes import Busy
from daemon.core.ownership import Caller


def too_many(active: Sequence[Request], most: int, caller: Caller) -> Busy | None:
    """Why one more cannot start. active: those that run, the oldest first; most: 0 for any number.

    Requests of all accounts count; the answer names only the caller's own.
    """
    if not most or len(active) < most:
        return None
    return Busy(next((running.id for running in reversed(active) if caller.owns(running)), None))
