"""What several files of tests use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "pinwheel.db")
    opened.open()
    yield opened
    opened.close()
