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
import daemon.start
from daemon.store.sqlite.database import SqliteDatabase
from daemon.store.store import Store

store = Store(SqliteDatabase(Path(sys.argv[1])))
store.open()
store.close()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_start_loads_no_library_that_only_some_starts_need(tmp_path: Path) -> None:
    """sqlite-utils loads numpy where that is installed: there used to be 80 ms and 12 MB of it in every daemon.

    phonenumbers is loaded once the daemon is ready, dnspython for a server that is a bare name.
    """
    first, second = (
        set(subprocess.check_output([sys.executable, "-c", START, str(tmp_path / "p.db")], text=True).split())
        for _ in range(2)
    )
    assert "sqlite_utils" in first
    heavy = {"sqlite_utils", "numpy", "dateutil", "cryptography", "soundfile", "phonenumbers", "dns"}
    drivers = {"serial", "pyVoIP", "gsmmodem"}
    assert second & (heavy | drivers) == set()


def test_a_voice_driver_loads_the_dns_only_for_a_server_that_is_a_bare_name() -> None:
    """There used to be 57 ms of dnspython in each start with a trunk."""
    code = (
        "import sys, drivers.pyvoip.driver as d, drivers.pyvoip.server_location as l\n"
        "from drivers.sip.address import TransportKind\n"
        "for server in ('127.0.0.1', 'localhost:5060'): l.locate(server, TransportKind.UDP)\n"
        "sys.exit('dns' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
