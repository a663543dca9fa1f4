"""Which numbers are costly, beside the library's own search for the type of a number."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumber, PhoneNumberType

from daemon.api.premium_numbers import costly

EARNING = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST}
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def found(number: PhoneNumber) -> bool:
    return costly(number, phonenumbers.region_code_for_number(number))


def expected(number: PhoneNumber) -> bool:
    return phonenumbers.number_type(number) in EARNING


@pytest.mark.parametrize("kind", PhoneNumberType.values())
def test_the_examples_of_all_regions_are_costly_as_the_library_has_it(kind: int) -> None:
    examples = [phonenumbers.example_number_for_type(region, kind) for region in REGIONS]
    examples += [phonenumbers.example_number_for_non_geo_entity(code) for code in CODES]
    for number in filter(None, examples):
        assert found(number) is expected(number), number


def test_a_premium_rate_number_is_costly_and_a_mobile_number_is_not() -> None:
    assert found(phonenumbers.parse("+449098790000"))
    assert found(phonenumbers.parse("+448431234567"))
    assert not found(phonenumbers.parse("+447700900123"))
    assert found(phonenumbers.parse("+979123456789"))  # of no region
    assert not found(phonenumbers.parse("+448001111"))
    assert not found(PhoneNumber(country_code=999, national_number=1234567))


@given(st.sampled_from(CODES), st.integers(1, 10**14), st.booleans())
def test_any_number_is_costly_as_the_library_has_it(code: int, national: int, zero: bool) -> None:
    number = PhoneNumber(country_code=code, national_number=national, italian_leading_zero=zero or None)
    assert found(number) is expected(number)


@given(st.sampled_from(["44", "49", "1", "33", "39", "7", "979"]), st.from_regex(r"\A[0189][0-9]{5,10}\Z"))
def test_numbers_as_they_are_given_are_costly_as_the_library_has_it(code: str, national: str) -> None:
    number = phonenumbers.parse(f"+{code}{national}")
    assert found(number) is expected(number)
