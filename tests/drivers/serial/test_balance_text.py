"""An amount of money is found in what a network writes, whatever that is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.serial.balance_text import CODES, Amount, find, template_fault
from tests.steps import steps

WRITTEN = {
    "Your balance is $12.34. Valid until 01.02.2027": ("12.34", "$"),
    "Ihr Guthaben betraegt 5,07 EUR": ("5.07", "EUR"),
    "Guthaben: 1.234,50€ bis 31.12.2027": ("1234.50", "EUR"),
    "447700900123: Bal: GBP 0.95": ("0.95", "GBP"),
    "Balance: £-1.20": ("-1.20", "GBP"),
    "Balance -$0.40.": ("-0.40", "$"),
    "Balance US$ -3": ("-3", "USD"),
    "You have 1,234,567.5 UGX": ("1234567.5", "UGX"),
    "Na koncie 1 234,50 zł, 3 GB": ("1234.50", "PLN"),
    "Баланс: 250.75 руб": ("250.75", "RUB"),
    "Balans: 12'500.00 CHF": ("12500.00", "CHF"),
    "Balance: .50 AUD": ("0.50", "AUD"),
    "Balance 12,345 TZS": ("12345", "TZS"),
    "Balance 1.250 KWD": ("1.250", "KWD"),
    "Balance 0.125 EUR": ("0.125", "EUR"),
    "Balance 0.1254 Euro": ("0.1254", "EUR"),
    "Left: 4.5 GB, 12.5%, 3.5 min and 7.25 on your account": ("7.25", ""),
    "In all 5.00, 20 SMS": ("5.00", ""),
    "15EUR": ("15", "EUR"),
    "R$ 20,00 ate 05/12": ("20.00", "BRL"),
    "Guthaben: 5.00.": ("5.00", ""),
    "Credit: 1234.5678 EUR": ("1234.5678", "EUR"),
    "Credit: 1,234.500 OMR": ("1234.500", "OMR"),
    "Credit: 123.456.789,1 EUR": ("123456789.1", "EUR"),
    "Credit: 999999999999999 IRR": ("999999999999999", "IRR"),
    "3 per cent of 0,5 EUR": ("0.5", "EUR"),
}
NOTHING = [
    "",
    "Thank you",
    "Call 447700900123",
    "until 01.02.2027",
    "valid 01.2027",
    "15",
    "1,23,45 EUR",
    "3.5 GB",
    "1.23456 EUR",
    "1,2.345.678 EUR",
    "1234,567.5 EUR",
    "1,2345 ALLS",
    "1.2.3",
    "4321.123.123 EUR",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_the_amount_is_what_a_person_would_read(text: str) -> None:
    value, currency = WRITTEN[text]
    assert find(text) == Amount(Decimal(value), currency)


@pytest.mark.parametrize("text", [*NOTHING, f"{'9' * 20} EUR"])
def test_what_is_no_amount_is_not_taken_for_one(text: str) -> None:
    assert find(text) is None


UNITS = ("KB", "mb", "GB", "TB", "min", "mins", "minute", "Minutes", "SMS", "MMS", "h", "days")


@pytest.mark.parametrize("unit", UNITS)
def test_what_counts_something_else_is_no_money(unit: str) -> None:
    assert find(f"1.5 {unit} left") is None


@pytest.mark.parametrize(
    ("written", "currency"),
    [
        *[("5 Euro", "EUR"), ("5 euros", "EUR"), ("Eur 5", "EUR"), ("5 Kč", "CZK"), ("5 kč", "CZK"), ("5 грн", "UAH")],
        *[("¥5", "¥"), ("US$5", "USD"), ("NZ$5", "NZD"), ("C$5", "CAD"), ("₦5", "NGN"), ("5 ₾", "GEL"), ("$5", "$")],
    ],
)
def test_signs_and_words_of_one_country_are_its_currency(written: str, currency: str) -> None:
    assert find(written) == Amount(Decimal(5), currency)


def test_some_currencies_have_three_decimals() -> None:
    assert all(
        find(f"{code} 1.250") == Amount(Decimal("1.25"), code)
        for code in ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
    )
    assert find("EUR 1.250") == Amount(Decimal(1250), "EUR")


def test_a_template_says_which_amount_is_meant() -> None:
    text = "Bonus: 3.00 EUR until 31.12. Main account: EUR 15 left; 2.50 to pay"
    assert find(text) == Amount(Decimal(3), "EUR")
    assert find(text, "Main account: {amount}") == Amount(Decimal(15), "EUR")
    assert find(text, "{amount} to pay") == Amount(Decimal("2.50"), "")
    assert find(text, "account: {amount} left") == Amount(Decimal(15), "EUR")
    assert find(text, "Credit: {amount}") is None
    assert [
        bool(template_fault(each))
        for each in ("", f"{'x' * 192}{{amount}}", "amount", "{amount}{amount}", f"{'x' * 193}{{amount}}")
    ] == [
        *(False, False),
        *(True, True, True),
    ]


@given(
    st.text(st.sampled_from("0123456789.,$€-− '\xa0EURaz{}"), max_size=300),
    st.sampled_from(["", "E{amount}", "{amount}"]),
)
def test_any_text_gives_an_amount_or_none(text: str, template: str) -> None:
    found = find(text, template)
    assert found is None or (found.value.is_finite() and len(found.currency) <= 3)


@given(st.decimals(0, 10**9, places=2), st.sampled_from(sorted(CODES)))
def test_an_amount_is_read_as_it_was_written(value: Decimal, currency: str) -> None:
    for text in (f"Credit {value} {currency}.", f"{currency} {value:,} left", f"{currency}{value}"):
        assert find(text) == Amount(value, currency)


def test_a_long_text_costs_no_more_than_a_short_one() -> None:
    assert steps(lambda: find("1. EUR " * 100)) > 0.99 * steps(lambda: find("1. EUR " * 10_000))
