"""What `phonenumbers` finds out about a number, for numbers as most callers write them: the country code and digits.

The library looks for letters, extensions and carriers first, and for the region of a number it tries all kinds of
number: a tenth of the CPU of a start. The answers are the same; a number that is written in another way is the
library's. Its import takes 20 ms: import this module where a number comes in.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberDesc,
    national_significant_number,
)
from phonenumbers.re_util import enable_pattern_cache, re_compile

enable_pattern_cache()  # the patterns of all regions are more than `re` keeps by itself

KEPT = 4096  # numbers whose region is known: a start asks for it, and its verification some seconds later
MAX_CODE = 3  # digits of a country code (ITU-T E.164 6.2.1)
KINDS = (
    "mobile",
    "fixed_line",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
"""What a number can be; what most are comes first."""


def plain(text: str) -> PhoneNumber | None:
    """What `phonenumbers.parse` makes of a plus sign and ASCII digits; None where that has to look for itself.

    It has as many digits as a number of its country may have.
    """
    digits = text[1:]
    if text[:1] != "+" or not (digits.isascii() and digits.isdecimal()):
        return None
    code, regions = next(_countries(digits), (0, ()))
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0]) if regions else None
    if metadata is None or metadata.general_desc is None:
        return None
    national = digits[len(str(code)) :]
    if national[:1] == "0" or len(national) not in metadata.general_desc.possible_length:
        return None
    trunk_prefix = metadata.national_prefix_for_parsing
    if trunk_prefix and re_compile(trunk_prefix).match(national):
        return None
    return PhoneNumber(country_code=code, national_number=int(national))


def _countries(digits: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The country code in front of digits, and its regions, the main one first.

    No code begins with another, and none with 0 (ITU-T E.164 6.2.1): with a 0 a number is national.
    """
    for end in range(1, MAX_CODE + 1) if digits[:1] != "0" else ():
        code = int(digits[:end])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            yield code, COUNTRY_CODE_TO_REGION_CODE[code]


def region_of(number: PhoneNumber) -> str | None:
    """The region that it belongs to (ISO 3166); "001" for one of no region. None where its digits fit none."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    if len(regions) == 1:
        return regions[0]
    return _region_among(regions, national_significant_number(number))


def country_of(digits: str) -> str:
    """Of an E.164 number: two letters of ISO 3166; "" for one of no country.

    Where its digits fit none of the countries that share a code, it is the main one.
    """
    code, regions = next(_countries(digits), (0, ())) if digits.isdecimal() else (0, ())
    found = _region_among(regions, digits[len(str(code)) :]) if len(regions) > 1 else None
    region = found or next(iter(regions), "")
    return region if region.isalpha() else ""


@lru_cache(maxsize=KEPT)
def _region_among(regions: tuple[str, ...], digits: str) -> str | None:
    """digits: of the number, without the country code that the regions share."""
    return next((region for region in regions if _is_of(digits, region)), None)


def _is_of(digits: str, region: str) -> bool:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return False
    if metadata.leading_digits is not None:
        return re_compile(metadata.leading_digits).match(digits) is not None
    kinds = _kinds_of(region, len(digits))
    return kinds is not None and fits(digits, metadata.general_desc) and kinds.fullmatch(digits) is not None


@cache
def _kinds_of(region: str, length: int) -> re.Pattern[str] | None:
    """All kinds of numbers with so many digits in one pattern; None where there are none.

    Of a number that no country has given out yet, each pattern would be tried by itself: a tenth of the CPU of a start.
    """
    metadata = PhoneMetadata.metadata_for_region(region)
    patterns = filter(None, (_pattern_of(getattr(metadata, kind), length) for kind in KINDS))
    together = "|".join(f"(?:{pattern})" for pattern in patterns)
    return re_compile(together) if together else None


def fits(digits: str, kind: PhoneNumberDesc | None) -> bool:
    """Whether they are a number of this kind."""
    pattern = _pattern_of(kind, len(digits))
    return pattern is not None and re_compile(pattern).fullmatch(digits) is not None


def _pattern_of(kind: PhoneNumberDesc | None, length: int) -> str | None:
    """Of the numbers of a kind; None where none has so many digits."""
    if kind is None or (kind.possible_length and length not in kind.possible_length):
        return None
    return kind.national_number_pattern or None
