"""A speech recogniser as the callee: what it hears in recordings of PINs, and how often that is right.

The recogniser, and the engine that `gaps` renders with, live in .venv-listen and answer over a pipe.
"""

import json
import random
import subprocess
import wave
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers import RATE
from tests.soak.hearing import Verdict, hearing

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-listen/bin/python"
SEED = 5
LENGTHS = (4, 6)
READINGS = 2  # of the PIN in a call
HEAD = "  ".join(f"{verdict:>9}" for verdict in Verdict) + "  both readings"
PRIMERS = {
    "en": "Digits are written one by one: 0 1 2 3 4 5 6 7 8 9.",
    "es": "Las cifras se escriben una por una: 0 1 2 3 4 5 6 7 8 9.",
    "fr": "Les chiffres s'écrivent un par un : 0 1 2 3 4 5 6 7 8 9.",
    "it": "Le cifre si scrivono una per una: 0 1 2 3 4 5 6 7 8 9.",
    "ru": "Цифры пишутся по одной: 0 1 2 3 4 5 6 7 8 9.",
}
"""Tells the recogniser to write digits, as a callee would type them; not which, and not how many.

It must not resemble the call: after "your code is 0 1 2 ..." the model put a 0 before one PIN of a hundred.
"""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a callee heard. whole: to the last octet what was to be played."""

    pin: str
    wav: Path
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """How PINs were heard. twice: both readings were right; wrong_twice: both were the same wrong PIN."""

    verdicts: Counter[Verdict]
    twice: int
    wrong_twice: int

    @property
    def right(self) -> int:
        return self.verdicts[Verdict.RIGHT]

    @property
    def all_right(self) -> bool:
        return self.right == self.verdicts.total()

    def __str__(self) -> str:
        return "  ".join(f"{self.verdicts[verdict]:>9}" for verdict in Verdict) + f"  {self.twice:>13}"


class Helper:
    """A script of this folder in .venv-listen, that answers each line of JSON by one; a context manager."""

    def __init__(self, script: str) -> None:
        if not PYTHON.exists():
            raise SystemExit(f"cannot listen: {PYTHON} is missing; run: make ears")
        self._command = ["nice", str(PYTHON), str(HERE / script)]

    def __enter__(self) -> "Helper":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def random_pins(count: int) -> list[str]:
    """The same ones each time; half of each length."""
    rng = random.Random(SEED)
    return ["".join(rng.choices("0123456789", k=LENGTHS[number % len(LENGTHS)])) for number in range(count)]


def heard(recogniser: Helper, wav: Path, language: str) -> str:
    """What the recogniser writes."""
    return str(recogniser.ask(wav=str(wav), language=language, primer=PRIMERS[language])["text"])


def score(recogniser: Helper, recordings: Iterable[Recording], language: str) -> Score:
    """Listen to them all, and print what was not heard right."""
    verdicts, twice, wrong_twice = Counter[Verdict](), 0, 0
    for recording in recordings:
        text = heard(recogniser, recording.wav, language)
        hears = hearing(text, language, len(recording.pin))
        verdict = hears.verdict(recording.pin)
        verdicts[verdict] += 1
        twice += verdict is Verdict.RIGHT and len(hears.readings) == READINGS
        wrong_twice += verdict is Verdict.WRONG and len(hears.readings) == READINGS
        if verdict is not Verdict.RIGHT:
            print(f"      {recording.pin}: {text}", flush=True)
    return Score(verdicts, twice, wrong_twice)


def write_wav(path: Path, pcm: bytes) -> Path:
    """8 kHz, 16 bit, mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(pcm)
    return path


def read_wav(path: Path) -> bytes:
    """Its samples."""
    with wave.open(str(path)) as wav:
        return bytes(wav.readframes(wav.getnframes()))
