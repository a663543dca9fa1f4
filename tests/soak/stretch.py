"""Makes the vowel of a digit longer, in its own pitch: piper's own slower speech lengthens the consonants instead.

Waveform similarity overlap-add (WSOLA): windows of 20 ms, each from where the speech goes on best.
"""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

BLOCK = 80  # samples at 8 kHz: 10 ms, also of each cross-fade
WINDOW, HOP = 160, 80
SEARCH = 48  # samples to both sides: more than half a period of the voice
VOWEL_DB = 12.0  # below the loudest 10 ms, of what is below 2 kHz
MARGIN = 40  # samples of the vowel's edges that are stretched too


def vowel_stretched(samples: Samples, times: float) -> Samples:
    """A word of one vowel (8 kHz), with that vowel so many times as long."""
    first, last = _vowel(samples)
    longer = _wsola(samples[first - BLOCK : last + 6 * BLOCK], times)[: int((last - first + BLOCK) * times)]
    return _joined(_joined(samples[:first], longer), samples[last - BLOCK :])


def _vowel(samples: Samples) -> tuple[int, int]:
    low = np.convolve(samples, np.ones(4) / 4, mode="same")
    powers = (low[: len(low) // BLOCK * BLOCK].reshape(-1, BLOCK) ** 2).mean(axis=1)
    blocks = np.flatnonzero(powers > powers.max() * 10 ** (-VOWEL_DB / 10))
    return int(blocks[0]) * BLOCK - MARGIN, (int(blocks[-1]) + 1) * BLOCK + MARGIN


def _wsola(samples: Samples, times: float) -> Samples:
    window = np.hanning(WINDOW + 1)[:WINDOW]
    reach = len(samples) - WINDOW - HOP - SEARCH
    starts = [0]
    for wanted in np.arange(HOP / times, reach, HOP / times):
        starts.append(_nearest(samples, samples[starts[-1] + HOP :][:WINDOW], int(wanted)))
    out = np.zeros((len(starts) + 1) * HOP)
    for number, start in enumerate(starts):
        out[number * HOP :][:WINDOW] += window * samples[start : start + WINDOW]
    return out


def _nearest(samples: Samples, going_on: Samples, wanted: int) -> int:
    """Where, near the wanted place, the samples are most like what would follow."""

    def likeness(start: int) -> float:
        part = samples[start : start + WINDOW]
        return float(going_on @ part / (np.linalg.norm(part) + 1e-9))

    return max(range(max(wanted - SEARCH, 0), wanted + SEARCH + 1), key=likeness)


def _joined(left: Samples, right: Samples) -> Samples:
    """Cross-faded over 10 ms."""
    fade = np.linspace(0, 1, BLOCK)
    return np.concatenate([left[:-BLOCK], left[-BLOCK:] * (1 - fade) + right[:BLOCK] * fade, right[BLOCK:]])
