"""Recordings of the operator's own: any rate, mono or stereo, through the same chain as what engines say."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.core.phrases import LOCALES
from daemon.prompts.library import slug
from daemon.prompts.making.chain import NoSpeech, decoded, pcm16, telephone
from daemon.prompts.making.sets import (
    CLIPS,
    IMPORT,
    MANIFEST,
    Made,
    Sound,
    digest,
    measured,
    read_manifest,
    replacing,
    write_clip,
    write_manifest,
)

KINDS = (".wav", ".flac", ".mp3", ".ogg")
BRAND = "welcome-"
LARGEST = 50_000_000  # octets: what is larger is no clip


class ImportFailed(Exception):
    """Nothing was imported. `mistakes` has one sentence each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that becomes a clip; replaces: the operator's directory has that clip already."""

    locale: str
    clip: str
    path: Path
    pcm: bytes
    made: Made
    replaces: bool


def recordings(source: Path, locale: str | None, directory: Path, sound: Sound) -> list[Recording]:
    """Read every recording: source/CLIP.ext for a locale, else source/LOCALE/CLIP.ext. Raises ImportFailed."""
    found: list[Recording] = []
    mistakes: list[str] = []
    for where, path in _files(source, locale, mistakes):
        taken = [other.path for other in found if (other.locale, other.clip) == (where, path.stem)]
        if taken:
            mistakes.append(f"cannot import {path}: {taken[0].name} is the same clip; leave one of them out")
            continue
        try:
            found.append(_recording(where, path, directory, sound))
        except (NoSpeech, OSError) as exc:
            mistakes.append(f"cannot import {path}: {exc}")
    if not found and not mistakes:
        expected = "CLIP.wav" if locale else "LOCALE/CLIP.wav (or give --locale)"
        mistakes.append(f"cannot find recordings in {source}: {expected}; also {', '.join(KINDS[1:])}")
    if mistakes:
        raise ImportFailed(mistakes)
    return found


def _files(source: Path, locale: str | None, mistakes: list[str]) -> Iterator[tuple[str, Path]]:
    """The recordings below source with their locales; names that mean nothing are mistakes."""
    folders = (
        [(locale, source)] if locale else [(path.name, path) for path in sorted(source.iterdir()) if path.is_dir()]
    )
    for where, folder in folders:
        if where not in LOCALES:
            mistakes.append(f"cannot import {folder}: no such locale; there are {', '.join(sorted(LOCALES))}")
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in KINDS:
                continue
            if path.stem in CLIPS or path.stem == f"{BRAND}{slug(path.stem.removeprefix(BRAND))}" != BRAND:
                yield where, path
            else:
                mistakes.append(f"cannot import {path}: no such clip; there are {', '.join(CLIPS)}, {BRAND}BRAND")


def _recording(locale: str, path: Path, directory: Path, sound: Sound) -> Recording:
    if path.stat().st_size > LARGEST:
        raise NoSpeech(f"it has more than {LARGEST // 1_000_000} MB, which is no clip")
    data = path.read_bytes()
    samples, rate = decoded(data)
    pcm = pcm16(telephone(samples, rate, sound))
    made = measured(Made(IMPORT, source=path.name, source_sha256=digest(data)), pcm, sound)
    return Recording(locale, path.stem, path, pcm, made, (directory / locale / f"{path.stem}.wav").exists())


def adopt(found: Sequence[Recording], directory: Path) -> None:
    """Put them into the operator's directory, clip by clip, a locale in one step. Raises SetUnusable."""
    for locale in sorted({recording.locale for recording in found}):
        _merge(locale, {recording.clip: recording for recording in found if recording.locale == locale}, directory)


def _merge(locale: str, new: Mapping[str, Recording], directory: Path) -> None:
    old = directory / locale
    with replacing(directory, locale) as work:
        manifest = read_manifest(old)
        for path in old.glob("*"):
            if path.name != MANIFEST and path.is_file():
                shutil.copy2(path, work)
        for clip, recording in new.items():
            write_clip(work / f"{clip}.wav", recording.pcm)
            manifest[clip] = recording.made
        write_manifest(work, locale, manifest)
