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

from daemon.prompts.making.sets import ACTIVE_DB, BLOCK, DEFAULT_SOUND, LONGEST_S, QUIETEST_DBFS, SHORTEST_S, Sound
from drivers import RATE

Samples = npt.NDArray[np.float64]

PEAK = 0.89  # of full scale: what is louder is bent, not cut
LEVEL_STEPS = 12  # of what bending takes from the level, each step gives most back
LEVEL_NEAR_DB = 0.05
EMPHASIS_HZ = (2000.0, 2500.0)  # where it begins, and where it is whole
EMPHASIS_TAPS = 129
HIGH_PASS_HZ = 120.0
TAPS = 511  # hum at 60 Hz goes down by 78 dB
TRIM_DB = 40.0  # under the loudest 10 ms: silence
LEAD_BLOCKS, TAIL_BLOCKS = 3, 5  # what is kept around it: the onset of an /f/, the release of a /t/ lie lower still
FADE = RATE // 200  # 5 ms


class NoSpeech(Exception):
    """The samples hold no speech; the text says what they hold."""


def telephone(samples: Samples, rate: int, sound: Sound = DEFAULT_SOUND) -> Samples:
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
    return _faded(_levelled(_emphasised(trimmed, sound.emphasis_db), sound.level_dbfs))


def sounding(pcm: bytes, emphasis_db: float, sound: Sound) -> bytes:
    """A finished clip (16 bit, 8 kHz, with that emphasis) as it should sound; what is no speech stays as it is."""
    samples = np.frombuffer(pcm, "<i2") / 32767
    more_db = sound.emphasis_db - emphasis_db
    level = active_dbfs(samples)
    if level < QUIETEST_DBFS or (not more_db and abs(level - sound.level_dbfs) <= LEVEL_NEAR_DB):
        return pcm
    return pcm16(_faded(_levelled(_emphasised(samples, more_db), sound.level_dbfs)))


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


def _levelled(samples: Samples, dbfs: float) -> Samples:
    """Speech at that active level, without a sample over PEAK; what the limiter takes from the level is given back."""
    gain_db = dbfs - active_dbfs(samples)
    for _ in range(LEVEL_STEPS):
        limited = _limited(samples * 10 ** (gain_db / 20))
        short_db = dbfs - active_dbfs(limited)
        if abs(short_db) < LEVEL_NEAR_DB:
            break
        gain_db += short_db
    return limited


def _emphasised(samples: Samples, gain_db: float) -> Samples:
    """That much more, or less, above 2.5 kHz."""
    return np.convolve(samples, _shelf(gain_db), mode="same") if gain_db else samples


@cache
def _shelf(gain_db: float) -> Samples:
    """Linear phase, by frequency sampling; that of -gain_db undoes it."""
    gains_db = np.interp(np.fft.rfftfreq(512, 1 / RATE), EMPHASIS_HZ, (0.0, gain_db))
    response = np.fft.fftshift(np.fft.irfft(10 ** (gains_db / 20)))
    middle, half = len(response) // 2, EMPHASIS_TAPS // 2
    return np.asarray(response[middle - half : middle + half + 1] * np.hamming(EMPHASIS_TAPS))


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
