"""A locale appears whole or not at all, once, and an interrupted run goes on."""

import dataclasses
import json
import os
import shutil
from array import array
from pathlib import Path

import pytest

from daemon.core.phrases import DIGITS
from daemon.prompts.library import PromptLibrary, load_phrases, shipped_prompts
from daemon.prompts.making.engines.asterisk import Asterisk
from daemon.prompts.making.engines.contract import EngineFailed
from daemon.prompts.making.rendering import Order, Rendered, lines, render
from daemon.prompts.making.sets import (
    IMPORT,
    Made,
    SetUnusable,
    Sound,
    active_dbfs,
    digest,
    read_clip,
    read_manifest,
    replacing,
    write_clip,
    write_manifest,
)
from tests.daemon.prompts.voices import Hum, audio_file, hum

PHRASES = load_phrases().for_locale("en-us")
GERMAN = dataclasses.replace(
    PHRASES, locale="de-de", spoken={name: f"de {text}" for name, text in PHRASES.spoken.items()}
)


def nothing(_: Rendered) -> None:
    pass


def everything(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.glob("[!.]*/*")}


def test_a_rendered_locale_can_be_spoken(tmp_path: Path) -> None:
    told: list[Rendered] = []
    assert render(GERMAN, Order(Hum(), Hum(), ["Globex"]), tmp_path, told.append) == tmp_path / "de-de"
    library = PromptLibrary.open([tmp_path, shipped_prompts()])
    assert library.speech("de-de", "4711", "Globex").locale == "de-de"
    assert set(library.clips["de-de"]) == {clip.line.clip for clip in told} > {*DIGITS, "welcome-globex", "question"}
    assert {clip.how for clip in told} == {"spoken"}


def test_the_manifest_tells_how_each_clip_came_to_be(tmp_path: Path) -> None:
    engine = Hum()
    render(GERMAN, Order(engine, engine, rate=0.8), tmp_path, nothing)
    document = json.loads((tmp_path / "de-de" / "manifest.json").read_text())
    assert (document["format"], document["locale"]) == (2, "de-de")
    made = read_manifest(tmp_path / "de-de")
    for clip in (made["digit_7"], made["bye"]):
        assert (clip.engine, clip.voice) == ("hum", "de-de at 700 Hz")
        assert clip.dbfs == pytest.approx(-18, abs=0.1)
    assert made["digit_7"].text == "de seven"
    assert made["digit_7"].parameters == {"rate": 0.8}
    assert made["bye"].parameters == {"rate": 1.0}
    pcm = read_clip(tmp_path / "de-de" / "digit_7.wav")
    assert made["digit_7"].sha256 == digest(pcm)
    assert made["digit_7"].seconds == len(pcm) / 16000


def test_a_failing_engine_leaves_the_old_prompts_alone(tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    before = everything(tmp_path)
    broken = Hum("seven", hz=900)
    with pytest.raises(EngineFailed, match=r"clip digit_7 \('seven'\): out of breath"):
        render(PHRASES, Order(broken, broken), tmp_path, nothing)
    assert everything(tmp_path) == before
    assert [path.name for path in tmp_path.glob(".en-us-*")] == []


def test_a_new_locale_does_not_appear_before_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed):
        render(GERMAN, Order(Hum(), Hum("de Goodbye.")), tmp_path, nothing)
    assert everything(tmp_path) == {}


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed):
        render(PHRASES, Order(Hum("seven"), Hum()), tmp_path, nothing)
    engine, told = Hum(), list[Rendered]()
    render(PHRASES, Order(engine, engine), tmp_path, told.append)
    assert [line.clip for line in engine.said][:3] == ["digit_7", "digit_8", "digit_9"]
    assert [clip.how for clip in told[:8]] == ["cached"] * 7 + ["spoken"]


@pytest.mark.parametrize(
    "order", [Order(Hum(hz=800), Hum()), Order(Hum(), Hum(), rate=0.9), Order(Hum(), Hum(), fresh=True)]
)
def test_the_cache_has_only_what_is_the_same_in_all(tmp_path: Path, order: Order) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    told: list[Rendered] = []
    render(PHRASES, order, tmp_path, told.append)
    assert {clip.how for clip in told if clip.line.clip in DIGITS} == {"spoken"}


def test_a_cache_that_was_damaged_is_spoken_again(tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    for path in (tmp_path / ".cache").iterdir():
        path.write_bytes(b"half")
    shutil.rmtree(tmp_path / "en-us")
    engine = Hum()
    render(PHRASES, Order(engine, engine), tmp_path, nothing)
    assert len(engine.said) == len([*lines(PHRASES, Order(engine, engine))])


def test_two_at_a_time_is_refused_and_the_other_is_named(tmp_path: Path) -> None:
    with replacing(tmp_path, "en-us") as work:
        with pytest.raises(SetUnusable, match=f"en-us is being made by process {os.getpid()}"):
            render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
        render(GERMAN, Order(Hum(), Hum()), tmp_path, nothing)
        write_clip(work / "bye.wav", bytes(16000))
    assert (tmp_path / "en-us" / "bye.wav").exists()


def test_what_a_killed_run_left_behind_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".en-us-x7").mkdir()
    (tmp_path / ".en-us-x7" / "bye.wav").write_bytes(b"half")
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    assert {path.name for path in tmp_path.iterdir()} == {".cache", ".en-us.lock", "en-us"}


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetUnusable, match=r"cannot write to .*file.*--directory"):
        render(PHRASES, Order(Hum(), Hum()), tmp_path / "file" / "prompts", nothing)


def test_recordings_of_ones_own_stay_unless_they_are_given_up(tmp_path: Path) -> None:
    with replacing(tmp_path, "en-us") as work:
        write_clip(work / "bye.wav", b"\1\0" * 8000)  # put there by hand: no manifest
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    assert read_clip(tmp_path / "en-us" / "bye.wav") == b"\1\0" * 8000
    assert read_manifest(tmp_path / "en-us")["bye"].engine == IMPORT
    render(PHRASES, Order(Hum(), Hum(), imports=True), tmp_path, nothing)
    assert read_manifest(tmp_path / "en-us")["bye"].engine == "hum"


def test_digits_of_one_engine_and_sentences_of_another(tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(hz=500), Hum(hz=900)), tmp_path, nothing)
    made = read_manifest(tmp_path / "en-us")
    assert {made[name].voice for name in DIGITS} == {"en-us at 500 Hz"}
    assert made["welcome"].voice == "en-us at 900 Hz"


def test_digits_alone_are_replaced_and_the_sentences_kept(tmp_path: Path) -> None:
    (tmp_path / "sounds" / "en" / "digits").mkdir(parents=True)
    for digit in range(10):
        path = tmp_path / "sounds" / "en" / "digits" / f"{digit}.wav"
        path.write_bytes(audio_file(hum(rate=8000), 8000, "WAV"))
    render(PHRASES, Order(Asterisk(tmp_path / "sounds"), None), tmp_path / "own", nothing)
    own, shipped = (tmp_path / "own" / "en-us"), shipped_prompts() / "en-us"
    assert read_clip(own / "welcome.wav") == read_clip(shipped / "welcome.wav")
    assert read_clip(own / "digit_1.wav") != read_clip(shipped / "digit_1.wav")
    assert read_manifest(own)["digit_1"].engine == "asterisk"


def test_sentences_that_are_not_there_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="clip welcome: there is none to keep for de-de; name an engine"):
        render(GERMAN, Order(Hum(), None), tmp_path, nothing)


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(SetUnusable, match=r"manifest\.json.*render or import the set again"):
        read_manifest(tmp_path)


# --- another level, another emphasis ---------------------------------------------------------------------------

OLD = Sound(level_dbfs=-22.0)
"""Clips used to be made 4 dB lower, which cost 15 of 52 readings in the noise of a street."""


def levels(folder: Path) -> set[float]:
    return {round(active_dbfs(read_clip(path)), 1) for path in folder.glob("*.wav")}


@pytest.mark.parametrize("cached", [True, False])
def test_old_clips_are_brought_to_the_level_without_asking_the_engine(tmp_path: Path, cached: bool) -> None:
    render(GERMAN, Order(Hum(), Hum(), sound=OLD), tmp_path, nothing)
    assert levels(tmp_path / "de-de") == {-22.0}
    if not cached:
        shutil.rmtree(tmp_path / ".cache")
    engine, told = Hum(), list[Rendered]()
    render(GERMAN, Order(engine, engine), tmp_path, told.append)
    assert engine.said == []
    assert {clip.how for clip in told} == {"cached" if cached else "kept"}
    assert levels(tmp_path / "de-de") == {-18.0}
    for name, made in read_manifest(tmp_path / "de-de").items():
        assert (made.engine, made.dbfs) == ("hum", -18.0)
        assert made.sha256 == digest(read_clip(tmp_path / "de-de" / f"{name}.wav"))


def test_recordings_of_ones_own_get_the_level_too(tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum(), ["Globex"], sound=OLD), tmp_path, nothing)
    clips = {name: Made(IMPORT, dbfs=-22.0) for name in read_manifest(tmp_path / "en-us")}
    write_manifest(tmp_path / "en-us", "en-us", clips)
    render(PHRASES, Order(Hum("seven"), Hum()), tmp_path, nothing)
    assert levels(tmp_path / "en-us") == {-18.0}
    assert {made.engine for made in read_manifest(tmp_path / "en-us").values()} == {IMPORT}


def test_the_welcome_of_a_brand_that_is_not_asked_for_now_stays_where_nothing_is_spoken(tmp_path: Path) -> None:
    """It used to be lost at the next rendering, also where it was a recording of one's own."""
    render(PHRASES, Order(Hum(), Hum(), ["Globex"], sound=OLD), tmp_path, nothing)
    render(PHRASES, Order(None, None), tmp_path, nothing)
    assert "welcome-globex" in read_manifest(tmp_path / "en-us")
    assert levels(tmp_path / "en-us") == {-18.0}


def test_a_clip_that_was_changed_since_is_spoken_again(tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    shutil.rmtree(tmp_path / ".cache")
    write_clip(tmp_path / "en-us" / "digit_7.wav", bytes(16000))
    engine = Hum()
    render(PHRASES, Order(engine, engine), tmp_path, nothing)
    assert [line.clip for line in engine.said] == ["digit_7"]


def test_emphasis_is_taken_back_from_clips_that_are_kept(tmp_path: Path) -> None:
    render(PHRASES, Order(Hum(), Hum()), tmp_path, nothing)
    before = read_clip(tmp_path / "en-us" / "digit_7.wav")
    render(PHRASES, Order(None, None, sound=Sound(emphasis_db=9.0)), tmp_path, nothing)
    assert {made.emphasis_db for made in read_manifest(tmp_path / "en-us").values()} == {9.0}
    render(PHRASES, Order(None, None), tmp_path, nothing)
    after = read_clip(tmp_path / "en-us" / "digit_7.wav")
    assert {made.emphasis_db for made in read_manifest(tmp_path / "en-us").values()} == {0.0}
    assert len(after) == len(before)
    assert max(abs(a - b) for a, b in zip(array("h", before), array("h", after), strict=True)) < 33  # of 32767
