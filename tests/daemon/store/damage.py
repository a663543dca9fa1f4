"""A file in which something is not what SQLite wrote."""

import struct
from contextlib import closing
from pathlib import Path

from daemon.store.sqlite.library import PAGE_SIZE, connect

INTERIOR = (2, 5)
"""Of an index, and of a table; a page with its rows is of another kind (SQLite's "Database File Format", 1.6)."""


def spoil(path: Path, name: str) -> None:
    """Damage the first page that has rows of a table, or entries of an index, once all is in the file."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (name,)).fetchone()
    with path.open("r+b") as file:
        while True:
            start = (page - 1) * PAGE_SIZE
            file.seek(start)
            octets = file.read(PAGE_SIZE)
            if octets[0] not in INTERIOR:
                break
            (cell,) = struct.unpack(">H", octets[12:14])
            (page,) = struct.unpack(">I", octets[cell : cell + 4])
        file.seek(start)
        file.write(b"\xff" * PAGE_SIZE)
