"""What is found out about a number in fewer steps is what the library finds out."""

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

from daemon.api.numbering import country_of, plain, region_of

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def parsed(text: str) -> PhoneNumber | None:
    """As the library has it; None for what it takes for no number that is possible."""
    try:
        number = phonenumbers.parse(text)
    except NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def alike(text: str) -> None:
    number = plain(text)
    if number is not None:
        assert number == parsed(text)
        assert region_of(number) == phonenumbers.region_code_for_number(number)


@pytest.mark.parametrize("kind", PhoneNumberType.values())
def test_the_examples_of_all_regions_are_what_the_library_has_them_for(kind: int) -> None:
    examples = [phonenumbers.example_number_for_type(region, kind) for region in REGIONS]
    examples += [phonenumbers.example_number_for_non_geo_entity(code) for code in CODES]
    for number in filter(None, examples):
        text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        alike(text)
        assert region_of(number) == phonenumbers.region_code_for_number(number)
        assert country_of(text[1:]) == (region_of(number) or "").replace("001", "")


def test_the_mobile_numbers_of_nearly_all_regions_go_this_way() -> None:
    numbers = filter(None, (phonenumbers.example_number_for_type(region, 1) for region in REGIONS))
    texts = [phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) for number in numbers]
    assert sum(plain(text) is not None for text in texts) > 0.9 * len(texts)


@given(st.sampled_from(CODES), st.from_regex(r"\A[0-9]{1,16}\Z"))
def test_any_digits_are_what_the_library_has_them_for(code: int, national: str) -> None:
    alike(f"+{code}{national}")


@example(7, 1, "700900123")
@given(st.sampled_from(CODES), st.integers(1, 3), st.from_regex(r"\A[0-9]{1,16}\Z"))
def test_no_country_code_begins_with_zero(code: int, zeros: int, national: str) -> None:
    """07700900123, which is national, used to be +7 7700900123: its PIN went from Britain to Kazakhstan."""
    assert plain(f"+{'0' * zeros}{code}{national}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "+0",
        "+999",
        "+44",
        "+4477009001234",
        "+4407700900123",
        "+44 7700900123",
        "+٤٤7700900123",
        "447700900123",
    ],
)
def test_anything_else_is_left_to_the_library(text: str) -> None:
    assert plain(text) is None


def test_digits_of_no_region_have_none() -> None:
    assert region_of(PhoneNumber(country_code=999, national_number=1234567)) is None
    assert region_of(PhoneNumber(country_code=44, national_number=1)) is None
    assert [country_of(digits) for digits in ("", "0", "9991234567", "+447700900123", "x")] == [""] * 5
    assert [country_of(digits) for digits in ("447700900123", "1", "7")] == ["GB", "US", "RU"]
    assert country_of("07700900123") == ""
