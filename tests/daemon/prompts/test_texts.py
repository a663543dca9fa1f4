"""The phrase files of all locales: what an SMS and a call say."""

import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from babel.units import format_unit
from bidi import get_display
from click.testing import CliRunner

from daemon.cli import main
from daemon.core.phrases import DIGITS, LOCALES, Direction, Phrases, sms_text
from daemon.prompts.library import load_phrases
from daemon.resources import config_path
from drivers.codecs.gsm7 import UNITS_ALONE, Alphabet, alphabet, split, units

BOOK = load_phrases().by_locale
EVERY = sorted(LOCALES)
MINUTES = range(1, 61)
LONGEST_BRAND = "Acme Verifications"
ALPHABETS = {
    Alphabet.GSM7: "cy-cy cy-gb da-dk de-de en-au en-gb en-in en-us es-es es-mx es-us fi-fi fil-ph fr-ca fr-fr id-id "
    "it-it nb-no nl-nl pl-pl ro-ro sv-se tr-tr",
    Alphabet.UCS2: "ar-xa cs-cz el-gr hi-in hu-hu is-is ja-jp ko-kr pt-br pt-pt ru-ru th-th vi-vn yue-cn zh-cn zh-tw",
}


def every_text(locale: str, brand: str = LONGEST_BRAND) -> Iterator[str]:
    for pin in ("1234", "123456"):
        for minutes in MINUTES:
            yield sms_text(BOOK[locale], brand, pin, minutes)


def words_of(phrases: Phrases) -> str:
    """All that a file says, without its placeholders."""
    text = " ".join((phrases.sms, *phrases.minutes.values(), *phrases.spoken.values()))
    for placeholder in ("{brand}", "{pin}", "{minutes}", "{n}"):
        text = text.replace(placeholder, "")
    return text


def test_every_locale_of_the_reference_has_a_file() -> None:
    assert set(BOOK) == LOCALES


# --- the SMS -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", EVERY)
def test_the_longest_sms_is_one_part_in_its_alphabet(locale: str) -> None:
    assert len(LONGEST_BRAND) == 18
    for text in every_text(locale):
        needed = alphabet(text)
        assert locale in ALPHABETS[needed].split(), text
        assert sum(units(text, needed)) <= UNITS_ALONE[needed]
        assert split(text, needed) == [text]


@pytest.mark.parametrize("locale", EVERY)
def test_a_brand_beyond_gsm7_costs_no_second_part(locale: str) -> None:
    for text in every_text(locale, "Škoda Überprüfung!"):
        assert split(text, alphabet(text)) == [text]


@pytest.mark.parametrize("locale", EVERY)
def test_an_sms_has_the_brand_the_pin_and_the_minutes(locale: str) -> None:
    text = sms_text(BOOK[locale], "Acme", "0471", 37)
    assert text.index("Acme") < text.index("0471") < text.index("37")


CASES = {
    "ar-xa": "دقيقة واحدة, دقيقتين, 3 دقائق, 10 دقائق, 11 دقيقة, 22 دقيقة, 60 دقيقة",
    "cs-cz": "1 minutu, 2 minuty, 3 minuty, 10 minut, 11 minut, 22 minut, 60 minut",
    "fi-fi": "1 minuutin, 2 minuuttia, 3 minuuttia, 10 minuuttia, 11 minuuttia, 22 minuuttia, 60 minuuttia",
    "hu-hu": "1 percig, 2 percig, 3 percig, 10 percig, 11 percig, 22 percig, 60 percig",
    "id-id": "1 menit, 2 menit, 3 menit, 10 menit, 11 menit, 22 menit, 60 menit",
    "is-is": "1 mínútu, 2 mínútur, 3 mínútur, 10 mínútur, 11 mínútur, 22 mínútur, 60 mínútur",
    "ja-jp": "1分間, 2分間, 3分間, 10分間, 11分間, 22分間, 60分間",
    "ko-kr": "1분, 2분, 3분, 10분, 11분, 22분, 60분",
    "pl-pl": "1 minucie, 2 minutach, 3 minutach, 10 minutach, 11 minutach, 22 minutach, 60 minutach",
    "ru-ru": "1 минуту, 2 минуты, 3 минуты, 10 минут, 11 минут, 22 минуты, 60 минут",
    "th-th": "1 นาที, 2 นาที, 3 นาที, 10 นาที, 11 นาที, 22 นาที, 60 นาที",
    "vi-vn": "1 phút, 2 phút, 3 phút, 10 phút, 11 phút, 22 phút, 60 phút",
    "yue-cn": "1分鐘, 2分鐘, 3分鐘, 10分鐘, 11分鐘, 22分鐘, 60分鐘",
    "zh-cn": "1分钟, 2分钟, 3分钟, 10分钟, 11分钟, 22分钟, 60分钟",
    "zh-tw": "1 分鐘, 2 分鐘, 3 分鐘, 10 分鐘, 11 分鐘, 22 分鐘, 60 分鐘",
}
"""Where the sentence wants another case than the nominative of CLDR, or Babel knows no minutes."""


def minutes_of(locale: str, minutes: int) -> str:
    """The minutes as the SMS has them, cut out of it."""
    before, after = BOOK[locale].sms.replace("{brand}", "B").replace("{pin}", "P").split("{minutes}")
    return sms_text(BOOK[locale], "B", "P", minutes).removeprefix(before).removesuffix(after)


@pytest.mark.parametrize("locale", CASES)
def test_the_minutes_are_in_the_case_that_the_sentence_wants(locale: str) -> None:
    assert ", ".join(minutes_of(locale, minutes) for minutes in (1, 2, 3, 10, 11, 22, 60)) == CASES[locale]


@pytest.mark.parametrize("locale", [locale for locale in EVERY if locale not in CASES])
def test_the_minutes_elsewhere_are_those_of_cldr(locale: str) -> None:
    language, _, region = locale.partition("-")
    name = f"{language}_{region.upper()}" if locale == "pt-pt" else language
    for minutes in MINUTES:
        assert minutes_of(locale, minutes) == format_unit(minutes, "duration-minute", locale=name)


# --- from right to left --------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", EVERY)
def test_the_direction_is_that_of_the_script(locale: str) -> None:
    classes = [unicodedata.bidirectional(char) for char in words_of(BOOK[locale])]
    from_right, from_left = classes.count("R") + classes.count("AL"), classes.count("L")
    assert (BOOK[locale].direction is Direction.RTL) == (from_right > from_left)


@pytest.mark.parametrize("brand", ["Acme", "7-Eleven", "1&1", "C++", "Acme Inc.", "Acme (UK)", "3M"])
def test_arabic_reads_from_right_to_left_around_a_latin_brand(brand: str) -> None:
    """As a telephone shows it that takes the direction from the first letter."""
    shown = get_display(sms_text(BOOK["ar-xa"], brand, "907816", 5)).replace("\u200e", "")
    before, between, after = (words[::-1] for words in ("رمز التحقق من ", " هو ", "، صالح لمدة "))
    assert shown == f".{'دقائق'[::-1]} 5{after}907816{between}{brand}{before}"


@pytest.mark.parametrize("brand", ["شركة", "شركة 24", "24 شركة"])
def test_arabic_reads_from_right_to_left_around_an_arabic_brand(brand: str) -> None:
    shown = get_display(sms_text(BOOK["ar-xa"], brand, "123456", 5)).replace("\u200e", "")
    assert shown == get_display(f"رمز التحقق من {brand} هو 123456، صالح لمدة 5 دقائق.")


@pytest.mark.parametrize("locale", EVERY)
def test_only_arabic_has_marks_that_nobody_sees(locale: str) -> None:
    hidden = {char for char in words_of(BOOK[locale]) if unicodedata.category(char).startswith("C")}
    assert hidden == ({"\u200e"} if locale == "ar-xa" else set())


# --- the call ------------------------------------------------------------------------------------------------

BEFORE_DIGITS = ("welcome", "welcome_brand", "again")
UNSPACED = ("ja", "th", "yue", "zh")


@pytest.mark.parametrize("locale", EVERY)
def test_ten_digits_are_ten_words(locale: str) -> None:
    words = [BOOK[locale].spoken[name] for name in DIGITS]
    assert len(set(words)) == 10
    assert not any(char.isdecimal() or char.isspace() for word in words for char in word)


def test_no_language_has_the_digits_of_another() -> None:
    languages: dict[tuple[str, ...], set[str]] = {}
    for locale, phrases in BOOK.items():
        words = tuple(phrases.spoken[name] for name in DIGITS)
        languages.setdefault(words, set()).add(locale.partition("-")[0])
    shared = [names for names in languages.values() if len(names) > 1]
    assert shared == [{"yue", "zh"}]  # written alike, and each voice has its own sounds


@pytest.mark.parametrize("locale", EVERY)
def test_no_digit_is_said_before_the_digits(locale: str) -> None:
    spoken = BOOK[locale].spoken
    digits = {spoken[name] for name in DIGITS}
    for name in BEFORE_DIGITS:
        sentence = spoken[name].replace("{brand}", " ").casefold()
        if locale.partition("-")[0] in UNSPACED:
            assert not any(digit in sentence for digit in digits if digit not in "にご"), name
        else:
            assert digits.isdisjoint(word.strip(".,:、。") for word in sentence.split()), name


@pytest.mark.parametrize("locale", EVERY)
def test_a_voice_has_only_words_of_its_language_to_read(locale: str) -> None:
    numerals = {char for text in BOOK[locale].spoken.values() for char in text if char.isdecimal()}
    assert numerals == ({"1"} if locale.startswith("en-") else set())


@pytest.mark.parametrize("locale", EVERY)
def test_the_brand_is_not_the_last_word_before_the_digits(locale: str) -> None:
    assert not BOOK[locale].spoken["welcome_brand"].rstrip(" .:،、。").endswith("{brand}")


# --- the files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", EVERY)
def test_a_file_begins_with_its_language_and_its_plural_rule(locale: str) -> None:
    first, second, *rest = (config_path("phrases") / f"{locale}.toml").read_text(encoding="utf-8").splitlines()
    name = BOOK[locale].language.partition(" (")[0]
    assert first.startswith(f"# {name}" if name != "Chinese" else "# Mandarin")
    assert "plural" in second.casefold()
    assert all(line == line.rstrip() and len(line) <= 120 for line in rest)


@pytest.mark.parametrize("locale", EVERY)
def test_letters_are_composed_as_keyboards_write_them(locale: str) -> None:
    text = words_of(BOOK[locale])
    assert unicodedata.normalize("NFC", text) == text


def test_the_files_are_read_as_utf_8_whatever_the_locale_of_the_system() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    program = (
        "from daemon.prompts.library import load_phrases\n"
        "print(ascii(load_phrases().by_locale['ja-jp'].spoken['digit_2']))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "'\\u306b'\n", done.stderr


# --- the table -----------------------------------------------------------------------------------------------


def test_prompts_texts_shows_every_locale_in_one_part() -> None:
    done = CliRunner().invoke(main, ["prompts", "texts"])
    assert done.exit_code == 0, done.output
    header, *rows = done.output.splitlines()
    assert header.split() == ["LOCALE", "LANGUAGE", "ALPHABET", "LENGTH", "PARTS", "TEXT"]
    assert [row.split()[0] for row in rows] == EVERY


def test_prompts_texts_shows_a_brand_and_the_longest_case() -> None:
    done = CliRunner().invoke(main, ["prompts", "texts", "de-de", "--brand", "Škoda"])
    text = "Škoda: Ihr Code lautet 123456. Gültig für 5 Minuten."
    assert done.output.splitlines()[1].split(maxsplit=5) == ["de-de", "German", "UCS2", "66", "1", text]


def test_prompts_texts_knows_what_it_has_not() -> None:
    done = CliRunner().invoke(main, ["prompts", "texts", "xx-xx"])
    assert done.exit_code == 1
    assert "no locale 'xx-xx'; there are ar-xa, " in done.output
