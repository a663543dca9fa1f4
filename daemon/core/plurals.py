"""Plural rules: which form of a noun goes with a number (Unicode CLDR, "Language Plural Rules", cardinals).

Natural numbers only. Left out: fractions, and the "many" of French, Italian, Portuguese and Spanish from a million on.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum


class Plural(StrEnum):
    """The categories of CLDR; what a language calls plural may need up to five of them."""

    ZERO = "zero"
    ONE = "one"
    TWO = "two"
    FEW = "few"
    MANY = "many"
    OTHER = "other"


Rule = Callable[[int], Plural]


def _none(_: int) -> Plural:
    return Plural.OTHER


def _one(n: int) -> Plural:
    return Plural.ONE if n == 1 else Plural.OTHER


def _zero_one(n: int) -> Plural:
    return Plural.ONE if n < 2 else Plural.OTHER


def _czech(n: int) -> Plural:
    return Plural.FEW if 2 <= n <= 4 else _one(n)


def _east_slavic(n: int) -> Plural:
    if n % 10 == 1 and n % 100 != 11:
        return Plural.ONE
    return Plural.FEW if _ends_in_2_to_4(n) else Plural.MANY


def _polish(n: int) -> Plural:
    if n == 1:
        return Plural.ONE
    return Plural.FEW if _ends_in_2_to_4(n) else Plural.MANY


def _ends_in_2_to_4(n: int) -> bool:
    """As it is said: 22 does, 12 does not."""
    return 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14


def _romanian(n: int) -> Plural:
    if n == 1:
        return Plural.ONE
    return Plural.FEW if n == 0 or 1 <= n % 100 <= 19 else Plural.OTHER


def _icelandic(n: int) -> Plural:
    return Plural.ONE if n % 10 == 1 and n % 100 != 11 else Plural.OTHER


def _arabic(n: int) -> Plural:
    if n <= 2:
        return (Plural.ZERO, Plural.ONE, Plural.TWO)[n]
    if 3 <= n % 100 <= 10:
        return Plural.FEW
    return Plural.MANY if n % 100 >= 11 else Plural.OTHER


def _welsh(n: int) -> Plural:
    forms = {0: Plural.ZERO, 1: Plural.ONE, 2: Plural.TWO, 3: Plural.FEW, 6: Plural.MANY}
    return forms.get(n, Plural.OTHER)


def _filipino(n: int) -> Plural:
    return Plural.OTHER if n % 10 in (4, 6, 9) else Plural.ONE


RULES: Mapping[str, Rule] = {
    "none": _none,
    "one": _one,
    "zero-one": _zero_one,
    "czech": _czech,
    "east-slavic": _east_slavic,
    "polish": _polish,
    "romanian": _romanian,
    "icelandic": _icelandic,
    "arabic": _arabic,
    "welsh": _welsh,
    "filipino": _filipino,
}
"""By the name that a phrase file gives."""

COUNTED = range(1, 201)
"""Enough to meet every category: no rule looks at more than two digits. No text has 0 minutes."""


def numbers_of(rule: Rule) -> Mapping[str, Sequence[int]]:
    """The categories that a rule yields from 1 on, each with its numbers up to 200."""
    found: dict[str, list[int]] = {}
    for n in COUNTED:
        found.setdefault(rule(n), []).append(n)
    return found
