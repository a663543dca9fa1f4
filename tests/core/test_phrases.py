import pytest

from daemon.core.phrases import (
    DIGITS,
    LOCALES,
    SENTENCES,
    BadPhrases,
    Clip,
    Silence,
    again_plan,
    call_plan,
    fallback_chain,
    locale_for_region,
    phrases_from,
    sms_text,
)

SPOKEN = dict.fromkeys((*SENTENCES, *DIGITS), "word")
GOOD = {
    "language": "Test",
    "sms": {"text": "{brand} code: {pin}. Valid for {minutes}.", "minutes": {"one": "{n} minute", "other": "{n} min"}},
    "spoken": SPOKEN,
}


def test_a_text_has_brand_pin_and_the_right_plural() -> None:
    phrases = phrases_from("xx-xx", GOOD)
    assert sms_text(phrases, "Acme", "0042", 5) == "Acme code: 0042. Valid for 5 min."
    assert sms_text(phrases, "Acme", "0042", 1) == "Acme code: 0042. Valid for 1 minute."


def test_a_code_for_a_web_site_ends_in_the_line_that_binds_it() -> None:
    text = sms_text(phrases_from("xx-xx", GOOD), "Acme", "0042", 5, "example.com")
    assert text == "Acme code: 0042. Valid for 5 min.\n\n@example.com #0042"


def test_a_language_without_a_singular_uses_its_other_form() -> None:
    table = {**GOOD, "sms": {"text": "{brand} {pin} {minutes}", "minutes": {"other": "{n} min"}}}
    assert sms_text(phrases_from("xx-xx", table), "A", "1", 1) == "A 1 1 min"


def test_a_brand_is_never_taken_for_a_placeholder() -> None:
    assert sms_text(phrases_from("xx-xx", GOOD), "{pin}{minutes}", "7", 2).startswith("{pin}{minutes} code: 7.")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({}, "no {brand}"),
        ({"sms": {"text": "{brand} {minutes}"}}, "no {pin}"),
        ({"sms": {"text": "{brand} {pin}"}}, "no {minutes}"),
        ({"sms": {"text": "{brand} {pin} {minutes}"}}, "no other"),
        ({**GOOD, "spoken": {}}, "no welcome, again, bye, press_1, digit_0"),
    ],
)
def test_what_is_missing_in_a_file_is_named(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadPhrases, match=r"xx-xx: .*" + complaint.replace("{", r"\{")):
        phrases_from("xx-xx", table)


def test_a_call_says_the_pin_twice_digit_by_digit() -> None:
    names = [part.name for part in call_plan("407") if isinstance(part, Clip)]
    assert names == [
        "welcome",
        "digit_4",
        "digit_0",
        "digit_7",
        "again",
        "digit_4",
        "digit_0",
        "digit_7",
        "bye",
    ]


def test_a_call_begins_with_a_second_of_silence() -> None:
    assert call_plan("1")[0] == Silence(1000)


def test_gaps_are_between_digits_and_not_after_the_last() -> None:
    plan = call_plan("12")
    assert plan[3:6] == (Clip("digit_1"), Silence(250), Clip("digit_2", pin_ends=True))


@pytest.mark.parametrize("pin", ["", "12a4", "٣٤", "1 2"])
def test_only_ascii_digits_can_be_spoken(pin: str) -> None:
    with pytest.raises(ValueError, match="cannot be spoken"):
        call_plan(pin)


@pytest.mark.parametrize(
    ("region", "locale"),
    [pair.split() for pair in ("GB en-gb", "us en-us", "DE de-de", "AT de-de", "MX es-mx", "CY el-gr", "HK yue-cn")],
)
def test_a_country_has_a_main_locale(region: str, locale: str) -> None:
    assert locale_for_region(region) == locale


@pytest.mark.parametrize(
    ("locale", "chain"),
    [
        ("es-mx", ("es-mx", "es-es", "es-us", "en-us")),
        ("en-gb", ("en-gb", "en-us")),
        ("de-de", ("de-de", "en-us")),
        ("en-us", ("en-us",)),
    ],
)
def test_a_locale_falls_back_to_its_language_and_then_to_english(locale: str, chain: tuple[str, ...]) -> None:
    assert fallback_chain(locale) == chain


def test_all_locales_of_the_reference_are_known() -> None:
    assert len(LOCALES) == 39


def test_an_offer_takes_the_place_of_the_goodbye() -> None:
    assert [part.name for part in call_plan("1", offer=True) if isinstance(part, Clip)][-1] == "press_1"
    assert [part.name for part in again_plan("47") if isinstance(part, Clip)] == [
        "again",
        "digit_4",
        "digit_7",
        "press_1",
    ]
