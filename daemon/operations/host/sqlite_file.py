"""The SQLite file: whole or damaged, whose it is, how long its log is. It changes nothing, and makes no file."""

import os
import pwd
from contextlib import closing
from pathlib import Path

from daemon.operations.host.values import Database, Missing

FINDINGS = 3
HEADING = "*** in database"  # of what quick_check finds in one of them


def database(path: Path, user: str) -> Database | Missing:
    """user: the service's, "" for that of its folder."""
    from daemon.store.sqlite.library import look_into, sqlite  # late: not every gateway has SQLite

    if not os.path.isfile(path):
        return Missing("there is no database yet")
    log = Path(f"{path}-wal")
    owner, user = _name(os.stat(path).st_uid), user or _name(os.stat(path.parent).st_uid)
    try:
        with closing(look_into(path, at_rest=not log.exists())) as db:
            rows = [str(row[0]) for row in db.execute(f"PRAGMA quick_check({FINDINGS})")]
            found = [line for row in rows for line in row.splitlines() if not line.startswith(HEADING)][:FINDINGS]
    except sqlite.OperationalError as exc:  # it may not be opened, or is locked
        if owner == user:
            return Missing(str(exc))
        found = ["ok"]  # unknown: its owner must be corrected first
    except sqlite.DatabaseError as exc:
        found = [str(exc)]
    return Database(
        str(path),
        damage=() if found == ["ok"] else tuple(found),
        owner=owner,
        user=user,
        log=log.stat().st_size if log.exists() else 0,
        library=tuple(map(int, sqlite.sqlite_version.split("."))),
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
