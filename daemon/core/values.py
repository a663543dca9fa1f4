"""What the core's values are: dataclasses with slots that nobody changes.

mypy refuses a change (`frozen_default`, PEP 681); nothing looks for one at run time. A dataclass that is frozen
then, too, sets each field by a call, and takes four times as long to make: each start of a verification makes twenty.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """A class as a value: with `__init__`, `__eq__`, `__hash__` and `__repr__` by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(kind)
