"""The files of a database that is open: a look at their paths, and what was last known of them."""

import contextlib
import os
from pathlib import Path

from daemon.store.sqlite.files import INDEX, SIDE_FILES, lock_of
from daemon.store.sqlite.in_place import File, Files, Judgement, judged
from daemon.store.sqlite.library import LOG_LIMIT

# Places in the index of the log (SQLite's "WAL-mode File Format", 2.1): the salt of the log, and how many of its frames
# were folded into the database, or were to be.
FOLDED = (slice(32, 40), slice(96, 100), slice(128, 132))
INDEX_HEAD = 132  # octets
HEAD = 100  # octets: SQLite's header of a database, with its size and the number of its free pages
DESCRIPTORS = Path("/proc/self/fd")


class OpenFiles:
    """Made once SQLite has the database open, and closed when it has it no more. For one thread.

    The database itself is not opened: POSIX locks, which SQLite has on it, die with any close().
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = str(path)
        self._beside = (*(f"{path}{more}" for more in SIDE_FILES), str(lock_of(path)))
        self._descriptor, self._index = _duplicate(path), _duplicate(Path(f"{path}{INDEX}"))
        self._ours = self._with(self._open())

    def close(self) -> None:
        os.close(self._descriptor)
        os.close(self._index)

    def changed(self) -> None:
        """The daemon has changed the database itself, and may have cut its log."""
        log = self._ours.wal
        self._ours = self._ours._replace(database=self._open(), wal=log and log._replace(size=0), folded=self._folded())

    def look(self) -> Judgement | None:
        """What is not in its place; it is the same as long as nothing changes."""
        found = self._with(self._there())
        wrong = judged(self._path, self._ours, found, LOG_LIMIT)
        if wrong is None:
            self._ours = found
        return wrong

    def _with(self, database: File | None) -> Files:
        wal, shm, lock = map(_at, self._beside)
        return Files(database, wal, shm, lock, self._folded())

    def _there(self) -> File | None:
        there, ours = _at(self._path), self._open()
        if there is None:
            return None
        return ours if there[:2] == ours[:2] else there._replace(head=_head(self._path, ours))

    def _open(self) -> File:
        """What SQLite has open, wherever it is now."""
        found = os.fstat(self._descriptor)
        return File(found.st_dev, found.st_ino, found.st_size, os.pread(self._descriptor, HEAD, 0))

    def _folded(self) -> bytes:
        head = os.pread(self._index, INDEX_HEAD, 0)
        return b"".join(head[place] for place in FOLDED)


def _at(path: str) -> File | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return File(found.st_dev, found.st_ino, found.st_size)


def _head(path: str, ours: File) -> bytes:
    """Of another file than ours."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        head = os.pread(descriptor, HEAD, 0)
        if os.fstat(descriptor).st_ino != ours.inode:  # it was put back just now: SQLite's locks would die
            os.close(descriptor)
        return head
    return b""


def _duplicate(path: Path) -> int:
    """Of the descriptor under which SQLite has the database open. Raises OSError."""
    wanted = os.stat(path)
    for name in os.listdir(DESCRIPTORS):
        with contextlib.suppress(OSError):  # the one by which the directory itself was read is closed
            if os.path.samestat(os.fstat(int(name)), wanted):
                return os.dup(int(name))
    raise FileNotFoundError(f"no open file of this process is {path}")
