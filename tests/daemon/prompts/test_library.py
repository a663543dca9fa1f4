"""Prompts in memory: what a call is put together from, and how little that costs."""

import json
import os
import shutil
import time
from array import array
from pathlib import Path

import pytest

from daemon.core.phrases import Announcement
from daemon.core.speech_plan import BETWEEN_DIGITS_MS, Silence, speech_plan
from daemon.prompts.library import (
    LEVEL_DBFS,
    NEEDED,
    Passage,
    PromptLibrary,
    PromptsUnusable,
    joined,
    shipped_prompts,
    slug,
    welcome_of,
)
from daemon.prompts.making.sets import active_dbfs, digest, read_clip
from drivers import Audio
from drivers.codecs.g711 import alaw_encode, ulaw_encode
from tests.users import NOBODY, as_user

SHIPPED = PromptLibrary.open([shipped_prompts()])
SPEECH_MS = 1.0  # of CPU, per call; measured: 0.05


def test_english_ships_complete() -> None:
    assert SHIPPED.locales == ["en-us"]
    assert {"welcome-acme", "welcome-pinwheel", "press_1"} <= set(SHIPPED.clips["en-us"])


def test_the_shipped_clips_are_what_their_manifest_says() -> None:
    manifest = json.loads((shipped_prompts() / "en-us" / "manifest.json").read_text())
    for name, clip in manifest["clips"].items():
        pcm = read_clip(shipped_prompts() / "en-us" / f"{name}.wav")
        assert len(pcm) / 16000 == pytest.approx(clip["seconds"], abs=0.001)
        assert active_dbfs(pcm) == pytest.approx(LEVEL_DBFS, abs=0.1), name
        assert max(map(abs, array("h", pcm))) < 0.89 * 32767, name
        assert clip["sha256"] == digest(pcm), name
    assert set(NEEDED) <= set(manifest["clips"])


def test_a_call_is_the_same_length_in_both_laws_and_whole_frames() -> None:
    speech = SHIPPED.speech("en-us", "4711", "Acme")
    assert len(speech.audio.pcmu) == len(speech.audio.pcma)
    assert len(speech.audio.pcmu) % 160 == 0
    assert 0 < speech.first_end_s < speech.second_end_s < speech.audio.seconds


def test_a_call_is_its_clips_and_gaps_in_order() -> None:
    plan = speech_plan("07")
    passages = SHIPPED.passages("en-us", plan, "Acme")
    names = [passage.name for passage in passages if passage.name]
    assert names == ["welcome-acme", "digit_0", "digit_7", "again", "digit_0", "digit_7", "bye"]
    gaps = [passage.audio.seconds * 1000 for passage in passages if not passage.name]
    assert gaps == [part.ms for part in plan if isinstance(part, Silence)]
    assert gaps[2] == BETWEEN_DIGITS_MS
    assert SHIPPED.speech("en-us", "07", "Acme").audio == joined(passages)


@pytest.mark.parametrize("says", Announcement)
def test_an_operator_hears_a_sentence_twice_in_the_nearest_language_that_has_it(says: Announcement) -> None:
    """A call used to say that the verification code of an operator was 9 9 9."""
    clip = SHIPPED.clips["en-us"][says].seconds
    speech = SHIPPED.announcement("de-de", says)
    assert (speech.locale, speech.question, speech.again) == ("en-us", None, None)
    assert (speech.first_end_s, speech.second_end_s) == pytest.approx((1 + clip, 1 + clip + 0.4 + clip))
    german = PromptLibrary({**SHIPPED.clips, "de-de": dict.fromkeys((says, "bye"), SHIPPED.clips["en-us"]["bye"])})
    assert german.announcement("de-de", says).locale == "de-de"
    with pytest.raises(PromptsUnusable, match=f"no clip {says} for de-de"):
        PromptLibrary({"de-de": dict.fromkeys(NEEDED, SHIPPED.clips["en-us"]["bye"])}).announcement("de-de", says)


def test_the_end_of_each_reading_is_known() -> None:
    passages = SHIPPED.passages("en-us", speech_plan("07"), "")
    speech = SHIPPED.speech("en-us", "07", "")
    upto = joined(passages[: passages.index(passages[5]) + 1])
    assert [passage.name for passage in passages[:6]] == ["", "welcome", "", "digit_0", "", "digit_7"]
    assert speech.first_end_s == pytest.approx(upto.seconds, abs=0.02)


def test_a_brand_without_a_welcome_of_its_own_gets_the_common_one() -> None:
    assert SHIPPED.speech("en-us", "1", "Acme").audio != SHIPPED.speech("en-us", "1", "Other").audio


def test_a_locale_without_prompts_is_spoken_in_the_nearest_and_that_is_told() -> None:
    assert SHIPPED.locale_for("en-gb") == "en-us"
    assert SHIPPED.speech("fr-fr", "1", "Acme").locale == "en-us"


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
def test_a_broken_file_is_named_and_the_shipped_clip_stands_in(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "en-us").mkdir()
    (tmp_path / "en-us" / "bye.wav").write_bytes(content)
    library = PromptLibrary.open([tmp_path, shipped_prompts()])
    assert "bye.wav" in library.broken["en-us"][0]
    assert library.clips == SHIPPED.clips


def test_a_set_that_broke_does_not_take_the_running_ones_place() -> None:
    audio = Audio(b"\0", b"\0")
    whole, other = dict.fromkeys(NEEDED, audio), dict.fromkeys(NEEDED, Audio(b"\1", b"\1"))
    running = PromptLibrary({"de-de": whole, "fr-fr": whole, "it-it": whole, "pl-pl": whole})
    halved = {name: other[name] for name in NEEDED[1:]}
    found = PromptLibrary({"de-de": other, "fr-fr": halved, "it-it": other}, {"it-it": ["cannot read it-it/bye.wav"]})
    now = found.or_else(running)
    assert now.clips == {"de-de": other, "fr-fr": whole, "it-it": whole}  # pl-pl was taken away on purpose
    assert now.broken == found.broken
    assert PromptLibrary({"fr-fr": halved}).begun == ["fr-fr"]


def test_a_brand_has_one_spelling_in_file_names() -> None:
    assert slug("Acme & Co.") == "acme-co"
    assert slug("Ａｃｍｅ") == "acme"


def test_brands_in_other_scripts_are_not_taken_for_each_other() -> None:
    assert welcome_of("Яндекс") == "welcome-яндекс"
    assert welcome_of("微信") != welcome_of("支付宝")
    assert welcome_of("!?") == "welcome"


def test_putting_a_call_together_costs_next_to_nothing() -> None:
    begun = time.process_time()
    for number in range(1000):
        SHIPPED.speech("en-us", f"{number:06}", "Acme", offer=True)
    assert (time.process_time() - begun) < SPEECH_MS


def test_silence_is_the_law_s_own() -> None:
    (silence, *_) = SHIPPED.passages("en-us", speech_plan("1"), "")
    assert silence == Passage("", Audio(ulaw_encode(bytes(16000)), alaw_encode(bytes(16000))))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that others cannot read")
def test_prompts_that_the_daemon_may_not_read_are_broken_with_the_remedy(public_path: Path) -> None:
    """There used to be no message: a directory that could not be listed counted as empty."""
    for name in ("fr-fr", "de-de"):
        shutil.copytree(shipped_prompts() / "en-us", public_path / name)
    (public_path / "fr-fr").chmod(0o700)
    (public_path / "de-de" / "bye.wav").chmod(0o600)
    broken = as_user(NOBODY, lambda: dict(PromptLibrary.open([public_path]).broken))
    bye, french = public_path / "de-de" / "bye.wav", public_path / "fr-fr"
    assert broken == {
        "de-de": [f"cannot read the prompt {bye}: Permission denied; run: chmod a+r {bye}"],
        "fr-fr": [f"cannot read the prompts in {french}: Permission denied; run: chmod -R a+rX {french}"],
    }
