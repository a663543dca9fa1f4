import unicodedata
from copy import deepcopy
from typing import Any

import phonenumbers
import pytest
from babel.languages import get_official_languages

from daemon.core.phrases import (
    CLIPS,
    COUNTRIES,
    DIGIT_STYLES,
    DIGITS,
    LOCALES,
    REGION_LOCALES,
    BadPhrases,
    fallback_chain,
    locale_for_region,
    phrases_from,
    sms_text,
)
from daemon.core.plurals import RULES
from daemon.resources import config_path

GOOD: dict[str, Any] = {
    "language": "Test",
    "plural": "one",
    "direction": "ltr",
    "digits": "ascii",
    "sms": {"text": "{brand} code: {pin}. Valid for {minutes}.", "minutes": {"one": "{n} minute", "other": "{n} min"}},
    "spoken": {**dict.fromkeys(CLIPS, "word"), "welcome_brand": "It is {brand}"},
}


def changed(key: str, value: object) -> dict[str, Any]:
    """GOOD with another value at "sms.minutes.one", say; without it for None."""
    table = deepcopy(GOOD)
    *path, last = key.split(".")
    place = table
    for name in path:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return table


def test_a_text_has_brand_pin_and_the_right_plural() -> None:
    phrases = phrases_from("xx-xx", GOOD)
    assert sms_text(phrases, "Acme", "0042", 5) == "Acme code: 0042. Valid for 5 min."
    assert sms_text(phrases, "Acme", "0042", 1) == "Acme code: 0042. Valid for 1 minute."


def test_a_code_for_a_web_site_ends_in_the_line_that_binds_it() -> None:
    text = sms_text(phrases_from("xx-xx", GOOD), "Acme", "0042", 5, "example.com")
    assert text == "Acme code: 0042. Valid for 5 min.\n\n@example.com #0042"


def test_a_language_without_plurals_has_one_form() -> None:
    table = {**GOOD, "plural": "none", "sms": {"text": "{brand} {pin} {minutes}", "minutes": {"other": "{n} min"}}}
    assert sms_text(phrases_from("xx-xx", table), "A", "1", 1) == "A 1 1 min"


def test_the_minutes_are_in_the_digits_of_the_locale_and_the_pin_is_ascii() -> None:
    phrases = phrases_from("xx-xx", changed("digits", "arabic-indic"))
    assert sms_text(phrases, "Acme 24", "0042", 15) == "Acme 24 code: 0042. Valid for ١٥ min."


def test_a_brand_is_never_taken_for_a_placeholder() -> None:
    assert sms_text(phrases_from("xx-xx", GOOD), "{pin}{minutes}", "7", 2).startswith("{pin}{minutes} code: 7.")


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("sms", None, "the top level has no sms; [sms] has no text, minutes; [sms.minutes] has no one, other"),
        ("sms", "words", "[sms] has no text, minutes; [sms.minutes] has no one, other"),
        ("language", None, "the top level has no language"),
        ("language", " ", "language is no text"),
        ("langage", "Test", "the top level has langage, which nothing uses"),
        ("plural", "slavic", f"plural must be one of {', '.join(RULES)}"),
        ("direction", "up", "direction must be one of ltr, rtl"),
        ("digits", 7, "digits must be one of ascii, arabic-indic, devanagari, thai"),
        ("sms.text", "{brand} {minutes}", "[sms] text must have {brand}, {pin}, {minutes} in braces"),
        ("sms.text", "{brand} {pin} {pin} {minutes}", "[sms] text must have {brand}, {pin}, {minutes} in braces"),
        ("sms.text", "{brand} {pin} {minutes} {url}", "[sms] text must have {brand}, {pin}, {minutes} in braces"),
        ("sms.text", 7, "[sms] text is no text"),
        ("sms.minutes.other", None, "[sms.minutes] has no other"),
        ("sms.minutes.few", "{n} min", "[sms.minutes] has few, which nothing uses"),
        ("sms.minutes.other", "some minutes", "[sms.minutes] other must have {n} in braces"),
        ("spoken.question", None, "[spoken] has no question"),
        ("spoken.digit_10", "ten", "[spoken] has digit_10, which nothing uses"),
        ("spoken.digit_4", "", "[spoken] digit_4 is no text"),
        ("spoken.again", "It is {pin}", "[spoken] again must have nothing in braces"),
        ("spoken.welcome_brand", "It is Acme", "[spoken] welcome_brand must have {brand} in braces"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(key: str, value: object, complaint: str) -> None:
    with pytest.raises(BadPhrases) as caught:
        phrases_from("xx-xx", changed(key, value))
    assert str(caught.value) == f"xx-xx: {complaint}"


def test_all_that_is_wrong_is_named_at_once() -> None:
    clips = "welcome, again, bye, press_1, welcome_brand, question, alert, alert_over, alert_test, digit_0"
    with pytest.raises(BadPhrases, match=rf"plural must .*; \[spoken\] has no {clips}"):
        phrases_from("xx-xx", {**GOOD, "plural": "", "spoken": {}})


def test_a_form_for_one_number_only_may_be_all_words() -> None:
    assert sms_text(phrases_from("xx-xx", changed("sms.minutes.one", "a minute")), "A", "1", 1).endswith(
        "for a minute."
    )


def test_a_form_for_1_and_21_must_have_the_number() -> None:
    table = changed("sms.minutes", {"one": "минуту", "few": "{n} минуты", "many": "{n} минут"})
    with pytest.raises(BadPhrases, match=r"one must have \{n\}"):
        phrases_from("xx-xx", {**table, "plural": "east-slavic"})


@pytest.mark.parametrize(
    ("region", "locale"),
    [
        pair.split()
        for pair in (
            "GB en-gb",
            "us en-us",
            "IN en-in",
            "CN zh-cn",
            "DE de-de",
            "AT de-de",
            "MX es-mx",
            "CY el-gr",
            "HK yue-cn",
        )
    ],
)
def test_a_country_has_a_main_locale(region: str, locale: str) -> None:
    assert locale_for_region(region) == locale


@pytest.mark.parametrize(
    ("locale", "others"),
    [
        ("es-es", "es-mx es-us en-us"),
        ("es-mx", "es-us es-es en-us"),
        ("es-us", "es-mx es-es en-us"),
        ("en-gb", "en-us"),
        ("en-au", "en-gb en-us"),
        ("en-in", "en-gb en-us"),
        ("en-us", ""),
        ("fr-ca", "fr-fr en-us"),
        ("pt-pt", "pt-br en-us"),
        ("cy-cy", "cy-gb en-us"),
        ("zh-tw", "zh-cn en-us"),
        ("yue-cn", "en-us"),
        ("de-de", "en-us"),
    ],
)
def test_a_locale_falls_back_to_its_language_and_then_to_english(locale: str, others: str) -> None:
    assert fallback_chain(locale) == (locale, *others.split())


def test_only_chinese_stands_in_for_chinese() -> None:
    assert [locale for locale in sorted(LOCALES) if "yue-cn" in fallback_chain(locale)] == ["yue-cn"]


def test_a_call_has_a_clip_for_each_digit_from_0_to_9() -> None:
    assert ("digit_0", *(f"digit_{digit}" for digit in "123456789")) == DIGITS
    assert set(DIGITS) < set(CLIPS)


def test_all_locales_of_the_reference_are_known() -> None:
    assert len(LOCALES) == 39


def test_each_locale_has_a_file_of_its_own() -> None:
    assert {path.stem for path in config_path("phrases").glob("*.toml")} == LOCALES


def test_a_country_hears_a_language_that_it_calls_its_own() -> None:
    """CLDR knows which those are; Cantonese is written as Chinese there."""
    for region, locale in REGION_LOCALES.items():
        language = locale.partition("-")[0].replace("yue", "zh")
        official = get_official_languages(region, regional=True, de_facto=True)
        assert region == "XA" or language in {name.partition("_")[0] for name in official}, region


def test_the_countries_of_the_table_are_countries_and_their_locales_are_known() -> None:
    regions = [region for regions in COUNTRIES.values() for region in regions]
    assert set(regions) <= phonenumbers.SUPPORTED_REGIONS
    assert len(regions) == len(set(regions))
    assert COUNTRIES.keys() <= LOCALES


@pytest.mark.parametrize("style", DIGIT_STYLES)
def test_digits_are_in_the_order_of_their_values(style: str) -> None:
    assert [unicodedata.digit(character) for character in DIGIT_STYLES[style]] == list(range(10))


def test_a_file_is_read_into_the_fields_of_its_names() -> None:
    found = phrases_from("xx-xx", GOOD)
    assert (found.locale, found.language, found.plural, found.direction, found.digits) == (
        "xx-xx",
        "Test",
        "one",
        "ltr",
        "ascii",
    )
    assert (found.sms, found.minutes, found.spoken) == (GOOD["sms"]["text"], GOOD["sms"]["minutes"], GOOD["spoken"])
