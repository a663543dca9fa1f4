"""Workflows as facts, and the rules that turn a caller's wishes into a plan."""

from collections.abc import Mapping
from dataclasses import replace

from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Channel, Step


def _sms(wait_s: int) -> Step:
    return Step(Channel.SMS, seconds(wait_s))


def _tts(wait_s: int) -> Step:
    return Step(Channel.TTS, seconds(wait_s))


WORKFLOWS: Mapping[int, tuple[Step, ...]] = {
    1: (_sms(125), _tts(180), _tts(300)),
    2: (_sms(125), _sms(180), _tts(300)),
    3: (_tts(150), _tts(150)),
    4: (_sms(120), _sms(180)),
    5: (_sms(125), _tts(300)),
    6: (_sms(300),),
    7: (_tts(300),),
}
"""The presets of the Verify reference: each event and the wait after it, in seconds."""

FIRST_CUSTOM_ID = 100
DEFAULT_WORKFLOW = 1
NEXT_EVENT_WAIT_S = range(60, 901)
CODE_LENGTHS = (4, 6)
DEFAULT_CODE_LENGTH = 4
OWN_PIN_LENGTHS = range(4, 11)
BRAND_LENGTHS = range(1, 19)
SENDER_ID_LENGTHS = range(1, 12)


def with_wait(steps: tuple[Step, ...], next_event_wait: Ms | None) -> tuple[Step, ...]:
    """next_event_wait replaces every wait, the last one included."""
    if next_event_wait is None:
        return steps
    return tuple(replace(step, wait=next_event_wait) for step in steps)
