"""WAV files of telephone speech."""

import contextlib
import io
import wave
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from drivers.codecs.wav import read_wav, write_wav
from tests.examples import examples

SAMPLES = bytes(range(256)) * 10


def written(samples: bytes, rate: int = 8000, width: int = 2, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((channels, width, rate, 0, "NONE", ""))
        wav.writeframes(samples)
    return file.getvalue()


def test_samples_come_back_as_they_went_in(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        write_wav(file, SAMPLES)
    assert path.read_bytes() == written(SAMPLES)
    assert read_wav(path) == SAMPLES


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (written(SAMPLES, rate=44100), "it must be 8 kHz, 16 bit, mono"),
        (written(SAMPLES, width=1), "it must be 8 kHz, 16 bit, mono"),
        (written(SAMPLES, channels=2), "it must be 8 kHz, 16 bit, mono"),
        (b"", "it ends too early"),
        (written(SAMPLES)[:20], "it ends too early"),
        (b"MThd" + bytes(100), "it is no WAV file"),
        (written(SAMPLES)[:12] + bytes(5) + written(SAMPLES)[17:], "it is no WAV file"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, octets: bytes, why: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(octets)
    with pytest.raises(ValueError, match=f"^{why}"):
        read_wav(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilt=st.binary(max_size=60), at=st.integers(0, 60))
def test_whatever_is_in_a_file_it_is_samples_or_refused(tmp_path: Path, spoilt: bytes, at: int) -> None:
    octets, path = written(SAMPLES), tmp_path / "any.wav"
    path.write_bytes(octets[:at] + spoilt + octets[at + len(spoilt) :])
    with contextlib.suppress(ValueError):
        read_wav(path)
