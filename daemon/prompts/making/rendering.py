"""Renders a locale: each clip is spoken once, cached, and processed; the set appears when all clips are ready."""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from daemon.core.phrases import DIGITS, QUESTION, SENTENCES, Announcement, Phrases
from daemon.prompts.library import shipped_prompts, welcome_of
from daemon.prompts.making.chain import NoSpeech, Samples, decoded, pcm16, sounding, telephone
from daemon.prompts.making.engines.contract import Engine, EngineFailed, Line
from daemon.prompts.making.sets import (
    DEFAULT_SOUND,
    IMPORT,
    Made,
    SetUnusable,
    Sound,
    digest,
    measured,
    read_clip,
    read_manifest,
    replacing,
    write_clip,
    write_manifest,
)
from drivers import RATE

CACHE = ".cache"


@dataclass(frozen=True, slots=True)
class Order:
    """What to render. digits, sentences: who speaks them; None: those that are there stay, brought to the right sound.

    rate: of the digits. fresh: the cache is not used. imports: the operator's own recordings are replaced, too.
    """

    digits: Engine | None
    sentences: Engine | None
    brands: Sequence[str] = ()
    rate: float = 1.0
    fresh: bool = False
    imports: bool = False
    sound: Sound = DEFAULT_SOUND

    def speaker(self, clip: str) -> Engine | None:
        return self.digits if clip in DIGITS else self.sentences


@dataclass(frozen=True, slots=True)
class Rendered:
    """One clip is ready. how: "spoken", "cached" or "kept", which is also what only got another level."""

    line: Line
    seconds: float
    how: str


def lines(phrases: Phrases, order: Order) -> Iterator[Line]:
    """Every clip of a locale."""
    for name in (*DIGITS, *SENTENCES, QUESTION, *Announcement):
        if name in phrases.spoken:
            yield Line(name, phrases.spoken[name], phrases.locale, order.rate if name in DIGITS else 1.0)
    for brand in order.brands:
        spoken = phrases.spoken.get("welcome_brand", phrases.spoken["welcome"])
        yield Line(welcome_of(brand), spoken.replace("{brand}", brand), phrases.locale)


def render(phrases: Phrases, order: Order, directory: Path, report: Callable[[Rendered], None]) -> Path:
    """Render a locale into directory/locale; it appears whole or not at all. Raises EngineFailed, SetUnusable."""
    with replacing(directory, phrases.locale) as work:
        kept = _kept(phrases.locale, order, directory)
        made: dict[str, Made] = {}
        for line in lines(phrases, order):
            if line.clip in kept:
                pcm, made[line.clip] = _sounding(*kept.pop(line.clip), order.sound)
                how = "kept"
            else:
                pcm, made[line.clip], how = _clip(line, order, directory)
            write_clip(work / f"{line.clip}.wav", pcm)
            report(Rendered(line, len(pcm) / 2 / RATE, how))
        for name, (path, was) in kept.items():  # welcomes of brands that were not asked for now
            pcm, made[name] = _sounding(path, was, order.sound)
            write_clip(work / path.name, pcm)
        write_manifest(work, phrases.locale, made)
    return directory / phrases.locale


def _kept(locale: str, order: Order, directory: Path) -> dict[str, tuple[Path, Made]]:
    """The files of the clips that no engine speaks now, and how they came to be."""
    own, shipped = directory / locale, shipped_prompts() / locale
    kept = {}
    for folder in (shipped, own):
        manifest = read_manifest(folder)
        for path in folder.glob("*.wav"):
            made = manifest.get(path.stem, Made(engine=IMPORT, source=path.name))
            unspoken = order.speaker(path.stem) is None
            if unspoken or (made.engine == IMPORT and folder == own and not order.imports):
                kept[path.stem] = (path, made)
    return kept


def _sounding(path: Path, made: Made, sound: Sound) -> tuple[bytes, Made]:
    """A clip that is there, with the level and the emphasis that are wanted now."""
    was = read_clip(path)
    pcm = sounding(was, made.emphasis_db, sound)
    return pcm, made if pcm == was else measured(made, pcm, sound)


def _clip(line: Line, order: Order, directory: Path) -> tuple[bytes, Made, str]:
    """The samples of a clip, and how they came to be."""
    speaker = order.speaker(line.clip)
    if speaker is None:
        option = "--engine" if line.clip in DIGITS else "--sentences"
        raise EngineFailed(f"clip {line.clip}: there is none to keep for {line.locale}; name an engine with {option}")
    made = Made(speaker.name, speaker.voice(line.locale), line.text, speaker.parameters(line), note=speaker.note)
    path = directory / CACHE / f"{_key(made)}.flac"
    spoken = None if order.fresh else _cached(path)
    if not order.fresh and not spoken and (found := _spoken_before(directory / line.locale, line.clip, made)):
        return *_sounding(*found, order.sound), "kept"
    how = "cached" if spoken else "spoken"
    try:
        samples, rate = spoken or speaker.speak(line)
        pcm = pcm16(telephone(samples, rate, order.sound))
    except NoSpeech as exc:
        raise EngineFailed(f"clip {line.clip} ({line.text!r}): {speaker.name} gave no speech: {exc}") from exc
    except EngineFailed as exc:
        raise type(exc)(f"clip {line.clip} ({line.text!r}): {exc}") from exc
    if not spoken:
        _cache(path, samples, rate)
    return pcm, measured(made, pcm, order.sound), how


def _spoken_before(folder: Path, clip: str, made: Made) -> tuple[Path, Made] | None:
    """The clip of that name in a set, if the engine would say the same again and nobody changed the file since."""
    path = folder / f"{clip}.wav"
    try:
        was = read_manifest(folder).get(clip, Made())
        intact = was.sha256 == digest(read_clip(path))
    except SetUnusable:
        return None
    return (path, was) if intact and _key(was) == _key(made) else None


def _key(made: Made) -> str:
    return digest(json.dumps([made.engine, made.voice, made.text, dict(made.parameters)], sort_keys=True).encode())[:40]


def _cached(path: Path) -> tuple[Samples, int] | None:
    """What the engine said before, at its own rate; what cannot be read is spoken again."""
    try:
        return decoded(path.read_bytes())
    except (OSError, NoSpeech):
        return None


def _cache(path: Path, samples: Samples, rate: int) -> None:
    """Only speech that made a good clip is cached."""
    flac = io.BytesIO()
    soundfile.write(flac, samples.clip(-1, 1), rate, format="FLAC", subtype="PCM_24")
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(flac.getvalue())
    partial.replace(path)
