"""Recordings of the operator's own, in every shape that they come in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.core.phrases import DIGITS
from daemon.prompts.library import PromptLibrary
from daemon.prompts.making.sets import active_dbfs, digest, read_clip, read_manifest
from tests.daemon.prompts.voices import audio_file, hum

Bring = Callable[..., Result]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """One recording of each kind, rate and shape."""
    folder = tmp_path / "mine" / "de-de"
    folder.mkdir(parents=True)
    for name, kind, rate in (("welcome", "wav", 48000), ("again", "flac", 44100), ("bye", "mp3", 24000)):
        (folder / f"{name}.{kind}").write_bytes(audio_file(hum(rate=rate), rate, kind.upper()))
    stereo = np.stack([hum(rate=16000), hum(rate=16000) / 2], axis=1)
    for digit in DIGITS:
        (folder / f"{digit}.ogg").write_bytes(audio_file(stereo, 16000, "OGG"))
    (folder / "LICENSE").write_text("ours")
    return tmp_path / "mine"


@pytest.fixture
def bring(tmp_path: Path) -> Bring:
    def run(source: Path, *more: str) -> Result:
        return CliRunner().invoke(main, ["prompts", "import", str(source), "--directory", str(tmp_path / "own"), *more])

    return run


def test_recordings_of_any_kind_become_a_set_that_can_be_spoken(mine: Path, bring: Bring, tmp_path: Path) -> None:
    done = bring(mine)
    assert done.exit_code == 0, done.output
    assert "systemctl reload pinwheel" in done.output
    assert PromptLibrary.open([tmp_path / "own"]).locales == ["de-de"]
    for name, made in read_manifest(tmp_path / "own" / "de-de").items():
        pcm = read_clip(tmp_path / "own" / "de-de" / f"{name}.wav")
        assert active_dbfs(pcm) == pytest.approx(-18, abs=0.1)
        assert len(pcm) / 16000 == pytest.approx(0.58, abs=0.05)
        assert (made.engine, made.sha256) == ("import", digest(pcm))
        assert made.source_sha256 == digest((mine / "de-de" / made.source).read_bytes())


def test_a_few_clips_are_merged_into_what_is_there(mine: Path, bring: Bring, tmp_path: Path) -> None:
    bring(mine)
    before = read_clip(tmp_path / "own" / "de-de" / "digit_1.wav")
    (tmp_path / "own" / "de-de" / "NOTICE").write_text("spoken by Eva")
    more = tmp_path / "more"
    more.mkdir()
    (more / "bye.WAV").write_bytes(audio_file(hum(1.0), 22050, "WAV"))
    (more / "welcome-acme.wav").write_bytes(audio_file(hum(), 22050, "WAV"))
    done = bring(more, "--locale", "de-de")
    assert "de-de   bye           1.10 s  -18.0 dBFS  bye.WAV           replaces" in done.output
    clips = PromptLibrary.open([tmp_path / "own"]).clips["de-de"]
    assert {"bye", "welcome-acme", "digit_9"} < set(clips)
    assert read_clip(tmp_path / "own" / "de-de" / "digit_1.wav") == before
    assert read_manifest(tmp_path / "own" / "de-de")["bye"].source == "bye.WAV"
    assert (tmp_path / "own" / "de-de" / "NOTICE").read_text() == "spoken by Eva"


def test_a_dry_run_tells_all_and_does_nothing(mine: Path, bring: Bring, tmp_path: Path) -> None:
    done = bring(mine, "--dry-run")
    assert done.exit_code == 0
    assert "digit_9.ogg" in done.output
    assert "nothing was changed" in done.output
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "digit_10.wav",
            b"",
            "no such clip; there are welcome, again, bye, press_1, question, alert, alert_over, alert_test, digit_0",
        ),
        ("welcome-Acme.wav", b"", "no such clip"),
        ("welcome-.wav", b"", "no such clip"),
        ("welcome.flac", audio_file(hum(), 22050, "FLAC"), "is the same clip; leave one of them out"),
        ("press_1.wav", audio_file(np.zeros(22050), 22050, "WAV"), "no speech"),
        ("press_1.mp3", b"<html>not found</html>", "no audio"),
        ("press_1.wav", audio_file(hum(25.0), 22050, "WAV"), "no speech"),
    ],
    ids=["unknown", "spelling", "no brand", "twice", "silence", "no audio", "too long"],
)
def test_one_bad_recording_changes_nothing(
    mine: Path, bring: Bring, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (mine / "de-de" / name).write_bytes(content)
    done = bring(mine)
    assert done.exit_code == 1
    assert name in done.output
    assert words in done.output
    assert not (tmp_path / "own").exists()


def test_all_mistakes_come_out_at_once(mine: Path, bring: Bring) -> None:
    (mine / "de-de" / "digit_10.wav").write_bytes(b"")
    (mine / "de-de" / "press_1.wav").write_bytes(b"")
    (mine / "xx-xx").mkdir()
    done = bring(mine)
    assert len(done.output.splitlines()) == 3
    assert "xx-xx: no such locale; there are ar-xa, cs-cz" in done.output


def test_a_folder_without_recordings_says_how_they_are_named(bring: Bring, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert "LOCALE/CLIP.wav (or give --locale)" in bring(tmp_path / "mine").output


def test_recordings_get_the_level_and_the_emphasis_of_the_configuration(
    mine: Path, bring: Bring, tmp_path: Path
) -> None:
    (tmp_path / "pinwheel.toml").write_text("[prompts]\nlevel = -24\nemphasis = 9\n")
    assert bring(mine, "--config", str(tmp_path / "pinwheel.toml")).exit_code == 0
    for name, made in read_manifest(tmp_path / "own" / "de-de").items():
        assert active_dbfs(read_clip(tmp_path / "own" / "de-de" / f"{name}.wav")) == pytest.approx(-24, abs=0.1)
        assert made.emphasis_db == 9
