"""What is said: locales, the text of an SMS, and the plan of a call.

Pure; the texts themselves are in config/phrases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
SHADOWED = ("cy-cy", "cy-gb", "en-gb", "en-us", "es-us", "hi-in", "yue-cn", "zh-cn")
REGION_LOCALES: Mapping[str, str] = {
    **{locale.rpartition("-")[2].upper(): locale for locale in LOCALES if locale not in SHADOWED},
    **{region: locale for locale, regions in COUNTRIES.items() for region in regions},
}
"""The main locale of a country; all others get the default."""


def locale_for_region(region: str) -> str:
    """The locale for a number's country (ISO 3166, such as "GB"), as the reference picks it when none is given."""
    return REGION_LOCALES.get(region.upper(), DEFAULT_LOCALE)


def fallback_chain(locale: str) -> tuple[str, ...]:
    """Where to look for a locale's texts: itself, its language elsewhere, then the default."""
    language = locale.partition("-")[0]
    same_language = sorted(other for other in LOCALES if other.partition("-")[0] == language)
    if language == "en":
        same_language = [DEFAULT_LOCALE]
    return tuple(dict.fromkeys((locale, *same_language, DEFAULT_LOCALE)))


# --- the SMS -----------------------------------------------------------------------------------------------


class BadPhrases(Exception):
    """A phrase file cannot be used; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The texts of one locale. sms has {brand}, {pin} and {minutes}; plurals maps "one", "other" to the words."""

    locale: str
    language: str
    sms: str
    plurals: Mapping[str, str]
    spoken: Mapping[str, str]


PLACEHOLDERS = ("{brand}", "{pin}", "{minutes}")


def phrases_from(locale: str, table: Mapping[str, Any]) -> Phrases:
    """Phrases from a parsed TOML file. Raises BadPhrases."""
    sms = table.get("sms", {})
    spoken = table.get("spoken", {})
    text = sms.get("text", "")
    for placeholder in PLACEHOLDERS:
        if placeholder not in text:
            raise BadPhrases(f"{locale}: [sms] text has no {placeholder}")
    if "other" not in sms.get("minutes", {}):
        raise BadPhrases(f"{locale}: [sms.minutes] has no other")
    missing = [clip for clip in (*SENTENCES, *DIGITS) if clip not in spoken]
    if missing:
        raise BadPhrases(f"{locale}: [spoken] has no {', '.join(missing)}")
    return Phrases(locale, str(table.get("language", "")), text, sms["minutes"], spoken)


def sms_text(phrases: Phrases, brand: str, pin: str, minutes: int, origin: str = "") -> str:
    """The SMS with this PIN, its life in whole minutes with the right plural.

    origin: the web site that may take the code; the last line then binds it to that site, as phones read it ("Origin-
    bound one-time codes delivered via SMS", WICG).
    """
    word = phrases.plurals.get("one") if minutes == 1 else None
    shown = (word or phrases.plurals["other"]).replace("{n}", str(minutes))
    # The brand comes last: what a caller writes in it is never taken for a placeholder.
    text = phrases.sms.replace("{pin}", pin).replace("{minutes}", shown).replace("{brand}", brand)
    return f"{text}\n\n@{origin} #{pin}" if origin else text


# --- the call ----------------------------------------------------------------------------------------------

SENTENCES = ("welcome", "again", "bye", "press_1")
QUESTION = "question"  # not every locale has it yet; without it, [voice] confirm cannot be kept
DIGITS = tuple(f"digit_{digit}" for digit in range(10))

BEFORE_SPEECH_MS = 1000  # the callee needs to bring the phone to the ear, and early audio is clipped
AFTER_SENTENCE_MS = 350
BETWEEN_DIGITS_MS = 250  # the gap that was measured (FINDINGS: 40 of 40 PINs heard right)
BETWEEN_READINGS_MS = 400


@dataclass(frozen=True, slots=True)
class Silence:
    """Generated, never rendered."""

    ms: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording by its name, e.g. "digit_4"; pin_ends: the last digit of a reading."""

    name: str
    pin_ends: bool = False


def speakable(pin: str) -> bool:
    """Only ASCII digits have clips."""
    return pin.isascii() and pin.isdecimal()


Plan = tuple[Clip | Silence, ...]


def call_plan(pin: str, *, offer: bool = False) -> Plan:
    """The speech, in order: the PIN twice; at its end goodbye, or the offer to hear it again.

    Raises ValueError for a PIN with letters.
    """
    if not speakable(pin):
        raise ValueError("a code with letters cannot be spoken")
    return (
        Silence(BEFORE_SPEECH_MS),
        Clip("welcome"),
        Silence(AFTER_SENTENCE_MS),
        *_reading(pin),
        Silence(BETWEEN_READINGS_MS),
        Clip("again"),
        Silence(AFTER_SENTENCE_MS),
        *_reading(pin),
        Silence(BETWEEN_READINGS_MS),
        Clip("press_1" if offer else "bye"),
    )


def again_plan(pin: str) -> Plan:
    """What is said to who wants to hear it again."""
    return (
        Silence(AFTER_SENTENCE_MS),
        Clip("again"),
        Silence(AFTER_SENTENCE_MS),
        *_reading(pin),
        Silence(BETWEEN_READINGS_MS),
        Clip("press_1"),
    )


BYE_PLAN: Plan = (Silence(AFTER_SENTENCE_MS), Clip("bye"))
QUESTION_PLAN: Plan = (Silence(BEFORE_SPEECH_MS), Clip(QUESTION))


def _reading(pin: str) -> tuple[Clip | Silence, ...]:
    """The digits one by one, with gaps between them."""
    parts: list[Clip | Silence] = []
    for position, digit in enumerate(pin, 1):
        parts += [Clip(f"digit_{digit}", pin_ends=position == len(pin)), Silence(BETWEEN_DIGITS_MS)]
    return tuple(parts[:-1])
