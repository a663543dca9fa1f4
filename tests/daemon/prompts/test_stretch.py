"""The longer vowel of the six that ships: longer, in the same pitch, and nothing else of the word changes."""

import numpy as np
import pytest

from tests.soak.stretch import Samples, vowel_stretched

RATE, PITCH_HZ = 8000, 125


def word() -> Samples:
    """A soft fricative of 0.1 s, a vowel of 0.1 s, silence, another fricative."""
    rng = np.random.default_rng(1)
    hiss = np.diff(rng.normal(0, 0.01, RATE // 10 + 1))
    time = np.arange(RATE // 10) / RATE
    vowel = sum(0.2 / n * np.sin(2 * np.pi * PITCH_HZ * n * time) for n in range(1, 6))
    return np.concatenate([hiss, vowel, np.zeros(RATE // 20), hiss])


@pytest.mark.parametrize("times", [1.25, 1.5, 2.0, 2.5])
def test_only_the_vowel_gets_longer(times: float) -> None:
    before, after = word(), vowel_stretched(word(), times)
    assert (len(after) - len(before)) / RATE == pytest.approx(0.1 * (times - 1), abs=0.03)
    assert (after[:600] == before[:600]).all()
    assert (after[-1000:] == before[-1000:]).all()


def test_the_pitch_stays() -> None:
    longer = vowel_stretched(word(), 2.0)[900:2100]
    spectrum = np.abs(np.fft.rfft(longer * np.hanning(len(longer)), RATE))
    assert int(spectrum[60:190].argmax()) + 60 == pytest.approx(PITCH_HZ, abs=4)
