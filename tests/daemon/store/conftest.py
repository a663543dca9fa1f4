"""A database in a SQLite file, open. Tests of another one have a fixture of this name of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.sqlite.database import SqliteDatabase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(path)
    opened.open()
    yield opened
    opened.close()
