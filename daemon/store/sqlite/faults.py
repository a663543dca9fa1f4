"""What SQLite itself is to blame for: a disk that is full or gone, and a damaged file; and the words for that."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from daemon.store.condition import RESTORE
from daemon.store.contract import Damaged, StoreUnusable
from daemon.store.sqlite.library import sqlite

T = TypeVar("T")
PRIMARY = 0xFF  # of a result code: the bits above say more
REMEDY = f"the file is damaged: {RESTORE}"

Failed = Callable[[Any], StoreUnusable]
"""Gets the error of SQLite."""


def is_damage(exc: Exception) -> bool:
    """Whether the file is not what SQLite once wrote (SQLITE_CORRUPT, SQLITE_NOTADB): it stays so."""
    return getattr(exc, "sqlite_errorcode", 0) & PRIMARY in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB)


def of_the_database(exc: Exception) -> bool:
    """Everything else is the fault of one command."""
    return isinstance(exc, sqlite.OperationalError) or is_damage(exc)


def unusable(what: str, exc: Exception, remedy: str = "") -> StoreUnusable:
    """what: could not be done. remedy: where the file is whole."""
    if is_damage(exc):
        return Damaged(f"{what}: {exc}; {REMEDY}")
    return StoreUnusable(f"{what}: {exc}{remedy}")


def unreadable(exc: Exception) -> StoreUnusable:
    return unusable("cannot read the database", exc)


def reading(asked: type[T]) -> type[T]:
    """A class whose methods ask a connection: each raises what its `failed` makes of an error of SQLite."""
    for name, method in list(vars(asked).items()):
        if callable(method) and not name.startswith("_"):
            setattr(asked, name, _translated(method))
    return asked


def _translated(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def ask(self: Any, *values: Any, **named: Any) -> Any:
        try:
            return method(self, *values, **named)
        except sqlite.Error as exc:
            raise self.failed(exc) from exc

    return ask
