"""A locale, rendered: each clip spoken once, kept in a cache, sent through the chain, and shown when all are there."""

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from daemon.core.phrases import DIGITS, QUESTION, SENTENCES, Phrases
from daemon.prompts import RATE, shipped_prompts, welcome_of
from daemon.speech.chain import NoSpeech, Samples, decoded, pcm16, telephone
from daemon.speech.engines import Engine, EngineFailed, Line
from daemon.speech.sets import (
    IMPORT,
    Made,
    active_dbfs,
    digest,
    read_clip,
    read_manifest,
    replacing,
    write_clip,
    write_manifest,
)

CACHE = ".cache"


@dataclass(frozen=True, slots=True)
class Order:
    """What to render. sentences: who speaks them; None: those that are there stay. fresh: the cache is not asked.

    rate: of the digits. imports: recordings of the operator's own are replaced, too.
    """

    digits: Engine
    sentences: Engine | None
    brands: Sequence[str] = ()
    rate: float = 1.0
    fresh: bool = False
    imports: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """One clip is ready. how: "spoken", "cached" or "kept"."""

    line: Line
    seconds: float
    how: str


def lines(phrases: Phrases, order: Order) -> Iterator[Line]:
    """Every clip of a locale."""
    for name in (*DIGITS, *SENTENCES, QUESTION):
        if name in phrases.spoken:
            yield Line(name, phrases.spoken[name], phrases.locale, order.rate if name in DIGITS else 1.0)
    for brand in order.brands:
        spoken = phrases.spoken.get("welcome_brand", phrases.spoken["welcome"])
        yield Line(welcome_of(brand), spoken.replace("{brand}", brand), phrases.locale)


def render(phrases: Phrases, order: Order, directory: Path, told: Callable[[Rendered], None]) -> Path:
    """Render a locale into directory/locale; it appears whole or not at all. Raises EngineFailed, SetUnusable."""
    with replacing(directory, phrases.locale) as work:
        kept = _kept(phrases.locale, order, directory)
        made: dict[str, Made] = {}
        for line in lines(phrases, order):
            if line.clip in kept:
                folder, made[line.clip] = kept[line.clip]
                pcm, how = read_clip(folder / f"{line.clip}.wav"), "kept"
            else:
                pcm, made[line.clip], how = _clip(line, order, directory / CACHE)
            write_clip(work / f"{line.clip}.wav", pcm)
            told(Rendered(line, len(pcm) / 2 / RATE, how))
        write_manifest(work, phrases.locale, made)
    return directory / phrases.locale


def _kept(locale: str, order: Order, directory: Path) -> Mapping[str, tuple[Path, Made]]:
    """The clips that stay as they are, and where they lie."""
    own, shipped = directory / locale, shipped_prompts() / locale
    kept = {}
    for folder in (shipped, own):
        manifest = read_manifest(folder)
        for path in folder.glob("*.wav"):
            made = manifest.get(path.stem, Made(engine=IMPORT, source=path.name))
            sentence = order.sentences is None and path.stem not in DIGITS
            if sentence or (made.engine == IMPORT and folder == own and not order.imports):
                kept[path.stem] = (folder, made)
    return kept


def _clip(line: Line, order: Order, cache: Path) -> tuple[bytes, Made, str]:
    """The samples of a clip, and how they came to be."""
    speaker = order.digits if line.clip in DIGITS else order.sentences
    if speaker is None:
        raise EngineFailed(
            f"clip {line.clip}: there is none to keep for {line.locale}; name an engine with --sentences"
        )
    made = Made(speaker.name, speaker.voice(line.locale), line.text, speaker.parameters(line), note=speaker.note)
    path = cache / f"{_key(made)}.flac"
    spoken = None if order.fresh else _cached(path)
    how = "cached" if spoken else "spoken"
    try:
        samples, rate = spoken or speaker.speak(line)
        pcm = pcm16(telephone(samples, rate))
    except NoSpeech as exc:
        raise EngineFailed(f"clip {line.clip} ({line.text!r}): {speaker.name} gave no speech: {exc}") from exc
    except EngineFailed as exc:
        raise type(exc)(f"clip {line.clip} ({line.text!r}): {exc}") from exc
    if not spoken:
        _cache(path, samples, rate)
    seconds, dbfs = round(len(pcm) / 2 / RATE, 3), round(active_dbfs(pcm), 1)
    return pcm, replace(made, seconds=seconds, dbfs=dbfs, sha256=digest(pcm)), how


def _key(made: Made) -> str:
    return digest(json.dumps([made.engine, made.voice, made.text, dict(made.parameters)], sort_keys=True).encode())[:40]


def _cached(path: Path) -> tuple[Samples, int] | None:
    """What the engine said before, at its own rate; what cannot be read is spoken again."""
    try:
        return decoded(path.read_bytes())
    except (OSError, NoSpeech):
        return None


def _cache(path: Path, samples: Samples, rate: int) -> None:
    """Only what made a good clip comes here."""
    flac = io.BytesIO()
    soundfile.write(flac, samples.clip(-1, 1), rate, format="FLAC", subtype="PCM_24")
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(flac.getvalue())
    partial.replace(path)
