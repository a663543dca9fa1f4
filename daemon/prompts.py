"""Phrases and prompts in memory: a call is a concatenation of ready G.711, without an engine and without a network.

A prompt set is a directory `<locale>` of WAV files (8 kHz, 16 bit, mono), one a clip. The operator's directory comes
before the shipped one, clip by clip, so that a recording of one's own replaces just what it replaces.
"""

import logging
import re
import tomllib
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.core.phrases import (
    BYE_PLAN,
    DEFAULT_LOCALE,
    DIGITS,
    QUESTION,
    QUESTION_PLAN,
    BadPhrases,
    Phrases,
    Plan,
    Silence,
    again_plan,
    call_plan,
    fallback_chain,
    phrases_from,
)
from daemon.resources import config_path
from drivers import Audio
from drivers.g711 import alaw_encode, ulaw_encode

log = logging.getLogger("pinwheel.prompts")

RATE = 8000
FRAME = 160  # 20 ms: a call ends on a whole frame
NEEDED = ("welcome", "again", "bye", *DIGITS)


class PromptsUnusable(Exception):
    """Phrases or prompts cannot be used; the text names the place and the remedy."""


# --- phrases -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhraseBook:
    """The phrases of every locale that there is a file for."""

    by_locale: Mapping[str, Phrases]

    def for_locale(self, locale: str) -> Phrases:
        """The phrases for a locale, or for what comes nearest."""
        return next(self.by_locale[name] for name in fallback_chain(locale) if name in self.by_locale)


def load_phrases(directory: Path | None = None) -> PhraseBook:
    """Read every file of config/phrases. Raises PromptsUnusable."""
    folder = directory or config_path("phrases")
    found: dict[str, Phrases] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            found[path.stem] = phrases_from(path.stem, tomllib.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, BadPhrases) as exc:
            raise PromptsUnusable(f"cannot use the phrases {path}: {exc}") from exc
    if DEFAULT_LOCALE not in found:
        raise PromptsUnusable(f"cannot find {DEFAULT_LOCALE}.toml in {folder}; install Pinwheel again")
    return PhraseBook(found)


# --- prompts -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speech:
    """What a call says. first_end_s, second_end_s: when the PIN has been said once and twice.

    again and bye are there where the speech ends with the offer to repeat it; question where the locale has the clip.
    """

    audio: Audio
    first_end_s: float
    second_end_s: float
    again: Audio | None = None
    bye: Audio | None = None
    question: Audio | None = None


@dataclass(frozen=True, slots=True)
class PromptLibrary:
    """Clips by locale and name, each in both laws."""

    clips: Mapping[str, Mapping[str, Audio]] = field(repr=False)

    @classmethod
    def open(cls, directories: Sequence[Path]) -> "PromptLibrary":
        """Load every set below the directories; the first that has a clip wins. Raises PromptsUnusable."""
        clips: dict[str, dict[str, Audio]] = {}
        for directory in directories:
            for path in sorted(directory.glob("[!.]*/*.wav")):  # hidden: a set that is being rendered
                clips.setdefault(path.parent.name, {}).setdefault(path.stem, _read(path))
        return cls(clips)

    def complete(self, locale: str) -> bool:
        """Every clip that a call needs is there."""
        return all(name in self.clips.get(locale, {}) for name in NEEDED)

    def locale_for(self, wanted: str) -> str | None:
        """The locale that a call in `wanted` is spoken in; None where no set is complete."""
        return next((locale for locale in fallback_chain(wanted) if self.complete(locale)), None)

    def speech(self, locale: str, pin: str, brand: str, *, offer: bool = False) -> Speech:
        """What the callee of this PIN (ASCII digits) hears. Raises PromptsUnusable without a complete set.

        offer: to hear it again, where the locale can say so.
        """
        spoken = self.locale_for(locale)
        if spoken is None:
            raise PromptsUnusable(f"no prompts for {locale}; run: pinwheel prompts render {locale}")
        if spoken != locale:
            log.info("prompts=fallback wanted=%s spoken=%s", locale, spoken)
        clips = self.clips[spoken]
        offer = offer and "press_1" in clips
        audio, (first_end_s, second_end_s) = _joined(call_plan(pin, offer=offer), brand, clips)
        again = _joined(again_plan(pin), brand, clips)[0] if offer else None
        bye = _joined(BYE_PLAN, brand, clips)[0] if offer else None
        question = _joined(QUESTION_PLAN, brand, clips)[0] if QUESTION in clips else None
        return Speech(audio, first_end_s, second_end_s, again, bye, question)


def _joined(plan: Plan, brand: str, clips: Mapping[str, Audio]) -> tuple[Audio, list[float]]:
    """The audio of a plan, in whole frames, and when each reading of the PIN ends in it."""
    pcmu, pcma = bytearray(), bytearray()
    ends: list[float] = []
    for part in plan:
        clip = _silence(part.ms) if isinstance(part, Silence) else clips[_clip_name(part.name, brand, clips)]
        pcmu += clip.pcmu
        pcma += clip.pcma
        if not isinstance(part, Silence) and part.pin_ends:
            ends.append(len(pcmu) / RATE)
    hush = _silence(1)
    short = -len(pcmu) % FRAME
    return Audio(bytes(pcmu) + hush.pcmu[:1] * short, bytes(pcma) + hush.pcma[:1] * short), ends


def shipped_prompts() -> Path:
    return config_path("prompts")


def slug(brand: str) -> str:
    """How a brand is written in a file name: "Acme & Co" -> "acme-co"."""
    return re.sub(r"[^a-z0-9]+", "-", brand.lower()).strip("-")


def _clip_name(name: str, brand: str, clips: Mapping[str, Audio]) -> str:
    """The welcome of the brand, if it has one of its own."""
    own = f"{name}-{slug(brand)}"
    return own if name == "welcome" and own in clips else name


def _silence(ms: int) -> Audio:
    octets = ms * RATE // 1000
    return Audio(ulaw_encode(bytes(2)) * octets, alaw_encode(bytes(2)) * octets)


def _read(path: Path) -> Audio:
    try:
        with wave.open(str(path)) as wav:
            shape = (wav.getframerate(), wav.getsampwidth(), wav.getnchannels())
            pcm = wav.readframes(wav.getnframes())
    except (OSError, EOFError, wave.Error) as exc:
        raise PromptsUnusable(f"cannot read the prompt {path}: {exc}; render it again") from exc
    if shape != (RATE, 2, 1):
        raise PromptsUnusable(f"cannot use the prompt {path}: it must be 8 kHz, 16 bit, mono; import it first")
    return Audio(ulaw_encode(pcm), alaw_encode(pcm))
