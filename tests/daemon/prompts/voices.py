"""Engines without a voice, and audio made on the spot."""

import io
from collections.abc import Mapping

import numpy as np
import soundfile

from daemon.prompts.making.chain import Samples
from daemon.prompts.making.engines.contract import EngineFailed, Line

RATE = 22050


def hum(seconds: float = 0.5, hz: float = 700.0, rate: int = RATE, level: float = 0.05) -> Samples:
    """A tone with half a second of silence on both sides."""
    time = np.arange(int(rate * seconds)) / rate
    quiet = np.zeros(rate // 2)
    return np.concatenate([quiet, level * np.sin(2 * np.pi * hz * time), quiet])


def audio_file(samples: Samples, rate: int, kind: str) -> bytes:
    """As WAV, FLAC, OGG or MP3."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


class Hum:
    """An engine that hums, and counts; it fails at a text, where one is given."""

    name = "hum"
    note = ""

    def __init__(self, fails_at: str = "", hz: float = 700.0) -> None:
        self.said: list[Line] = []
        self._fails_at, self._hz = fails_at, hz

    def speaks(self, locale: str) -> bool:
        return locale != "xx-xx"

    def voice(self, locale: str) -> str:
        return f"{locale} at {self._hz:g} Hz"

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        return {"rate": line.rate}

    def speak(self, line: Line) -> tuple[Samples, int]:
        if line.text == self._fails_at:
            raise EngineFailed("out of breath")
        self.said.append(line)
        return hum(hz=self._hz), RATE
