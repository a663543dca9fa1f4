"""The files of the database: nobody else may read them, and one daemon has them at a time."""

import contextlib
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Any

from daemon.store.contract import StoreUnusable

PRIVATE = 0o600
INDEX = "-shm"
SIDE_FILES = ("-wal", INDEX)


def lock_of(database: Path) -> Path:
    """The file whose lock keeps a second daemon out."""
    return database.with_suffix(".lock")


def aside(database: Path) -> Path:
    """A name for what was at its path, by the time; `backup.put_aside` finds it again."""
    return database.with_name(f"{database.name}.{time.strftime('%Y%m%dT%H%M%S')}")


def private(path: Path) -> int:
    """A descriptor of a file, made if it is not there, which nobody else may read, whatever the umask.

    SQLite gives its log and its index the mode of the database. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) not in (PRIVATE, 0o640):  # the operator may have let a group in
        with contextlib.suppress(PermissionError):  # it is another user's
            os.fchmod(descriptor, PRIVATE)
    return descriptor


def private_files(path: Path) -> None:
    """The database and those beside it, before SQLite has them: its locks would die with a descriptor of ours."""
    for each in (path, *(Path(f"{path}{more}") for more in SIDE_FILES)):
        if each == path or each.exists():
            os.close(private(each))


def lock(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.fdopen(private(path), "a")
    except OSError as exc:
        raise StoreUnusable(f"cannot write {path}: {exc.strerror}; may this user write to {path.parent}?") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        handle.close()
        raise StoreUnusable(f"cannot lock {path}: another pinwheeld is running on this database") from exc
    return handle
