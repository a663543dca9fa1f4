"""The plural rules, beside Babel's, which are made from CLDR itself."""

import tomllib

import pytest
from babel import Locale

from daemon.core.phrases import LOCALES
from daemon.core.plurals import RULES, numbers_of
from daemon.resources import config_path

CLDR_NAMES = {"pt-pt": "pt_PT"}  # CLDR has a rule of its own for it; every other locale has its language's


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_the_rule_of_a_locale_is_that_of_cldr(locale: str) -> None:
    rule = RULES[tomllib.loads((config_path("phrases") / f"{locale}.toml").read_text(encoding="utf-8"))["plural"]]
    cldr = Locale.parse(CLDR_NAMES.get(locale, locale.partition("-")[0])).plural_form
    assert [rule(n) for n in range(2001)] == [cldr(n) for n in range(2001)]


@pytest.mark.parametrize("rule", RULES)
def test_two_hundred_numbers_meet_every_category(rule: str) -> None:
    assert {RULES[rule](n) for n in range(1, 10_000)} == set(numbers_of(RULES[rule]))


def test_the_numbers_of_a_category_are_known() -> None:
    assert numbers_of(RULES["welsh"])["many"] == [6]
    assert numbers_of(RULES["polish"])["one"] == [1]
    assert numbers_of(RULES["east-slavic"])["one"][:3] == [1, 21, 31]
    assert "zero" not in numbers_of(RULES["arabic"])
