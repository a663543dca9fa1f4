"""The plan of what a call says: which clips and which silences, in which order, and how long each silence is. Pure."""

from daemon.core.phrases import QUESTION, Announcement
from daemon.core.values import value

BEFORE_SPEECH_MS = 1000  # the callee needs to bring the phone to the ear, and early audio is clipped
AFTER_SENTENCE_MS = 350
BETWEEN_DIGITS_MS = 250  # measured beside 100 and 500 (make soak, gaps): most PINs heard at both readings, in noise
BETWEEN_READINGS_MS = 400


@value
class Silence:
    """Generated, never rendered."""

    ms: int


@value
class Clip:
    """A recording by its name, e.g. "digit_4"; reading_ends: the last of a reading."""

    name: str
    reading_ends: bool = False


def speakable(pin: str) -> bool:
    """Only ASCII digits have clips."""
    return pin.isascii() and pin.isdecimal()


Plan = tuple[Clip | Silence, ...]


def speech_plan(pin: str, *, offer: bool = False) -> Plan:
    """The speech, in order: the PIN twice; at its end goodbye, or the offer to hear it again.

    Raises ValueError for a PIN with letters.
    """
    if not speakable(pin):
        raise ValueError("a code with letters cannot be spoken")
    return (
        Silence(BEFORE_SPEECH_MS),
        Clip("welcome"),
        Silence(AFTER_SENTENCE_MS),
        *_reading(pin),
        Silence(BETWEEN_READINGS_MS),
        Clip("again"),
        Silence(AFTER_SENTENCE_MS),
        *_reading(pin),
        Silence(BETWEEN_READINGS_MS),
        Clip("press_1" if offer else "bye"),
    )


def again_plan(pin: str) -> Plan:
    """The speech after the callee has pressed 1 to hear the PIN again."""
    return (
        Silence(AFTER_SENTENCE_MS),
        Clip("again"),
        Silence(AFTER_SENTENCE_MS),
        *_reading(pin),
        Silence(BETWEEN_READINGS_MS),
        Clip("press_1"),
    )


def announcement_plan(says: Announcement) -> Plan:
    """The speech to an operator, in order: the sentence twice, since the first is easily missed."""
    said = Clip(says, reading_ends=True)
    return (
        Silence(BEFORE_SPEECH_MS),
        said,
        Silence(BETWEEN_READINGS_MS),
        said,
        Silence(BETWEEN_READINGS_MS),
        Clip("bye"),
    )


BYE_PLAN: Plan = (Silence(AFTER_SENTENCE_MS), Clip("bye"))
QUESTION_PLAN: Plan = (Silence(BEFORE_SPEECH_MS), Clip(QUESTION))


def _reading(pin: str) -> tuple[Clip | Silence, ...]:
    """The digits one by one, with gaps between them."""
    parts: list[Clip | Silence] = []
    for position, digit in enumerate(pin, 1):
        parts += [Clip(f"digit_{digit}", reading_ends=position == len(pin)), Silence(BETWEEN_DIGITS_MS)]
    return tuple(parts[:-1])
