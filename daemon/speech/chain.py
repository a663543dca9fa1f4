"""Makes of speech what a telephone carries well: 8 kHz, nothing below the voice, no silence around it, one level.

The upper edge of the band is soxr's own low-pass; the lower one is not the 300 Hz of telephone sets (ITU-T G.712),
which costs intelligibility and which G.711 does not ask for: 120 Hz keeps the voice and drops hum and rumble.
"""

import io
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from daemon.prompts import RATE
from daemon.speech.sets import ACTIVE_DB, BLOCK, LONGEST_S, SHORTEST_S
from daemon.speech.sets import ACTIVE_DBFS as ACTIVE_DBFS

Samples = npt.NDArray[np.float64]

PEAK = 0.89  # of full scale: what is louder is bent, not cut
HIGH_PASS_HZ = 120.0
TAPS = 511  # hum at 60 Hz goes down by 78 dB
TRIM_DB = 40.0  # under the loudest 10 ms: silence
LEAD_BLOCKS, TAIL_BLOCKS = 3, 5  # what is kept around it: the onset of an /f/, the release of a /t/ lie lower still
FADE = RATE // 200  # 5 ms
QUIETEST_DBFS = -45.0  # less is an engine that said nothing


class NoSpeech(Exception):
    """This is no speech; the text says what it is instead."""


def telephone(samples: Samples, rate: int) -> Samples:
    """Speech (mono, -1..1, rate in Hz) as a telephone wants it, at 8 kHz. Raises NoSpeech."""
    if not len(samples):
        raise NoSpeech("there are no samples in it")
    if not np.isfinite(samples).all():
        raise NoSpeech("there are samples in it that are no numbers")
    narrow = np.convolve(soxr.resample(samples, rate, RATE, quality="VHQ"), _high_pass(), mode="same")
    trimmed = _trimmed(narrow)
    level = active_dbfs(trimmed)
    if not SHORTEST_S <= len(trimmed) / RATE <= LONGEST_S or level < QUIETEST_DBFS:
        raise NoSpeech(f"{len(trimmed) / RATE:.2f} s at {level:.0f} dBFS are no speech")
    return _faded(_limited(trimmed * 10 ** ((ACTIVE_DBFS - level) / 20)))


def decoded(data: bytes) -> tuple[Samples, int]:
    """The mono samples of a WAV, FLAC, OGG or MP3 file at its own rate. Raises NoSpeech."""
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as exc:
        raise NoSpeech(f"{len(data)} octets are no audio ({exc.error_string})") from exc
    return samples.mean(axis=1), int(rate)


def pcm16(samples: Samples) -> bytes:
    """16-bit little-endian, as WAV has it."""
    return (samples * 32767).round().astype("<i2").tobytes()


def active_dbfs(samples: Samples) -> float:
    """The level while somebody speaks: RMS of the 10 ms blocks within 20 dB of the loudest."""
    levels = _blocks_db(samples)
    if not len(levels):
        return -120.0
    return float(10 * np.log10((10 ** (levels[levels > levels.max() - ACTIVE_DB] / 10)).mean()))


@cache
def _high_pass() -> Samples:
    """A windowed sinc; linear phase, so `mode="same"` adds no delay."""
    n = np.arange(TAPS) - TAPS // 2
    low = 2 * HIGH_PASS_HZ / RATE
    low_pass = low * np.sinc(low * n) * np.blackman(TAPS)
    high_pass = -low_pass / low_pass.sum()
    high_pass[TAPS // 2] += 1
    return np.asarray(high_pass)


def _blocks_db(samples: Samples) -> Samples:
    """The level of each whole 10 ms, in dB of full scale."""
    whole = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return np.asarray(10 * np.log10(np.maximum((whole**2).mean(axis=1), 1e-12)))


def _trimmed(samples: Samples) -> Samples:
    levels = _blocks_db(samples)
    if not len(levels):
        return samples
    loud = np.flatnonzero(levels > levels.max() - TRIM_DB)
    return samples[max(loud[0] - LEAD_BLOCKS, 0) * BLOCK : (loud[-1] + 1 + TAIL_BLOCKS) * BLOCK]


def _limited(samples: Samples) -> Samples:
    """Bend what goes over the top half of the headroom towards PEAK."""
    knee = PEAK / 2
    over = np.abs(samples) > knee
    bent = np.sign(samples) * (knee + (PEAK - knee) * np.tanh((np.abs(samples) - knee) / (PEAK - knee)))
    return np.asarray(np.where(over, bent, samples))


def _faded(samples: Samples) -> Samples:
    ramp = np.linspace(0, 1, FADE)
    faded = samples.copy()
    faded[:FADE] *= ramp
    faded[-FADE:] *= ramp[::-1]
    return faded
