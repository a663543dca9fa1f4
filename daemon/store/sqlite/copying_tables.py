"""The tables of a SQLite file as they are, for a copy (see `store.copying`)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.store.contract import StoreUnusable
from daemon.store.copying import Row, Table
from daemon.store.sqlite.faults import unusable
from daemon.store.sqlite.files import lock, lock_of, private_files
from daemon.store.sqlite.library import connect, empty_log, sqlite, transaction
from daemon.store.sqlite.migrations import migrate
from daemon.store.sqlite.numbering import go_on_behind, last_numbers


class SqliteTables:
    """A `Side` of a copy. Raises StoreUnusable where it is made, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Any = lock(lock_of(path))
        try:
            with self._translated():
                private_files(path)
                self._db = connect(path)
                migrate(self._db)
        except StoreUnusable:
            self._lock.close()
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite.Error, OSError) as exc:
            raise unusable(f"cannot use the database {self._path}", exc) from exc

    def count(self, table: Table) -> int:
        with self._translated():
            return int(self._db.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0])  # noqa: S608

    def last(self, table: Table) -> Row | None:
        key = _columns(table)[: table.key]
        order = ", ".join(f"{name} DESC" for name in key)
        with self._translated():
            query = f'SELECT {", ".join(key)} FROM "{table.name}" ORDER BY {order} LIMIT 1'  # noqa: S608
            found: Row | None = self._db.execute(query).fetchone()
        return found

    def page(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        names = _columns(table)
        key = ", ".join(names[: table.key])
        where = f"WHERE ({key}) > ({', '.join('?' * table.key)})" if after is not None else ""
        query = f'SELECT {", ".join(names)} FROM "{table.name}" {where} ORDER BY {key} LIMIT ?'  # noqa: S608
        with self._translated():
            return list(self._db.execute(query, (*(after or ()), limit)))

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        names = _columns(table)
        places = ", ".join("?" * len(names))
        query = f'INSERT OR REPLACE INTO "{table.name}" ({", ".join(names)}) VALUES ({places})'  # noqa: S608
        with self._translated(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(query, rows)

    def forget(self, name: str) -> None:
        with self._translated():
            self._db.execute("DELETE FROM meta WHERE name=?", (name,))

    def last_numbers(self) -> Mapping[str, int]:
        with self._translated():
            return last_numbers(self._db)

    def make_ready(self, last_numbers: Mapping[str, int]) -> None:
        """SQLite takes the numbers of requests and others behind the highest by itself."""
        with self._translated(), transaction(self._db):
            go_on_behind(self._db, last_numbers["history"])

    def close(self) -> None:
        with self._translated():
            empty_log(self._db)
        self._db.close()
        self._lock.close()


def _columns(table: Table) -> list[str]:
    """What SQLite calls them: `sent` has only the row id that every table has."""
    return ["rowid" if (table.name, name) == ("sent", "id") else name for name in table.columns]
