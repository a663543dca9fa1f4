"""What the core's values are: dataclasses with slots that nobody changes.

mypy refuses a change (`frozen_default`, PEP 681); nothing looks for one at run time. A dataclass that is frozen
then, too, sets each field by a call, and takes four times as long to make: each start of a verification makes twenty.

Only `__init__` is compiled for each class. A dataclass compiles three to five methods more, which are the same for all
but for the names of their fields, and takes three times as long to define: each start defines seventy of these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """A class as a value: with `__init__`, `__eq__`, `__hash__` and `__repr__` by its fields."""
    kind.__doc__ = kind.__doc__ or kind.__name__  # else the dataclass would work out a signature
    made: Any = dataclass(slots=True, eq=False, repr=False)(kind)
    compared = _tuple_of([each.name for each in fields(made) if each.compare])
    shown = [each.name for each in fields(made) if each.repr]

    def __eq__(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: object) -> int:
        return hash(compared(self))

    def __repr__(self: object) -> str:
        return f"{self.__class__.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    for method in (__eq__, __hash__, __repr__):
        if method.__name__ not in vars(kind):
            setattr(made, method.__name__, method)
    return made  # type: ignore[no-any-return]


def _tuple_of(names: Sequence[str]) -> Callable[[object], tuple[object, ...]]:
    """Of an object, the attributes with these names."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda each: tuple(getattr(each, name) for name in names)
