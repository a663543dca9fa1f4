"""The engines that need no network: what they say, and what the operator reads when they cannot."""

import importlib.util
from pathlib import Path

import pytest

from daemon.core.phrases import DIGITS, LOCALES
from daemon.prompts.making.chain import active_dbfs, telephone
from daemon.prompts.making.engines.asterisk import Asterisk
from daemon.prompts.making.engines.choice import engine
from daemon.prompts.making.engines.contract import EngineFailed, EngineName, Line
from daemon.prompts.making.engines.espeak import Espeak
from daemon.prompts.making.engines.piper import Piper
from tests.daemon.prompts.voices import audio_file, hum


@pytest.mark.parametrize("locale", sorted(LOCALES - {"fil-ph"}))
def test_espeak_speaks_digits_in_every_locale_but_one(locale: str) -> None:
    spoken = telephone(*Espeak().speak(Line("digit_1", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9", locale)))
    assert len(spoken) / 8000 > 2
    assert active_dbfs(spoken) == pytest.approx(-18, abs=0.3)


def test_espeak_has_no_voice_for_the_other_and_is_called_the_last_resort() -> None:
    assert not Espeak().speaks("fil-ph")
    assert "last resort" in Espeak().note
    with pytest.raises(EngineFailed, match="espeak cannot speak fil-ph: it has no voice"):
        Espeak().speak(Line("digit_1", "isa", "fil-ph"))


def test_espeak_is_as_fast_as_it_is_told() -> None:
    normal, slow = (len(telephone(*Espeak().speak(Line("digit_7", "seven", "en-us", rate)))) for rate in (1, 0.6))
    assert slow > 1.2 * normal


@pytest.mark.parametrize("text", ["", "\0", "[[", "<speak><break/>", "\ud7ff\uffff", "a" * 3000, "👍"])
def test_odd_text_is_audio_or_an_error_of_our_own(text: str) -> None:
    try:
        samples, rate = Espeak().speak(Line("bye", text, "en-us"))
    except EngineFailed:
        return
    assert samples.ndim == 1
    assert rate == 22050


def test_espeak_reads_kana_and_does_not_pretend_to_read_kanji() -> None:
    kana = telephone(*Espeak().speak(Line("welcome", "にんしょうコードをおしらせします。", "ja-jp")))
    assert 1 < len(kana) / 8000 < 4
    with pytest.raises(EngineFailed, match="only kana"):
        Espeak().speak(Line("welcome", "認証コードをお知らせします。", "ja-jp"))
    assert len(telephone(*Espeak().speak(Line("welcome", "您的验证码如下", "zh-cn")))) / 8000 < 4


def test_two_voices_of_one_language_differ() -> None:
    assert Espeak().voice("es-es") != Espeak().voice("es-us") == "es-419"


# --- Asterisk --------------------------------------------------------------------------------------------------


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Laid out like /usr/share/asterisk/sounds."""
    for voice, language in (("fr_CA_f_June", "fr"), ("ru_RU_f_IvrvoiceRU", "ru")):
        (tmp_path / voice / "digits").mkdir(parents=True)
        (tmp_path / language).symlink_to(voice)
        for digit in range(10):
            tone = hum(0.3, hz=300 + 100 * digit, rate=8000)
            (tmp_path / voice / "digits" / f"{digit}.wav").write_bytes(audio_file(tone, 8000, "WAV"))
    return tmp_path


def test_asterisk_has_ten_digits_and_names_who_spoke_them(sounds: Path) -> None:
    speaker = Asterisk(sounds)
    lengths = [len(telephone(*speaker.speak(Line(digit, "-", "fr-fr")))) for digit in DIGITS]
    assert lengths == pytest.approx([8000 * 0.38] * 10, rel=0.1)
    assert speaker.voice("fr-ca") == "fr_CA_f_June (CC-BY-SA-3.0)"
    assert speaker.voice("ru-ru") == "ru_RU_f_IvrvoiceRU (CC-BY-3.0)"
    assert {locale for locale in LOCALES if speaker.speaks(locale)} == {
        *("en-au", "en-gb", "en-in", "en-us", "es-es", "es-mx", "es-us", "fr-ca", "fr-fr", "it-it", "ru-ru"),
    }


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), "asterisk-core-sounds-it asterisk-core-sounds-it-wav"),
        (("it_IT_m_Carlo/digits/1.wav",), "asterisk-core-sounds-it"),
        (("it/README",), "asterisk-core-sounds-it-wav"),
        (("it/README", "it_IT_m_Carlo/digits/2.wav"), "--reinstall asterisk-core-sounds-it-wav"),
    ],
    ids=["both", "the name", "the recordings", "a file"],
)
def test_asterisk_names_the_package_that_is_missing(sounds: Path, there: tuple[str, ...], missing: str) -> None:
    """The hint used to name the package of recordings, also where only the one with the name of the language lacked."""
    for name in there:
        (sounds / name).parent.mkdir(parents=True)
        (sounds / name).write_bytes(b"")
    with pytest.raises(EngineFailed, match=f"run: apt install {missing}$"):
        Asterisk(sounds).speak(Line("digit_1", "uno", "it-it"))


def test_asterisk_has_none_of_our_sentences_and_one_speed(sounds: Path) -> None:
    with pytest.raises(EngineFailed, match="--sentences"):
        Asterisk(sounds).speak(Line("welcome", "Bonjour", "fr-fr"))
    with pytest.raises(EngineFailed, match="leave --rate out"):
        Asterisk(sounds).parameters(Line("digit_1", "un", "fr-fr", 0.8))


def test_a_broken_recording_of_asterisk_is_named(sounds: Path) -> None:
    (sounds / "fr" / "digits" / "1.wav").write_bytes(b"nothing")
    with pytest.raises(EngineFailed, match=r"digits/1\.wav: 7 octets are no audio"):
        Asterisk(sounds).speak(Line("digit_1", "un", "fr-fr"))


# --- Piper -----------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "de_DE-test.onnx").write_bytes(b"no model")
    (tmp_path / "de_DE-test.onnx.json").write_text('{"language": {"code": "de_DE"}}')
    return tmp_path / "de_DE-test.onnx"


def test_piper_speaks_the_language_of_its_voice(model: Path) -> None:
    piper = Piper(model)
    assert piper.speaks("de-de")
    assert not piper.speaks("en-us")
    assert piper.voice("de-de") == "de_DE-test"
    assert piper.parameters(Line("digit_1", "eins", "de-de", 0.8))["length_scale"] == 1.25


def test_a_piper_that_cannot_speak_says_why(model: Path, tmp_path: Path) -> None:
    remedy = "cannot speak de-de" if importlib.util.find_spec("piper") else "bin/pip install piper-tts"
    with pytest.raises(EngineFailed, match=remedy):
        Piper(model).speak(Line("digit_1", "eins", "de-de"))
    with pytest.raises(EngineFailed, match=r"cannot use the voice .*nowhere\.onnx"):
        engine(EngineName.PIPER, tmp_path, str(tmp_path / "nowhere.onnx"))
    with pytest.raises(EngineFailed, match="only piper takes --voice"):
        engine(EngineName.ESPEAK, tmp_path, "en")
