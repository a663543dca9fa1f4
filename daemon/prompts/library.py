"""Phrases and prompts in memory: a call is a concatenation of ready G.711, without an engine and without a network.

A prompt set is a directory `<locale>` of WAV files (8 kHz, 16 bit, mono), one a clip. The operator's directory comes
before the shipped one, clip by clip, so that a recording of one's own replaces just what it replaces.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, chain
from pathlib import Path

from daemon.core.phrases import (
    DEFAULT_LOCALE,
    DIGITS,
    QUESTION,
    Announcement,
    BadPhrases,
    Phrases,
    fallback_chain,
    phrases_from,
)
from daemon.core.speech_plan import (
    BYE_PLAN,
    QUESTION_PLAN,
    Clip,
    Plan,
    Silence,
    again_plan,
    announcement_plan,
    speech_plan,
)
from daemon.resources import config_path
from drivers import RATE, Audio
from drivers.codecs.g711 import A_SILENCE, MU_SILENCE, alaw_encode, ulaw_encode
from drivers.codecs.wav import read_wav

FRAME = 160  # 20 ms: a call ends on a whole frame
OFFER = "press_1"
NEEDED = ("welcome", "again", "bye", *DIGITS)
LEVEL_DBFS = -18.0
"""Active speech level of clips: 4 dB above ITU-T G.169 and RFC 7874 4, since noise at the ear does the most harm."""


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
            found[path.stem] = phrases_from(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, BadPhrases) as exc:
            raise PromptsUnusable(f"cannot use the phrases {path}: {exc}") from exc
    if DEFAULT_LOCALE not in found:
        raise PromptsUnusable(f"cannot find {DEFAULT_LOCALE}.toml in {folder}; install Pinwheel again")
    return PhraseBook(found)


# --- prompts -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speech:
    """What a call says, in which locale.

    first_end_s, second_end_s: when the PIN, or an announcement, has been said once and twice.
    again and bye are there where the speech ends with the offer to repeat it; question where the locale has the clip.
    """

    locale: str
    audio: Audio
    first_end_s: float
    second_end_s: float
    again: Audio | None = None
    bye: Audio | None = None
    question: Audio | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a call: a clip by the name of its file, or silence, which has none."""

    name: str
    audio: Audio
    reading_ends: bool = False


@dataclass(frozen=True, slots=True)
class PromptLibrary:
    """Clips by locale and name, each in both laws. broken: what could not be read, one sentence each, by locale."""

    clips: Mapping[str, Mapping[str, Audio]] = field(repr=False)
    broken: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, directories: Sequence[Path]) -> "PromptLibrary":
        """Load every set below the directories; the first that has a clip which can be used wins."""
        clips: dict[str, dict[str, Audio]] = {}
        broken: dict[str, list[str]] = {}
        for folder in chain.from_iterable(_sets(directory, broken) for directory in directories):
            for path in _listed(folder, broken):
                held = clips.setdefault(folder.name, {})
                try:
                    if path.suffix == ".wav" and path.stem not in held:
                        held[path.stem] = _read(path)
                except PromptsUnusable as exc:
                    broken.setdefault(folder.name, []).append(str(exc))
        return cls(clips, broken)

    def or_else(self, running: "PromptLibrary") -> "PromptLibrary":
        """This one, with the running clips of each locale of which something is broken or missing now."""
        worse = {name for name in running.locales if name in self.broken or (name in self.clips and self.missing(name))}
        return PromptLibrary({**self.clips, **{name: running.clips[name] for name in worse}}, self.broken)

    @property
    def begun(self) -> list[str]:
        """The locales that have some clips, and not all that they need."""
        return sorted(locale for locale in self.clips if not self.complete(locale))

    def complete(self, locale: str) -> bool:
        """Every clip that a call needs is there."""
        return not self.missing(locale)

    def missing(self, locale: str) -> list[str]:
        """The clips that a call needs and that are not there."""
        return [name for name in NEEDED if name not in self.clips.get(locale, {})]

    @property
    def locales(self) -> list[str]:
        """Those that are complete."""
        return sorted(locale for locale in self.clips if self.complete(locale))

    def locale_for(self, wanted: str) -> str | None:
        """The locale that a call in `wanted` is spoken in; None where no set is complete."""
        return next((locale for locale in fallback_chain(wanted) if self.complete(locale)), None)

    def speech(self, locale: str, pin: str, brand: str, *, offer: bool = False) -> Speech:
        """The speech of a call with this PIN (ASCII digits). Raises PromptsUnusable without a complete set.

        offer: that the callee may press 1 to hear it again, if the locale has that clip.
        """
        spoken = self.locale_for(locale)
        if spoken is None:
            raise PromptsUnusable(f"no prompts for {locale}; run: pinwheel prompts render {locale}")
        clips = self.clips[spoken]
        offer = offer and OFFER in clips
        passages = self.passages(spoken, speech_plan(pin, offer=offer), brand)
        first_end_s, second_end_s = _reading_ends_s(passages)
        again = joined(self.passages(spoken, again_plan(pin), brand)) if offer else None
        bye = joined(self.passages(spoken, BYE_PLAN, brand)) if offer else None
        question = joined(self.passages(spoken, QUESTION_PLAN, brand)) if QUESTION in clips else None
        return Speech(
            spoken,
            joined(passages),
            first_end_s=first_end_s,
            second_end_s=second_end_s,
            again=again,
            bye=bye,
            question=question,
        )

    def announcement(self, locale: str, says: Announcement) -> Speech:
        """The speech of a call to an operator, in the nearest locale that has it. Raises PromptsUnusable."""
        plan = announcement_plan(says)
        needed = {part.name for part in plan if isinstance(part, Clip)}
        spoken = next((name for name in fallback_chain(locale) if needed <= self.clips.get(name, {}).keys()), None)
        if spoken is None:
            raise PromptsUnusable(f"no clip {says} for {locale}; run: pinwheel prompts render {locale}")
        passages = self.passages(spoken, plan, "")
        first_end_s, second_end_s = _reading_ends_s(passages)
        return Speech(spoken, joined(passages), first_end_s, second_end_s)

    def passages(self, spoken: str, plan: Plan, brand: str) -> list[Passage]:
        """The plan with the clips of a locale that has them."""
        clips = self.clips[spoken]
        return [_silence(part.ms) if isinstance(part, Silence) else _passage(part, brand, clips) for part in plan]


def _sets(directory: Path, broken: dict[str, list[str]]) -> list[Path]:
    """The sets in a directory; a hidden one is being rendered."""
    return [path for path in _listed(directory, broken) if not path.name.startswith(".") and path.is_dir()]


def _listed(directory: Path, broken: dict[str, list[str]]) -> list[Path]:
    """What is in a directory, if there is one and it may be read; else that is among what is broken."""
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as exc:
        why = f"cannot read the prompts in {directory}: {exc.strerror}; run: chmod -R a+rX {directory}"
        broken.setdefault(directory.name, []).append(why)
        return []


def _passage(part: Clip, brand: str, clips: Mapping[str, Audio]) -> Passage:
    """A clip; the welcome is the brand's own, if it has one."""
    name = welcome_of(brand) if part.name == "welcome" and welcome_of(brand) in clips else part.name
    return Passage(name, clips[name], part.reading_ends)


def joined(passages: Sequence[Passage]) -> Audio:
    """An utterance, in whole frames."""
    pcmu = b"".join(passage.audio.pcmu for passage in passages)
    pcma = b"".join(passage.audio.pcma for passage in passages)
    short = -len(pcmu) % FRAME
    return Audio(pcmu + MU_SILENCE * short, pcma + A_SILENCE * short)


def _reading_ends_s(passages: Sequence[Passage]) -> list[float]:
    """When each reading ends."""
    ends = accumulate(passage.audio.seconds for passage in passages)
    return [end for passage, end in zip(passages, ends, strict=True) if passage.reading_ends]


def shipped_prompts() -> Path:
    return config_path("prompts")


def slug(brand: str) -> str:
    """How a brand is written in a file name: "Acme & Co" -> "acme-co"; "" for one without letters and digits."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", brand).casefold()).strip("-")


def welcome_of(brand: str) -> str:
    """The clip in which a brand is named; the common one for a brand that cannot be spelled."""
    return f"welcome-{slug(brand)}" if slug(brand) else "welcome"


@cache
def _silence(ms: int) -> Passage:
    octets = ms * RATE // 1000
    return Passage("", Audio(MU_SILENCE * octets, A_SILENCE * octets))


def _read(path: Path) -> Audio:
    try:
        samples = read_wav(path)
    except PermissionError as exc:
        raise PromptsUnusable(f"cannot read the prompt {path}: {exc.strerror}; run: chmod a+r {path}") from exc
    except OSError as exc:
        raise PromptsUnusable(f"cannot read the prompt {path}: {exc.strerror or exc}") from exc
    except ValueError as exc:
        raise PromptsUnusable(f"cannot use the prompt {path}: {exc}; render or import it again") from exc
    return Audio(ulaw_encode(samples), alaw_encode(samples))
