"""The tables of a PostgreSQL database as they are, for a copy (see `store.copying`)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from daemon.store.copying import Row, Table
from daemon.store.postgres.address import Address
from daemon.store.postgres.connection import as_json, away, query
from daemon.store.postgres.saving import upsert
from daemon.store.postgres.session import begin

COPY_S = 600.0
"""The longest for one page, count or ANALYZE of a copy; then the server hangs. No unit of systemd waits for it."""
NUMBERED = {
    "request_id": ("request", "id"),
    "check_id_seq": ("check", "id"),
    "history_seq_seq": ("history", "seq"),
    "sent_id_seq": ("sent", "id"),
}


class PostgresTables:
    """A `Side` of a copy. Raises StoreUnusable where it is made, too."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._db = begin(address).connection
        self._db.answer_s = COPY_S
        with self._translated():
            self._db.execute("SET statement_timeout = 0")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            raise away(self._address, exc) from exc

    def count(self, table: Table) -> int:
        with self._translated():
            found = self._db.execute(query(f'SELECT count(*) FROM "{table.name}"')).fetchone()  # noqa: S608
        assert found is not None, "an aggregate has a row"
        return int(found[0])

    def last(self, table: Table) -> Row | None:
        key = table.columns[: table.key]
        order = ", ".join(f"{name} DESC" for name in key)
        with self._translated():
            text = f'SELECT {", ".join(key)} FROM "{table.name}" ORDER BY {order} LIMIT 1'  # noqa: S608
            return self._db.execute(query(text)).fetchone()

    def page(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        key = ", ".join(table.columns[: table.key])
        where = f"WHERE ({key}) > ({', '.join(['%s'] * table.key)})" if after is not None else ""
        text = f'SELECT {", ".join(table.columns)} FROM "{table.name}" {where} ORDER BY {key} LIMIT %s'  # noqa: S608
        with self._translated():
            return list(self._db.execute(query(text), (*(after or ()), limit)).fetchall())

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        text = upsert(table.name, table.columns, table.columns[: table.key])
        with self._translated():
            self._db.execute(query(text), (as_json(rows),))

    def forget(self, name: str) -> None:
        with self._translated():
            self._db.execute("DELETE FROM meta WHERE name=%s", (name,))

    def last_numbers(self) -> Mapping[str, int]:
        with self._translated():
            return {table: self._last_number(sequence) for sequence, (table, _) in NUMBERED.items()}

    def _last_number(self, sequence: str) -> int:
        text = f"SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {sequence}"  # noqa: S608
        found = self._db.execute(query(text)).fetchone()
        assert found is not None, "a sequence has a row"
        return int(found[0])

    def make_ready(self, last_numbers: Mapping[str, int]) -> None:
        """Its planner would guess, until it has looked at so many new rows by itself."""
        with self._translated():
            self._db.execute("ANALYZE")
            for sequence, (table, column) in NUMBERED.items():
                behind = f'SELECT setval(%s, greatest(max({column}), %s) + 1, false) FROM "{table}"'  # noqa: S608
                self._db.execute(query(behind), (sequence, last_numbers.get(table, 0)))

    def close(self) -> None:
        self._db.close()
