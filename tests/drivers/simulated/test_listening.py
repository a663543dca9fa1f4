"""What a recording holds, judged after what a telephone line does to it."""

import random
import wave
from array import array
from pathlib import Path

import pytest

from daemon.prompts.library import PromptLibrary, shipped_prompts
from drivers import RATE
from drivers.codecs.g711 import alaw_decode, ulaw_decode
from drivers.simulated.listening import clips_in, spoken_pins

LIBRARY = PromptLibrary.open([shipped_prompts()])
CLIPS = LIBRARY.clips["en-us"]
FRAME = 160


def recording(path: Path, samples: "array[int]") -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(samples.tobytes())
    return path


def call(pin: str) -> "array[int]":
    return array("h", ulaw_decode(LIBRARY.speech("en-us", pin, "Nobody").audio.pcmu))


def said_once(pin: str, law: str) -> "array[int]":
    """A call up to the end of the first time that the PIN is said."""
    speech = LIBRARY.speech("en-us", pin, "Nobody")
    whole = ulaw_decode(speech.audio.pcmu) if law == "ulaw" else alaw_decode(speech.audio.pcma)
    return array("h", whole)[: round(speech.first_end_s * RATE)]


def names(path: Path) -> list[str]:
    return [item.name.removeprefix("digit_") for item in clips_in(path, CLIPS)]


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_digit_is_recognised_through_either_law(tmp_path: Path, law: str) -> None:
    found = names(recording(tmp_path / "call.wav", said_once("9876543210", law)))
    assert found == ["welcome", *"9876543210"]


@pytest.mark.parametrize("name", ["welcome", "welcome-acme", "welcome-pinwheel", "question", "again", "bye"])
def test_clips_are_told_apart_also_where_they_begin_alike(tmp_path: Path, name: str) -> None:
    """A-law's noise once made the welcome of a brand look likelier by its first words than the plain one."""
    samples = array("h", [0] * 1000) + array("h", alaw_decode(CLIPS[name].pcma))
    assert names(recording(tmp_path / "clip.wav", samples))[0] == name


def test_an_offset_noise_and_lost_frames_do_not_change_a_pin(tmp_path: Path) -> None:
    rng = random.Random(1)
    samples = array("h", [0] * rng.randrange(1, 4000)) + call("4711")
    for start in range(0, len(samples) - FRAME, FRAME):
        if rng.random() < 0.01:
            samples[start : start + FRAME] = array("h", [0] * FRAME)
    for place, sample in enumerate(samples):
        samples[place] = max(min(sample + round(rng.gauss(0, 40)), 32767), -32768)
    found = clips_in(recording(tmp_path / "call.wav", samples), CLIPS)
    assert spoken_pins(found) == ["4711", "4711"]


def test_noise_alone_is_no_pin(tmp_path: Path) -> None:
    rng = random.Random(2)
    bursts = array("h")
    for _ in range(6):
        bursts.extend([0] * 3000)
        bursts.extend(round(rng.gauss(0, 4000)) for _ in range(2500))
    assert spoken_pins(clips_in(recording(tmp_path / "noise.wav", bursts), CLIPS)) == []


def test_silence_holds_nothing(tmp_path: Path) -> None:
    assert clips_in(recording(tmp_path / "silence.wav", array("h", [0] * 8000)), CLIPS) == []
    assert clips_in(recording(tmp_path / "empty.wav", array("h")), CLIPS) == []


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(44100)
    with pytest.raises(ValueError, match="8 kHz"):
        clips_in(path, CLIPS)
