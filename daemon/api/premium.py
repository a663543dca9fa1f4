"""Numbers whose owner earns by each message and call: only where a prefix allows them (toll fraud).

The rule is that of `phonenumbers.number_type`, which would look for the region once more and try all other types, too:
12 µs of each start.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber, PhoneNumberDesc


def costly(number: "PhoneNumber", region: str | None) -> bool:
    """Whether it is a premium-rate or shared-cost number. region: as `params.region_of` says."""
    from phonenumbers import PhoneMetadata, national_significant_number  # at the first start, as in params

    if number.country_code is None or region is None:
        return False
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(number.country_code, region)
    digits = national_significant_number(number)
    if metadata is None or not _fits(digits, metadata.general_desc):
        return False
    if _fits(digits, metadata.premium_rate):
        return True
    return _fits(digits, metadata.shared_cost) and not _fits(digits, metadata.toll_free)


def _fits(digits: str, kind: "PhoneNumberDesc | None") -> bool:
    from phonenumbers.re_util import re_compile

    if kind is None or not kind.national_number_pattern:
        return False
    if kind.possible_length and len(digits) not in kind.possible_length:
        return False
    return re_compile(kind.national_number_pattern).fullmatch(digits) is not None
