"""Numbers whose owner earns by each message and call: only where a prefix allows them (toll fraud).

The rule is that of `phonenumbers.number_type`, which would look for the region once more and try all other types, too:
12 µs of each start.
"""

from phonenumbers import PhoneMetadata, PhoneNumber, national_significant_number

from daemon.api.numbering import fits


def costly(number: PhoneNumber, region: str | None) -> bool:
    """Whether it is a premium-rate or shared-cost number. region: as `params.region_of` says."""
    if number.country_code is None or region is None:
        return False
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(number.country_code, region)
    digits = national_significant_number(number)
    if metadata is None or not fits(digits, metadata.general_desc):
        return False
    if fits(digits, metadata.premium_rate):
        return True
    return fits(digits, metadata.shared_cost) and not fits(digits, metadata.toll_free)
