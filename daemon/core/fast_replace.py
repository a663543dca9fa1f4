"""`replace` of the standard library, in a fifth of its time: the core makes several new values of each request."""

from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def replace(value: T, **changes: Any) -> T:
    """A new value with several fields, some of them changed. Its `__init__` takes every field by its place."""
    kind: Any = type(value)
    places, get = _fields(kind)
    values = list(get(value))
    for name, changed in changes.items():
        values[places[name]] = changed
    return kind(*values)  # type: ignore[no-any-return]


@cache
def _fields(kind: Any) -> tuple[dict[str, int], Any]:
    names = tuple(kind.__dataclass_fields__)
    return {name: place for place, name in enumerate(names)}, attrgetter(*names)
