"""What several files of tests use."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.sqlite.store import SqliteStore


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user may enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="pinwheel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "pinwheel.db")
    opened.open()
    yield opened
    opened.close()
