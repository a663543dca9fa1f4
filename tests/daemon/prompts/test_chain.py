"""What the chain does to speech: measured on tones and noise, in decibels and milliseconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.prompts.making import sets
from daemon.prompts.making.chain import NoSpeech, Samples, active_dbfs, decoded, pcm16, sounding, telephone
from tests.daemon.prompts.voices import RATE, audio_file, hum


def tone(hz: float, seconds: float, rate: int, dbfs: float) -> Samples:
    """A sine of that level."""
    time = np.arange(int(rate * seconds)) / rate
    return np.asarray(10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * hz * time))


def noise(seconds: float, rate: int, dbfs: float) -> Samples:
    return np.random.default_rng(1).normal(0, 10 ** (dbfs / 20), int(rate * seconds))


def power_db(samples: Samples, hz: float) -> float:
    """The level at a frequency, in any unit."""
    spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples))))
    return float(20 * np.log10(spectrum[round(hz * len(samples) / 8000)] + 1e-12))


def test_what_lies_above_4_khz_does_not_come_back_as_an_alias() -> None:
    both = tone(1000, 1, 24000, -20) + tone(5000, 1, 24000, -20)
    carried = telephone(both, 24000)
    assert power_db(carried, 1000) - power_db(carried, 3000) > 60


def test_hum_of_the_mains_goes_and_a_low_voice_stays() -> None:
    three = tone(50, 1, 24000, -20) + tone(180, 1, 24000, -20) + tone(1000, 1, 24000, -20)
    carried = telephone(three, 24000)
    assert power_db(carried, 1000) - power_db(carried, 50) > 60
    assert power_db(carried, 1000) - power_db(carried, 180) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("level", [0.02, 0.1, 0.5, 0.99])
def test_every_recording_gets_the_same_level(level: float) -> None:
    assert active_dbfs(telephone(hum(level=level), RATE)) == pytest.approx(-18, abs=0.06)


@pytest.mark.parametrize("dbfs", [-30.0, -22.0, -18.0, -15.0])
@pytest.mark.parametrize("emphasis_db", [0.0, 9.0, 12.0])
def test_the_level_holds_and_nothing_is_clipped_whatever_the_limiter_has_to_do(dbfs: float, emphasis_db: float) -> None:
    rng = np.random.default_rng(7)
    bursts = rng.laplace(0, 0.1, RATE) * (1 + np.sin(np.arange(RATE) / 900))  # peaks 15 dB over the level
    carried = telephone(bursts, RATE, sets.Sound(dbfs, emphasis_db))
    assert active_dbfs(carried) == pytest.approx(dbfs, abs=0.1)
    assert np.abs(carried).max() < 0.89


def test_emphasis_lifts_what_is_above_2500_hz_and_leaves_what_is_below_2_khz() -> None:
    low, high = tone(700, 1, 8000, -30), tone(3000, 1, 8000, -30)
    plain = telephone(low + high, 8000, sets.Sound(-30.0))
    lifted = telephone(low + high, 8000, sets.Sound(-30.0, 9.0))
    balance = [power_db(samples, 3000) - power_db(samples, 700) for samples in (plain, lifted)]
    assert balance[1] - balance[0] == pytest.approx(9, abs=0.3)


@given(st.binary(max_size=4000).map(lambda data: data[: len(data) // 2 * 2]), st.sampled_from([-9.0, 0.0, 9.0]))
def test_any_clip_can_be_levelled_again(pcm: bytes, emphasis_db: float) -> None:
    levelled = sounding(pcm, emphasis_db, sets.DEFAULT_SOUND)
    assert len(levelled) == len(pcm)


def test_levelling_twice_changes_nothing_more() -> None:
    once = pcm16(telephone(hum() + noise(1.5, RATE, -40)[: len(hum())], RATE))
    assert sounding(once, 0.0, sets.DEFAULT_SOUND) == once


def test_a_peak_is_bent_and_not_cut() -> None:
    clicks = np.zeros(8000)
    clicks[::160] = 0.5  # levelled to -18 dBFS they would reach full scale
    assert 0.7 < np.abs(telephone(clicks, 8000)).max() < 0.89


def test_silence_around_speech_goes_but_for_a_margin() -> None:
    assert len(telephone(hum(0.5), RATE)) / 8000 == pytest.approx(0.5 + 0.08, abs=0.025)


@pytest.mark.parametrize("under_db", [30, 38])
def test_a_soft_consonant_before_and_after_the_vowel_survives(under_db: float) -> None:
    """An /f/ or an /s/ has little left below 4 kHz: the trimming must not take it for silence."""
    quiet, soft, vowel = np.zeros(4000), noise(0.08, 8000, -12 - under_db), tone(500, 0.2, 8000, -12)
    carried = telephone(np.concatenate([quiet, soft, vowel, soft, quiet]), 8000)
    assert len(carried) / 8000 == pytest.approx(0.08 + 0.2 + 0.08 + 0.08, abs=0.025)


def test_what_lies_lower_still_is_in_the_margin() -> None:
    quiet, soft, vowel = np.zeros(4000), noise(0.03, 8000, -60), tone(500, 0.3, 8000, -12)
    carried = telephone(np.concatenate([quiet, soft, vowel, quiet]), 8000)
    gain_db = -18 + 12
    onset = carried[80:200]  # behind the fade, before the vowel
    assert 10 * np.log10((onset**2).mean()) == pytest.approx(-60 + gain_db, abs=3)


def test_a_clip_begins_and_ends_without_a_click() -> None:
    carried = telephone(tone(700, 0.5, 8000, -20), 8000)
    assert carried[0] == carried[-1] == 0
    middle = np.abs(carried[400:-400]).max()
    assert np.abs(carried[:8]).max() < middle / 4
    assert np.abs(carried[-8:]).max() < middle / 4


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.zeros(0), "no samples"),
        (np.zeros(22050), "no speech"),
        (tone(700, 0.05, 22050, -20), "no speech"),
        (tone(700, 21, 22050, -20), "no speech"),
        (tone(700, 0.5, 22050, -60), "no speech"),
        (np.full(22050, np.nan), "no numbers"),
    ],
    ids=["nothing", "silence", "a click", "a speech", "a whisper", "not a number"],
)
def test_what_is_no_speech_is_refused(samples: Samples, what: str) -> None:
    with pytest.raises(NoSpeech, match=what):
        telephone(samples, 22050)


@pytest.mark.parametrize(("kind", "rate"), [("WAV", 11025), ("FLAC", 96000), ("OGG", 48000), ("MP3", 24000)])
def test_a_file_is_read_at_its_own_rate_and_made_mono(kind: str, rate: int) -> None:
    stereo = np.stack([hum(rate=rate), np.zeros(len(hum(rate=rate)))], axis=1)
    samples, found = decoded(audio_file(stereo, rate, kind))
    assert found == rate
    assert samples.ndim == 1
    assert len(samples) / rate == pytest.approx(1.5, abs=0.1)
    assert len(telephone(samples, found)) / 8000 == pytest.approx(0.58, abs=0.05)


@pytest.mark.parametrize("data", [b"", b"<!doctype html><html>consent</html>", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_audio_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NoSpeech, match="no audio"):
        decoded(data)


def test_the_level_in_plain_python_is_the_level_of_the_chain() -> None:
    samples = telephone(hum() + noise(1.5, RATE, -60)[: len(hum())], RATE)
    assert sets.active_dbfs(pcm16(samples)) == pytest.approx(active_dbfs(samples), abs=0.01)
    assert sets.active_dbfs(b"") == sets.active_dbfs(bytes(1600)) == -120
