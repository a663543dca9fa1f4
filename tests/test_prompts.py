"""Prompts in memory and how they are rendered."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.core.phrases import DIGITS
from daemon.prompts import NEEDED, PromptLibrary, PromptsUnusable, load_phrases, shipped_prompts, slug
from daemon.render import RenderError, engine, render
from daemon.speech.chain import NoSpeech, Samples, active_dbfs, telephone

SHIPPED = PromptLibrary.open([shipped_prompts()])
PHRASES = load_phrases().for_locale("en-us")


class Hum:
    """An engine that hums; it fails at a word, where one is given."""

    name = "hum"

    def __init__(self, fails_at: str = "", hz: float = 700.0) -> None:
        self._fails_at, self._hz = fails_at, hz

    def speak(self, text: str, locale: str) -> tuple[Samples, int]:  # noqa: ARG002
        if text == self._fails_at:
            raise RenderError("out of breath")
        time = np.arange(int(22050 * 0.5)) / 22050
        quiet = np.zeros(22050 // 2)
        return np.concatenate([quiet, 0.05 * np.sin(2 * np.pi * self._hz * time), quiet]), 22050


def test_english_ships_complete() -> None:
    assert SHIPPED.complete("en-us")
    assert {"welcome-acme", "welcome-pinwheel", "press_1"} <= set(SHIPPED.clips["en-us"])


def test_the_shipped_clips_are_what_their_manifest_says() -> None:
    manifest = json.loads((shipped_prompts() / "en-us" / "manifest.json").read_text())
    for name, clip in manifest["clips"].items():
        with wave.open(str(shipped_prompts() / "en-us" / f"{name}.wav")) as wav:
            assert wav.getnframes() / 8000 == pytest.approx(clip["seconds"], abs=0.001)
            level = active_dbfs(np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768)
            assert level == pytest.approx(-22, abs=1.0), name
    assert set(NEEDED) <= set(manifest["clips"])


def test_a_call_is_the_same_length_in_both_laws_and_whole_frames() -> None:
    speech = SHIPPED.speech("en-us", "4711", "Acme")
    assert len(speech.audio.pcmu) == len(speech.audio.pcma)
    assert len(speech.audio.pcmu) % 160 == 0
    assert 0 < speech.first_end_s < speech.second_end_s < speech.audio.seconds


def test_a_brand_without_a_welcome_of_its_own_gets_the_common_one() -> None:
    assert SHIPPED.speech("en-us", "1", "Acme").audio != SHIPPED.speech("en-us", "1", "Other").audio


def test_a_locale_without_prompts_is_spoken_in_the_nearest() -> None:
    assert SHIPPED.locale_for("en-gb") == "en-us"
    assert SHIPPED.locale_for("fr-fr") == "en-us"


def test_without_any_prompts_the_remedy_is_named() -> None:
    with pytest.raises(PromptsUnusable, match="pinwheel prompts render en-us"):
        PromptLibrary.open([]).speech("en-us", "1234", "Acme")


def test_a_recording_of_ones_own_replaces_just_what_it_replaces(tmp_path: Path) -> None:
    (tmp_path / "en-us").mkdir()
    own = (shipped_prompts() / "en-us" / "digit_1.wav").read_bytes()
    (tmp_path / "en-us" / "digit_2.wav").write_bytes(own)
    library = PromptLibrary.open([tmp_path, shipped_prompts()])
    assert library.clips["en-us"]["digit_2"] == SHIPPED.clips["en-us"]["digit_1"]
    assert library.clips["en-us"]["digit_3"] == SHIPPED.clips["en-us"]["digit_3"]


@pytest.mark.parametrize("content", [b"", b"RIFF\0\0\0\0WAVE", b"no wave at all"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "en-us").mkdir()
    (tmp_path / "en-us" / "bye.wav").write_bytes(content)
    with pytest.raises(PromptsUnusable, match=r"bye\.wav"):
        PromptLibrary.open([tmp_path])


def test_a_brand_has_one_spelling_in_file_names() -> None:
    assert slug("Acme & Co.") == "acme-co"


# --- rendering -------------------------------------------------------------------------------------------------


def test_speech_is_trimmed_and_levelled() -> None:
    samples = telephone(*Hum().speak("x", "en-us"))
    assert len(samples) / 8000 == pytest.approx(0.58, abs=0.03)  # 80 ms of margins
    assert active_dbfs(samples) == pytest.approx(-22, abs=0.5)
    assert np.abs(samples).max() < 0.89


def test_what_a_telephone_does_not_carry_is_no_speech() -> None:
    with pytest.raises(NoSpeech, match="no speech"):
        telephone(np.zeros(22050), 22050)


def test_a_rendered_locale_can_be_spoken(tmp_path: Path) -> None:
    told: list[str] = []
    made = render(PHRASES, ["Globex"], Hum(), tmp_path, lambda clip: told.append(clip.name))
    library = PromptLibrary.open([tmp_path])
    assert library.complete("en-us")
    assert "welcome-globex" in library.clips["en-us"]
    assert set(DIGITS) < set(told)
    assert json.loads((made / "manifest.json").read_text())["engine"] == "hum"


def test_a_failing_engine_leaves_the_old_prompts_alone(tmp_path: Path) -> None:
    render(PHRASES, [], Hum(), tmp_path, lambda _: None)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.wav")}
    with pytest.raises(RenderError, match=r"clip digit_7 \('seven'\): out of breath"):
        render(PHRASES, [], Hum("seven", hz=900), tmp_path, lambda _: None)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.wav")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["en-us"]


def test_a_missing_engine_is_named_with_its_remedy() -> None:
    with pytest.raises(RenderError, match="needs a voice"):
        engine("piper")
    with pytest.raises(RenderError, match="pip install piper-tts"):
        engine("piper", "/nonexistent.onnx").speak("one", "en-us")


# --- the commands ----------------------------------------------------------------------------------------------


def test_prompts_check_tells_what_is_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["prompts", "check", "--directory", str(tmp_path)])
    assert done.exit_code == 0
    assert "en-us  17 clips, complete; brands: acme, pinwheel" in done.output


def test_prompts_check_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "de-de").mkdir()
    own = (shipped_prompts() / "en-us" / "bye.wav").read_bytes()
    (tmp_path / "de-de" / "bye.wav").write_bytes(own)
    done = CliRunner().invoke(main, ["prompts", "check", "--directory", str(tmp_path)])
    assert done.exit_code == 1
    assert "de-de  1 clips, missing welcome, again, digit_0" in done.output


def test_prompts_play_writes_a_whole_call(tmp_path: Path) -> None:
    output = tmp_path / "call.wav"
    done = CliRunner().invoke(main, ["prompts", "play", "--pin", "42", "--output", str(output)])
    assert done.exit_code == 0, done.output
    with wave.open(str(output)) as wav:
        assert wav.getnframes() / 8000 > 5


def test_prompts_play_refuses_letters(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["prompts", "play", "--pin", "4x", "--output", str(tmp_path / "x.wav")])
    assert done.exit_code == 1
    assert "letters" in done.output
    assert not (tmp_path / "x.wav").exists()


def test_prompts_render_wants_phrases_first(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["prompts", "render", "xx-xx", "--directory", str(tmp_path)])
    assert done.exit_code == 1
    assert "config/phrases/xx-xx.toml" in done.output
