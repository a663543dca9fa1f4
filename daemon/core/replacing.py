"""`replace` of the standard library, without `__init__`: the core makes several new values of each request."""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def replace(value: T, **changes: Any) -> T:
    """A new value of a dataclass with several slots and no `__post_init__`, with some of its fields changed."""
    kind: Any = type(value)
    places, get, setters = _fields(kind)
    values = list(get(value))
    for name, changed in changes.items():
        values[places[name]] = changed
    new = object.__new__(kind)
    for put, each in zip(setters, values, strict=True):
        put(new, each)
    return new  # type: ignore[no-any-return]


@cache
def _fields(kind: Any) -> tuple[dict[str, int], Any, list[Callable[[Any, Any], None]]]:
    names = tuple(kind.__dataclass_fields__)
    setters = [kind.__dict__[name].__set__ for name in names]
    return {name: place for place, name in enumerate(names)}, attrgetter(*names), setters
