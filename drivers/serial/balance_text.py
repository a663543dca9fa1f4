"""The amount of money in what a network writes of a SIM: "Your credit is $12.34, valid until 01.02.2027". Pure.

Without a template it is the first number with a currency beside it, else the first with one or two decimals. What is
read is short, so every step is bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

LONGEST = 200  # characters that are looked at; an answer by USSD has 182 (23.038 6.1.2.3.1)
HOLE = "{amount}"
NUMBER = re.compile(r"[.,]?[0-9][0-9.,]{0,200}")
PLAIN = re.compile(r"([0-9]{0,15})(?:[.,]([0-9]{1,4}))?")
GROUPED = (
    re.compile(r"([0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.([0-9]{1,4}))?"),
    re.compile(r"([0-9]{1,3}(?:\.[0-9]{3}){1,4})(?:,([0-9]{1,4}))?"),
)
"""With thousands apart: 1,234.50 and 1.234,50."""
SPACED = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:[ \xa0\u202f'’][0-9]{3}){1,3}(?![0-9])")
"""Thousands with blanks or apostrophes between them: 1 234 567."""
WORD_BEFORE, WORD_BEHIND = re.compile(r"(?<![^\W\d_])[^\W\d_]{1,7}$"), re.compile(r"[^\W\d_]{1,7}(?![^\W\d_])")
BLANKS, MINUS = " \xa0\u202f", "-−"
CENTS = (-1, -2)  # exponents

ISO_4217 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
    "RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
CODES = frozenset(ISO_4217.split())
"""In capitals only, as some are words of a language."""
OF_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
NAMES = {"EURO": "EUR", "EUROS": "EUR", "ZŁ": "PLN", "KČ": "CZK", "РУБ": "RUB", "ГРН": "UAH"}
"""Words that are used for one currency only, in capitals."""
OF_ONE_COUNTRY = (
    "US$ USD NZ$ NZD HK$ HKD CA$ CAD C$ CAD A$ AUD S$ SGD R$ BRL € EUR £ GBP ₹ INR ₽ RUB ₴ UAH ₺ TRY ₪ ILS ₩ KRW "
    "₦ NGN ₱ PHP ฿ THB ₫ VND ₵ GHS ₸ KZT ₼ AZN ₾ GEL"
)
SIGNS = dict(zip(OF_ONE_COUNTRY.split()[::2], OF_ONE_COUNTRY.split()[1::2], strict=True)) | {"$": "$", "¥": "¥"}
"""The longest first. "$" and "¥" are of several countries, and stay as they are."""
NO_MONEY = frozenset({"KB", "MB", "GB", "TB", "MIN", "MINS", "MINUTE", "MINUTES", "SMS", "MMS", "H", "DAYS"})
"""What a number counts that is no money, in capitals."""


@dataclass(frozen=True, slots=True)
class Amount:
    """currency: of ISO 4217, or "$" or "¥", or "" where none is written."""

    value: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class _Number:
    """One in the text. before, behind: what stands there, the currency left out."""

    amount: Amount
    before: str
    behind: str

    @property
    def has_cents(self) -> bool:
        return self.amount.value.as_tuple().exponent in CENTS


def find(text: str, template: str = "") -> Amount | None:
    """template: what stands around the amount, as in "Main account: {amount}"."""
    numbers = list(_numbers(SPACED.sub(lambda found: re.sub(r"\D", "", found[0]), text[:LONGEST])))
    if template:
        before, _, behind = (part.strip() for part in template.partition(HOLE))
        fits = (each for each in numbers if each.before.endswith(before) and each.behind.startswith(behind))
        return next((each.amount for each in fits), None)
    likely = [each for each in numbers if _unit(each.behind) not in NO_MONEY and not each.behind.startswith("%")]
    of_money = (each.amount for each in likely if each.amount.currency)
    return next(of_money, next((each.amount for each in likely if each.has_cents), None))


def template_fault(template: str) -> str:
    """What is wrong with a template, or ""."""
    if not template:
        return ""
    if template.count(HOLE) != 1 or len(template) > LONGEST:
        return f'{template[:20]!r} must have {HOLE} in it once, e.g. "Main account: {HOLE}"'
    return ""


def _numbers(text: str) -> Iterator[_Number]:
    for found in NUMBER.finditer(text):
        written = found[0].rstrip(".,")
        before, before_currency = _without_currency_at_end(text[: found.start()].rstrip(BLANKS))
        behind, behind_currency = _without_currency_at_start(text[found.start() + len(written) :].lstrip(BLANKS))
        currency = before_currency or behind_currency
        value = _value(written, currency)
        if value is not None:
            minus = before.endswith(tuple(MINUS))
            yield _Number(Amount(-value if minus else value, currency), before.rstrip(MINUS + BLANKS), behind)


def _unit(behind: str) -> str:
    word = WORD_BEHIND.match(behind)
    return word[0].upper() if word is not None else ""


def _without_currency_at_end(text: str) -> tuple[str, str]:
    """What is left, and the currency; also of "$-5"."""
    bare = text.rstrip(MINUS + BLANKS)
    sign = next((sign for sign in SIGNS if bare.endswith(sign)), "")
    word = WORD_BEFORE.search(bare)
    mark, currency = (sign, SIGNS[sign]) if sign else (word[0], _named(word[0])) if word is not None else ("", "")
    if not currency:
        return text, ""
    return bare[: -len(mark)].rstrip(BLANKS) + text[len(bare) :].strip(BLANKS), currency


def _without_currency_at_start(text: str) -> tuple[str, str]:
    sign = next((sign for sign in SIGNS if text.startswith(sign)), "")
    word = WORD_BEHIND.match(text)
    mark, currency = (sign, SIGNS[sign]) if sign else (word[0], _named(word[0])) if word is not None else ("", "")
    return (text[len(mark) :].lstrip(BLANKS), currency) if currency else (text, "")


def _named(word: str) -> str:
    """The currency of a word, or ""."""
    return word if word in CODES else "EUR" if word == "Eur" else NAMES.get(word.upper(), "")


def _value(written: str, currency: str) -> Decimal | None:
    """Of 1234, 12.34, 1.234,50 and the like; None of a date, or a number that is too long."""
    plain = PLAIN.fullmatch(written)
    grouped = next((found for each in GROUPED if (found := each.fullmatch(written)) is not None), None)
    meant = plain if plain is not None and (written[0] == "0" or currency in OF_THREE_DECIMALS) else grouped or plain
    if meant is None:
        return None
    whole, decimals = re.sub("[.,]", "", meant[1]), meant[2]
    return Decimal(f"{whole}.{decimals}" if decimals else whole)
