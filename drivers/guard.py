"""An unexpected exception ends one call or one message, not the thread that serves them all."""

import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

log = logging.getLogger("pinwheel.voice")

FRAMES = 4  # of where it happened, the innermost first


@contextlib.contextmanager
def guarded(work: str, then: Callable[[], None] | None = None) -> Iterator[None]:
    """Log any exception of the block, then do what ends the work; that is guarded, too.

    The log names the exception's type and place, never its text: that may hold a number or a PIN.
    """
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - the one guard of the signalling's thread
        log.error("voice=%s error=%s at=%s", work, type(exc).__name__, place(exc))
        if then is not None:
            with guarded(work):
                then()


def place(exc: BaseException) -> str:
    """ "call.py:101 < agent.py:202": where an exception was raised, and by whose call."""
    frames = traceback.extract_tb(exc.__traceback__)[: -FRAMES - 1 : -1]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
