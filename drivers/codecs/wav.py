"""WAV files of telephone speech: 8 kHz, 16 bit, mono. Samples are little-endian."""

import wave
from pathlib import Path
from typing import BinaryIO

from drivers import RATE

SHAPE = (RATE, 2, 1)


def read_wav(path: Path) -> bytes:
    """The samples of a file. Raises OSError, and ValueError, which says why, for any other kind of file."""
    try:
        with wave.open(str(path)) as wav:
            shape = (wav.getframerate(), wav.getsampwidth(), wav.getnchannels())
            samples = bytes(wav.readframes(wav.getnframes()))
    except EOFError as exc:
        raise ValueError("it ends too early") from exc
    except (wave.Error, RuntimeError) as exc:  # the latter for a chunk that is longer than the one that it stands in
        raise ValueError("it is no WAV file") from exc
    if shape != SHAPE:
        raise ValueError("it must be 8 kHz, 16 bit, mono")
    return samples


def write_wav(file: BinaryIO, samples: bytes) -> None:
    """A whole WAV file."""
    with wave.open(file, "wb") as wav:
        wav.setframerate(RATE)
        wav.setsampwidth(2)
        wav.setnchannels(1)
        wav.writeframes(samples)
