"""What is said: locales, the text of an SMS, and the clips of a call.

Pure; the texts themselves are in config/phrases.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from daemon.core.plurals import RULES, Rule, numbers_of
from daemon.core.values import value

DEFAULT_LOCALE = "en-us"

# fmt: off
LOCALES = frozenset({
    "ar-xa", "cs-cz", "cy-cy", "cy-gb", "da-dk", "de-de", "el-gr", "en-au", "en-gb", "en-in", "en-us", "es-es", "es-mx",
    "es-us", "fi-fi", "fil-ph", "fr-ca", "fr-fr", "hi-in", "hu-hu", "id-id", "is-is", "it-it", "ja-jp", "ko-kr",
    "nb-no", "nl-nl", "pl-pl", "pt-br", "pt-pt", "ro-ro", "ru-ru", "sv-se", "th-th", "tr-tr", "vi-vn", "yue-cn",
    "zh-cn", "zh-tw",
})
# fmt: on
"""The values of `lg` in the Verify reference."""

# fmt: off
COUNTRIES: Mapping[str, tuple[str, ...]] = {
    "ar-xa": ("AE", "BH", "DZ", "EG", "IQ", "JO", "KW", "LB", "LY", "MA", "OM", "QA", "SA", "TN", "YE"),
    "de-de": ("AT", "CH", "LI", "LU"),
    "es-mx": ("AR", "BO", "CL", "CO", "CR", "DO", "EC", "GT", "HN", "NI", "PA", "PE", "PY", "SV", "UY", "VE"),
    "fr-fr": ("BE", "CI", "CM", "MC", "SN"),
    "en-gb": ("GB", "IE", "MT", "ZA"),
    "en-au": ("NZ",),
    "en-in": ("IN",),
    "en-us": ("CA", "US"),
    "el-gr": ("CY",),
    "yue-cn": ("HK", "MO"),
    "zh-cn": ("CN",),
    "pt-pt": ("AO", "MZ"),
    "ru-ru": ("BY", "KZ"),
    "ro-ro": ("MD",),
}
# fmt: on
"""Countries whose main locale does not end in their own code, and those that share an ending with another."""
REGION_LOCALES: Mapping[str, str] = {
    **{locale.rpartition("-")[2].upper(): locale for locale in LOCALES},
    **{region: locale for locale, regions in COUNTRIES.items() for region in regions},
}
"""The main locale of a country; all others get the default."""


def locale_for_region(region: str) -> str:
    """The locale for a number's country (ISO 3166, such as "GB"), as the reference picks it when none is given."""
    return REGION_LOCALES.get(region.upper(), DEFAULT_LOCALE)


NEAREST: Mapping[str, tuple[str, ...]] = {
    "en-au": ("en-gb",),
    "en-gb": (),
    "en-in": ("en-gb",),
    "en-us": (),
    "es-mx": ("es-us", "es-es"),
    "es-us": ("es-mx", "es-es"),
}
"""What stands in for a locale before the default, where it is not simply every other of its language in order."""


def fallback_chain(locale: str) -> tuple[str, ...]:
    """Where to look for a locale's texts: itself, its language elsewhere, then the default."""
    language = locale.partition("-")[0]
    same_language = sorted(other for other in LOCALES if other.partition("-")[0] == language)
    return tuple(dict.fromkeys((locale, *NEAREST.get(locale, same_language), DEFAULT_LOCALE)))


# --- the texts of a locale -----------------------------------------------------------------------------------

SENTENCES = ("welcome", "again", "bye", "press_1")
QUESTION = "question"  # a set that was rendered long ago lacks it; without it, [voice] confirm cannot be kept
WELCOME_BRAND = "welcome_brand"
DIGITS = tuple(f"digit_{digit}" for digit in range(10))


class Announcement(StrEnum):
    """What a call says to an operator, by its clip; a set that was rendered long ago lacks it."""

    TROUBLE = "alert"
    OVER = "alert_over"
    TEST = "alert_test"


class BadPhrases(Exception):
    """A phrase file cannot be used; the text says what is wrong with it."""


class Direction(StrEnum):
    """How the script runs."""

    LTR = "ltr"
    RTL = "rtl"


DIGIT_STYLES: Mapping[str, str] = {
    "ascii": "0123456789",
    "arabic-indic": "٠١٢٣٤٥٦٧٨٩",
    "devanagari": "०१२३४५६७८९",
    "thai": "๐๑๒๓๔๕๖๗๘๙",
}
"""How the minutes are written in the SMS. The PIN is ASCII everywhere: it has to be typed."""


@value
class Phrases:
    """The texts of one locale. sms has {brand}, {pin} and {minutes}; minutes has a form for each plural of the rule."""

    locale: str
    language: str
    plural: str
    direction: Direction
    digits: str
    sms: str
    minutes: Mapping[str, str]
    spoken: Mapping[str, str]


def phrases_from(locale: str, table: Mapping[str, Any]) -> Phrases:
    """Phrases from a parsed TOML file. Raises BadPhrases, which names every key that is wrong."""
    complaints = "; ".join(_complaints(table))
    if complaints:
        raise BadPhrases(f"{locale}: {complaints}")
    return Phrases(
        locale,
        language=table["language"],
        plural=table["plural"],
        direction=Direction(table["direction"]),
        digits=table["digits"],
        sms=table["sms"]["text"],
        minutes=table["sms"]["minutes"],
        spoken=table["spoken"],
    )


CHOICES: Mapping[str, tuple[str, ...]] = {
    "plural": tuple(RULES),
    "direction": tuple(Direction),
    "digits": tuple(DIGIT_STYLES),
}
CLIPS = (*SENTENCES, WELCOME_BRAND, QUESTION, *Announcement, *DIGITS)


def _complaints(table: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a file, key by key."""
    for key, known in CHOICES.items():
        if table.get(key) not in known:
            yield f"{key} must be one of {', '.join(known)}"
    sms, spoken = _section(table, "sms"), _section(table, "spoken")
    yield from _keys("the top level", table, ("language", *CHOICES, "sms", "spoken"))
    yield from _keys("[sms]", sms, ("text", "minutes"))
    yield from _keys("[spoken]", spoken, CLIPS)
    yield from _text("language", table.get("language"))
    yield from _text("[sms] text", sms.get("text"), "{brand}", "{pin}", "{minutes}")
    for clip in spoken:
        yield from _text(f"[spoken] {clip}", spoken[clip], *(["{brand}"] if clip == WELCOME_BRAND else []))
    if table.get("plural") in CHOICES["plural"]:
        yield from _plural_complaints(_section(sms, "minutes"), RULES[table["plural"]])


def _plural_complaints(minutes: Mapping[str, Any], rule: Rule) -> Iterator[str]:
    """A form for each plural that the rule yields, with the number in it unless it can only be one."""
    numbers = numbers_of(rule)
    yield from _keys("[sms.minutes]", minutes, tuple(numbers))
    for plural, form in minutes.items():
        in_words = len(numbers.get(plural, ())) == 1 and "{n}" not in str(form)
        yield from _text(f"[sms.minutes] {plural}", form, *([] if in_words else ["{n}"]))


def _section(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = table.get(key)
    return section if isinstance(section, Mapping) else {}


def _keys(place: str, found: Mapping[str, Any], wanted: tuple[str, ...]) -> Iterator[str]:
    """Exactly these keys."""
    missing = [key for key in wanted if key not in found]
    unknown = [key for key in found if key not in wanted]
    if missing:
        yield f"{place} has no {', '.join(missing)}"
    if unknown:
        yield f"{place} has {', '.join(unknown)}, which nothing uses"


def _text(place: str, text: Any, *placeholders: str) -> Iterator[str]:
    """Words with each of these placeholders once and no other; a text that is missing is named elsewhere."""
    if text is None:
        return
    if not isinstance(text, str) or not text.strip():
        yield f"{place} is no text"
    elif sorted(re.findall(r"\{[^{}]*\}", text)) != sorted(placeholders):
        yield f"{place} must have {', '.join(placeholders) or 'nothing'} in braces"


def sms_text(phrases: Phrases, brand: str, pin: str, minutes: int, origin: str = "") -> str:
    """The SMS with this PIN, its life in whole minutes (at least one) with the right plural.

    origin: the web site that may take the code; the last line then binds it to that site, as phones read it ("Origin-
    bound one-time codes delivered via SMS", WICG).
    """
    number = str(minutes).translate(str.maketrans(DIGIT_STYLES["ascii"], DIGIT_STYLES[phrases.digits]))
    shown = phrases.minutes[RULES[phrases.plural](minutes)].replace("{n}", number)
    # The brand comes last: what a caller writes in it is never taken for a placeholder.
    text = phrases.sms.replace("{pin}", pin).replace("{minutes}", shown).replace("{brand}", brand)
    return f"{text}\n\n@{origin} #{pin}" if origin else text
