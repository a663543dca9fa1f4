"""Which SQLite is used, and what a start loads for it."""

import subprocess
import sys
from pathlib import Path

import sqlite_utils.utils

from daemon.store.sqlite.library import sqlite


def test_sqlite_utils_takes_the_same_library() -> None:
    """Two of them on one file in one process would lose each other's locks."""
    assert vars(sqlite_utils.utils)["sqlite3"] is sqlite


START = """
import sys
from pathlib import Path
import daemon.main
from daemon.store.sqlite.store import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
store.open()
store.close()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_start_with_nothing_to_migrate_loads_neither_sqlite_utils_nor_numpy(tmp_path: Path) -> None:
    """sqlite-utils loads numpy where that is installed: there used to be 80 ms and 12 MB of it in every daemon."""
    first, second = (
        set(subprocess.check_output([sys.executable, "-c", START, str(tmp_path / "p.db")], text=True).split())
        for _ in range(2)
    )
    assert "sqlite_utils" in first
    heavy = {"sqlite_utils", "numpy", "dateutil", "cryptography", "dns", "serial", "pyVoIP", "gsmmodem", "soundfile"}
    assert second & heavy == set()
