"""What an operator should know of all prompt sets: what is there, what is wrong, and the command that helps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.core.phrases import LOCALES, Phrases
from daemon.prompts.library import NEEDED, PromptLibrary, welcome_of
from daemon.prompts.making.sets import CLIPS, DEFAULT_SOUND, IMPORT, ClipState, Sound, clip_states
from drivers import Audio
from drivers.permissions import Reader


@dataclass(frozen=True, slots=True)
class LocaleState:
    """A locale as `check` shows it. spoken_in: the locale that replaces it; remedy: the command that helps, or ""."""

    locale: str
    clips: dict[str, ClipState]
    missing: list[str]
    troubles: list[str]
    spoken_in: str
    remedy: str

    @property
    def begun(self) -> bool:
        """It has some clips, so somebody meant it to be complete."""
        return bool(self.clips)

    @property
    def good(self) -> bool:
        return not self.troubles and not set(self.missing) & set(NEEDED)

    def json(self) -> dict[str, Any]:
        clips = {name: _clip_json(state) for name, state in self.clips.items()}
        rest = {"missing": self.missing, "troubles": self.troubles, "spoken_in": self.spoken_in, "remedy": self.remedy}
        return {"locale": self.locale, "complete": self.good, **rest, "clips": clips}


def _clip_json(state: ClipState) -> dict[str, Any]:
    made = state.made
    known = {"engine": made.engine, "voice": made.voice, "text": made.text, "note": made.note, "source": made.source}
    measured = {"seconds": round(state.seconds, 3), "dbfs": round(state.dbfs, 1)}
    return {**known, **measured, "shipped": state.shipped, "trouble": state.trouble}


def survey(
    locales: Sequence[str],
    folders: Sequence[Path],
    book: Mapping[str, Phrases],
    brands: Sequence[str],
    reader: Reader,
    sound: Sound = DEFAULT_SOUND,
) -> list[LocaleState]:
    """The state of each locale. folders: the operator's, and the shipped one. brands: need a welcome of their own.

    reader: the daemon's user. sound: how clips should sound.
    """
    clips = {locale: clip_states(folders, locale, reader, sound) for locale in LOCALES}
    usable = {name: {clip: s for clip, s in found.items() if s.seconds} for name, found in clips.items()}
    library = PromptLibrary({name: dict.fromkeys(found, Audio(b"", b"")) for name, found in usable.items()})
    return [_state(locale, clips[locale], book.get(locale), library, brands) for locale in locales]


def _state(
    locale: str, clips: dict[str, ClipState], phrases: Phrases | None, library: PromptLibrary, brands: Sequence[str]
) -> LocaleState:
    expected = (*CLIPS, *map(welcome_of, brands))
    missing = [name for name in dict.fromkeys(expected) if name not in clips]
    troubles = [f"{name}: {trouble}" for name, state in clips.items() if (trouble := _trouble(state, phrases))]
    remedy = _remedy(locale, clips, missing, phrases) if missing or troubles else ""
    return LocaleState(locale, clips, missing, troubles, library.locale_for(locale) or "", remedy)


def _remedy(locale: str, clips: Mapping[str, ClipState], missing: Sequence[str], phrases: Phrases | None) -> str:
    """The command that helps."""
    if blocked := next((state.blocked for state in clips.values() if state.blocked), None):
        return f"chmod -R a+rX {blocked.parent if blocked.is_file() else blocked}"
    if phrases is None:
        return f"pinwheel prompts import DIR --locale {locale}"  # there are no phrases that could be rendered
    bad = [state for state in clips.values() if _trouble(state, phrases)]
    if not missing and all(state.mendable for state in bad):
        return f"pinwheel prompts render {locale} --engine keep"
    imported = any(state.made.engine == IMPORT and state.trouble and not state.mendable for state in bad)
    return f"pinwheel prompts render {locale}" + (" --replace-imports" if imported else "")


def _trouble(state: ClipState, phrases: Phrases | None) -> str:
    expected = phrases.spoken.get(state.name) if phrases else None
    stale = state.made.text and expected and state.made.text != expected
    return state.trouble or (f"says {state.made.text!r}, the phrases now {expected!r}" if stale else "")
