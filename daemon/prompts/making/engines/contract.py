"""What can speak a clip ahead of time: one small contract. No engine ever sees a PIN."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # so that who only handles the errors needs no numpy
    from daemon.prompts.making.chain import Samples


class EngineName(StrEnum):
    """As commands and the manifests of sets have it."""

    GTTS = "gtts"
    PIPER = "piper"
    ESPEAK = "espeak"
    ASTERISK = "asterisk"


class EngineFailed(Exception):
    """A clip cannot be spoken; the text names the engine and the remedy."""


class EngineRests(EngineFailed):
    """No clip can be spoken now; try again later."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be spoken. rate: 1 is the engine's own; 0.8 takes longer."""

    clip: str
    text: str
    locale: str
    rate: float = 1.0


class Engine(Protocol):
    """Something that speaks. Its methods raise EngineFailed."""

    note: str
    """What an operator has to know of all its clips, or ""."""

    @property
    def name(self) -> str:
        """As the manifest of a set has it."""

    def speaks(self, locale: str) -> bool:
        """It has a voice for that."""

    def voice(self, locale: str) -> str:
        """Which one."""

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        """What else decides how it sounds."""

    def speak(self, line: Line) -> "tuple[Samples, int]":
        """Mono samples of -1..1, and their rate in Hz."""
