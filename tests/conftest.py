"""What several files of tests use."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store
from tests import examples  # noqa: F401 - registers the profile
from tests.determined import pytest_sessionstart  # noqa: F401 - a hook of pytest
from tests.peers.postgres import Cluster, cluster

settings.load_profile("pinwheel")


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user may enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="pinwheel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(SqliteDatabase(tmp_path / "pinwheel.db"))
    opened.open()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL that runs; each test takes a database of its own."""
    with cluster() as server:
        yield server
