"""Telephone numbers as logs, events and pages may show them."""

import re

HASHED = "h:"  # in front of the hash that is kept in place of a number
NUMBER = re.compile(r"\d{7,32}")  # seven: as short as national numbers are; digits of any script


def masked(number: str) -> str:
    """447700900123 -> 4477******23; the hash of a number stays as it is."""
    if number.startswith(HASHED):
        return number
    return number[:4] + "*" * (len(number) - 6) + number[-2:] if len(number) > 6 else "*" * len(number)


def without_numbers(text: str) -> str:
    """A text in which whatever may be a telephone number is masked."""
    return NUMBER.sub(lambda found: masked(found[0]), text)
