"""Workflows as facts, and the rules that turn a caller's wishes into a plan."""

from collections.abc import Mapping
from dataclasses import replace

from daemon.core.model import Channel, Step

SMS, TTS = Channel.SMS, Channel.TTS

WORKFLOWS: Mapping[int, tuple[Step, ...]] = {
    1: (Step(SMS, 125), Step(TTS, 180), Step(TTS, 300)),
    2: (Step(SMS, 125), Step(SMS, 180), Step(TTS, 300)),
    3: (Step(TTS, 150), Step(TTS, 150)),
    4: (Step(SMS, 120), Step(SMS, 180)),
    5: (Step(SMS, 125), Step(TTS, 300)),
    6: (Step(SMS, 300),),
    7: (Step(TTS, 300),),
}
"""The presets of the Verify reference: each event and the wait after it, in seconds."""

FIRST_CUSTOM_ID = 100
DEFAULT_WORKFLOW = 1
DEFAULT_PIN_EXPIRY_S = 300
PIN_EXPIRY_S = range(60, 3601)
NEXT_EVENT_WAIT_S = range(60, 901)
CODE_LENGTHS = (4, 6)
DEFAULT_CODE_LENGTH = 4
OWN_PIN_LENGTHS = range(4, 11)
BRAND_LENGTHS = range(1, 19)
SENDER_ID_LENGTHS = range(1, 12)
WRONG_CODES_ALLOWED = 3


def with_wait(steps: tuple[Step, ...], next_event_wait_s: int | None) -> tuple[Step, ...]:
    """next_event_wait replaces every wait, the last one included."""
    if next_event_wait_s is None:
        return steps
    return tuple(replace(step, wait_s=next_event_wait_s) for step in steps)


def effective_expiry(pin_expiry_s: int | None, next_event_wait_s: int | None) -> int:
    """The PIN's life in seconds; one that is not a multiple of a given wait becomes that wait."""
    if pin_expiry_s is None:
        return DEFAULT_PIN_EXPIRY_S
    if next_event_wait_s is not None and pin_expiry_s % next_event_wait_s:
        return next_event_wait_s
    return pin_expiry_s
