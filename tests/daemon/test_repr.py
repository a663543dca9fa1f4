"""Secrets and numbers do not show when a value is printed, as in a traceback or a debug line."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import daemon
import drivers
from tests.daemon.core.story import request

TELLING = {"number", "numbers", "recipient", "pin", "pin_code", "code", "sealed_pin", "secret", "password", "pdu"}
NUMBER = "447700900123"


def classes_of_the_product() -> Iterator[type]:
    for package in (daemon, drivers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                found = vars(importlib.import_module(module.name)).values()
                yield from (each for each in found if isinstance(each, type) and each.__module__ == module.name)


def dataclasses_of_the_product() -> Iterator[type]:
    return filter(dataclasses.is_dataclass, classes_of_the_product())


def named_tuples_of_the_product() -> Iterator[Any]:
    return (each for each in classes_of_the_product() if issubclass(each, tuple) and hasattr(each, "_fields"))


def is_count(kind: object) -> bool:
    """Whether a field of this type holds a number of ours, such as a status code."""
    return kind == int | None or (isinstance(kind, type) and issubclass(kind, int))


@pytest.mark.parametrize(
    "kind", list(dataclasses_of_the_product()), ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_no_field_that_may_hold_a_number_or_a_secret_shows(kind: type) -> None:
    """There used to be no such test, and some values showed them."""
    fields = dataclasses.fields(kind)
    telling = [field for field in fields if field.name.strip("_") in TELLING and not is_count(field.type)]
    shown = [field.name for field in telling if field.repr]
    assert shown == []


@pytest.mark.parametrize(
    "kind", list(named_tuples_of_the_product()), ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_no_named_tuple_shows_a_number_or_a_secret(kind: Any) -> None:
    """Only dataclasses used to be looked at, so what a batch writes showed the numbers."""
    telling = {name for name, what in kind.__annotations__.items() if name in TELLING and not is_count(what)}
    value = kind(**{name: NUMBER if name in telling else "" for name in kind._fields})
    assert NUMBER not in repr(value)


def test_a_request_prints_no_number() -> None:
    assert NUMBER not in repr(request(1, own_pin=True))
    assert "sealed" not in repr(request(1, own_pin=True)).replace("sealed_pin", "")
