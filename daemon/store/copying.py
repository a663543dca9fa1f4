"""A database copied into another one, table by table and page by page; what was interrupted goes on.

Neither has a daemon meanwhile: whoever opens a `Side` holds its lock.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from daemon.store.contract import COPY_OF, StoreUnusable
from daemon.store.rows import ATTEMPT_COLUMNS, HISTORY_COLUMNS, REQUEST_COLUMNS, names

PAGE = 1000  # rows that are written in one commit
SOURCE_ID = "database id"  # a setting: what the source is called
OWNED = ("owner", "lease_until_ms", "epoch")

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """key: of how many of the first columns; rows are copied in their order, so that a copy can go on."""

    name: str
    columns: tuple[str, ...]
    key: int = 1


TABLES = (
    Table("request", ("id", *names(REQUEST_COLUMNS), *OWNED)),
    Table("attempt", ("request", *names(ATTEMPT_COLUMNS), *OWNED), key=2),
    Table("check", ("id", "request", "at_ms", "valid", "ip_address")),
    Table("history", ("seq", *names(HISTORY_COLUMNS))),
    Table("sent", ("id", "device", "at_ms", "number")),
    Table("meta", ("name", "value")),
)
META = TABLES[-1]


class Side(Protocol):
    """One of the two databases, opened and locked. Each method raises StoreUnusable."""

    def count(self, table: Table) -> int: ...

    def last(self, table: Table) -> Row | None:
        """The key of the last row."""

    def page(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """The next rows behind a key, in the order of their keys."""

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows, or write over those of the same key; durable when it returns."""

    def forget(self, name: str) -> None:
        """Remove a setting."""

    def last_numbers(self) -> Mapping[str, int]:
        """By table, the highest number that was ever given, also to a row that was deleted since; history has one."""

    def make_ready(self, last_numbers: Mapping[str, int]) -> None:
        """For a daemon: what is added from now on is numbered behind these, and behind what is there."""

    def close(self) -> None: ...


def copy(source: Side, target: Side, progress: Callable[[str, int, int], None]) -> dict[str, int]:
    """The rows of each table, which are all in the target now. progress: gets a table, its rows there, and all.

    Raises StoreUnusable, for one where the target has data that are not from this source.
    """
    _claim(source, target)
    for table in TABLES:
        total, done = source.count(table), target.count(table)
        after = target.last(table) if table is not META else None
        progress(table.name, done, total)
        for rows in _pages(source, table, after):
            target.put(table, rows)
            done += len(rows)
            progress(table.name, min(done, total), total)
    counts = {table.name: _same(source, target, table) for table in TABLES}
    target.make_ready(source.last_numbers())
    target.forget(COPY_OF)
    return counts


def _claim(source: Side, target: Side) -> None:
    """The target is empty, or has a part of this source from before."""
    if _setting(source, COPY_OF) is not None:
        raise StoreUnusable("the source is itself a copy that is not complete; complete that first")
    known = _setting(source, SOURCE_ID)
    if known is None:
        known = secrets.token_hex(16)
        source.put(META, [(SOURCE_ID, known)])
    begun = _setting(target, COPY_OF)
    if begun is None and any(target.count(table) for table in TABLES):
        raise StoreUnusable("the target is not empty; name a database that has no data")
    if begun not in (None, known):
        raise StoreUnusable("the target has a part of another database; name one that has no data")
    target.put(META, [(COPY_OF, known)])


def _setting(side: Side, name: str) -> str | None:
    return next((str(value) for key, value in side.page(META, None, 10_000) if key == name), None)


def _pages(side: Side, table: Table, after: Row | None) -> Iterator[list[Row]]:
    while rows := side.page(table, after, PAGE):
        yield rows
        after = rows[-1][: table.key]


def _same(source: Side, target: Side, table: Table) -> int:
    """How many rows both have, which are the same."""
    (count, digest), (copied, its_digest) = _digest(source, table), _digest(target, table)
    if (count, digest) != (copied, its_digest):
        raise StoreUnusable(
            f"the table {table.name} differs ({copied} of {count} rows are there): the source has changed since"
            " the copy began; empty the target, and copy again"
        )
    return count


def _digest(side: Side, table: Table) -> tuple[int, str]:
    count, digest = 0, hashlib.sha256()
    for rows in _pages(side, table, None):
        kept = [row for row in rows if table is not META or row[0] != COPY_OF]
        count += len(kept)
        digest.update(repr([[_plain(value) for value in row] for row in kept]).encode() if kept else b"")
    return count, digest.hexdigest()


def _plain(value: Any) -> Any:
    """As both databases keep it: no boolean of its own, and no NUL in a text."""
    if isinstance(value, bool):
        return int(value)
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
