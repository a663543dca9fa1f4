"""Whether the files that the daemon has open are still those at their paths. Pure.

Somebody may move, delete, replace or write over the database of a running daemon. SQLite goes on with what it has
open, and after the next start nobody would find what was written meanwhile. A program that uses it by SQLite is no
such thing: what it writes stands in SQLite's index of the log, too.
"""

from enum import Enum, auto
from typing import NamedTuple

from daemon.store.condition import RESTORE, Misplaced


class File(NamedTuple):
    """What a path names. size: in octets; head: the first of them, which are only looked at in the database."""

    device: int
    inode: int
    size: int = 0
    head: bytes = b""


class Files(NamedTuple):
    """What the paths name; None: nothing. wal: the log, shm: its index.

    folded: by that index, which log it is, and how much of it was folded into the database.
    """

    database: File | None
    wal: File | None
    shm: File | None
    lock: File | None
    folded: bytes = b""


class Kind(Enum):
    """What can become of it.

    AWAY: the daemon has a whole database open, which is not at its path; it goes on once that is there again.
    COPIED: at its path is a copy of it, and its log is beside that: the daemon starts again, with all that was written.
    OVERWRITTEN: what the daemon has open is no whole database of its own any more.
    BESIDE: the database is at its path, a file beside it is not: the daemon starts again, with all that was written.
    """

    AWAY = auto()
    COPIED = auto()
    OVERWRITTEN = auto()
    BESIDE = auto()


class Judgement(NamedTuple):
    kind: Kind
    said: Misplaced


GONE = "put it back: the daemon goes on by itself; a restart without it begins with an empty database"
OTHER = "put the earlier one back: the daemon goes on by itself; a restart begins with the one that is there"
AGAIN = "the daemon starts again by itself"


def judged(path: str, ours: Files, found: Files, kept: int) -> Judgement | None:
    """None: all is in its place. ours: as they were when the daemon last changed them, or looked.

    kept: to how many octets SQLite may cut the log by itself.
    """
    there, log = found.database, found.wal
    if there is None:
        return Judgement(Kind.AWAY, Misplaced(f"{path} is not there any more: it was moved or deleted", GONE))
    if not _same(ours.database, there):
        if ours.database is not None and there[2:] == ours.database[2:]:
            return Judgement(Kind.COPIED, Misplaced(f"{path} was replaced by a copy of it", AGAIN))
        return Judgement(Kind.AWAY, Misplaced(f"{path} was replaced by another file", OTHER))
    by_sqlite = found.folded != ours.folded
    if there != ours.database and not by_sqlite:
        return Judgement(Kind.OVERWRITTEN, Misplaced(f"something has written over {path}", RESTORE))
    cut = log is not None and ours.wal is not None and _same(ours.wal, log) and log.size < min(ours.wal.size, kept)
    if cut and not by_sqlite:
        return Judgement(Kind.OVERWRITTEN, Misplaced(f"something has cut {path}-wal", RESTORE))
    beside = (("its log", ours.wal, log), ("its index", ours.shm, found.shm), ("its lock", ours.lock, found.lock))
    for what, before, now in beside:
        if not _same(before, now):
            return Judgement(Kind.BESIDE, Misplaced(f"{what} beside {path} was deleted or replaced", AGAIN))
    return None


def _same(before: File | None, now: File | None) -> bool:
    """One file, whatever is in it."""
    return before is not None and now is not None and before[:2] == now[:2]
