"""Which PIN a listener would type who heard this text: exact digits, in as many as the PIN has, and no two of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

WORDS: Mapping[str, tuple[str, ...]] = {
    "en": ("zero oh o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    "fr": ("zéro zero", "un une", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
    "it": ("zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"),
    "ru": ("ноль нуль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"),
}
HOMOPHONES: Mapping[str, Mapping[str, str]] = {
    "en": {"won": "1", "to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8"},
}
"""Words that sound exactly like a digit; they are one only where that makes the PIN complete."""


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"  # another PIN, of the right length
    NOT_HEARD = "not heard"


@dataclass(frozen=True, slots=True)
class Hearing:
    """readings: the PINs heard, each as often as it was said."""

    readings: tuple[str, ...]

    @property
    def pin(self) -> str:
        """What the listener types; "" if nothing was heard, or two things."""
        return self.readings[0] if len(set(self.readings)) == 1 else ""

    def verdict(self, pin: str) -> Verdict:
        if not self.pin:
            return Verdict.NOT_HEARD
        return Verdict.RIGHT if self.pin == pin else Verdict.WRONG


def hearing(text: str, language: str, length: int) -> Hearing:
    """The readings of a PIN of so many digits in what a recogniser wrote."""
    return Hearing(tuple(_readings(text, language, length)))


def _readings(text: str, language: str, length: int) -> Iterator[str]:
    for run in _runs(text, language):
        sure = "".join(digit for digit, is_sure in run if is_sure)
        every = "".join(digit for digit, _ in run)
        yield from (reading for reading in dict.fromkeys((every, sure)) if len(reading) == length)


def _runs(text: str, language: str) -> Iterator[list[tuple[str, bool]]]:
    """Digits without another word between them, each with whether it can be nothing else."""
    words = {word: str(digit) for digit, ways in enumerate(WORDS[language]) for word in ways.split()}
    homophones = HOMOPHONES.get(language, {})
    run: list[tuple[str, bool]] = []
    for token in [*re.findall(r"\d|[^\W\d_]+", text.lower()), ""]:
        if digit := words.get(token, token if token.isdecimal() else ""):
            run.append((digit, True))
        elif token in homophones:
            run.append((homophones[token], False))
        else:
            yield run
            run = []
