"""A copy of the database in one file, also while the daemon runs, and the way back.

The copy is made by a connection that only reads (VACUUM INTO): it has what was committed before it began, and nothing
that was deleted. A file counts as a backup only once it has been checked and is on the disk under its name.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from daemon.durable import sync
from daemon.store.contract import StoreUnusable
from daemon.store.sqlite.files import SIDE_FILES, aside, lock, lock_of
from daemon.store.sqlite.library import PAGE_SIZE, PATIENCE_MS, Connection, look_into, sqlite
from daemon.store.sqlite.migrations import MIGRATIONS
from daemon.store.sqlite.numbering import go_on_behind, last_seq
from daemon.store.sqlite.reading import SqliteReading


def back_up(database: Path, target: Path) -> int:
    """Write the database into one file, which only its owner may read, in place of one of that name.

    Returns its octets. Raises StoreUnusable or OSError; then `target` is as it was.
    """
    with as_it_is(database) as db, _beside(target) as copy:
        try:
            db.execute(f"PRAGMA page_size={PAGE_SIZE}")  # of the copy; that of the database stays
            db.execute("PRAGMA secure_delete=ON")  # of the copy, too: else what rows leave in its pages stays there
            db.execute("VACUUM INTO ?", (str(copy),))
        except sqlite.Error as exc:
            raise StoreUnusable(f"cannot copy the database {database}: {exc}; is there room for {target}?") from exc
        check(copy)
        _rename(copy, target)
    return target.stat().st_size


@contextmanager
def as_it_is(database: Path) -> Iterator[Connection]:
    """A connection that only reads and makes no file, also while the daemon runs; no daemon starts meanwhile.

    Raises StoreUnusable or OSError.
    """
    with _not_started_meanwhile(database) as stopped, _read(database, stopped=stopped) as db:
        yield db


@contextmanager
def _read(database: Path, *, stopped: bool) -> Iterator[Connection]:
    """stopped: no daemon has it, and none begins meanwhile. Raises StoreUnusable or OSError."""
    if not database.exists():
        raise StoreUnusable(f"there is no database {database}")
    log = Path(f"{database}-wal")
    at_rest = stopped and not (log.exists() and log.stat().st_size)
    try:
        with closing(look_into(database, at_rest=at_rest)) as db:
            db.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
            yield db
    except sqlite.Error as exc:
        raise StoreUnusable(f"cannot read the database {database}: {exc}") from exc


def check(copy: Path) -> None:
    """Whether a file at rest is a whole database of this Pinwheel or an earlier one. Raises StoreUnusable."""
    try:
        with closing(look_into(copy, at_rest=True)) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(5)")]
            names = {name for (name,) in db.execute("SELECT name FROM migration")}
    except sqlite.Error as exc:
        raise StoreUnusable(f"{copy} is no database of Pinwheel: {exc}") from exc
    if found != ["ok"]:
        raise StoreUnusable(f"{copy} is damaged: {'; '.join(found)}")
    if newer := names - {name for name, _ in MIGRATIONS}:
        raise StoreUnusable(f"{copy} was made by a newer Pinwheel ({', '.join(sorted(newer))}); upgrade this one")


@contextmanager
def taking_over(database: Path, source: BinaryIO) -> Iterator[Path]:
    """A checked copy of a backup beside the database, while no daemon can start; `put_in_place` makes it the database.

    Raises StoreUnusable or OSError.
    """
    held = lock(lock_of(database))
    try:
        with _beside(database) as copy:
            with copy.open("wb") as new:
                shutil.copyfileobj(source, new)
            check(copy)
            _go_on_behind(database, copy)
            yield copy
    finally:
        held.close()


def _go_on_behind(database: Path, copy: Path) -> None:
    """Readers of events know numbers of the database that is replaced: none of them is given again."""
    seq = 0
    with contextlib.suppress(StoreUnusable), _read(database, stopped=True) as db:  # it is damaged, or there is none
        seq = last_seq(db)
    _change(copy, lambda changed: go_on_behind(changed, seq))


def take_setting(name: str, database: Path, copy: Path) -> None:
    """Give the copy of `taking_over` what the database that it replaces knows under this name.

    Raises StoreUnusable or OSError.
    """
    with _read(database, stopped=True) as db:
        found = SqliteReading(db).meta(name)

    def take(changed: Connection) -> None:
        changed.execute("DELETE FROM meta WHERE name = ?", (name,))
        if found is not None:
            changed.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, found))

    _change(copy, take)


def _change(copy: Path, change: Callable[[Connection], None]) -> None:
    """Raises StoreUnusable."""
    try:
        with closing(sqlite.connect(str(copy))) as changed, changed:
            change(changed)
    except sqlite.Error as exc:
        raise StoreUnusable(f"cannot write {copy}: {exc}") from exc


def put_in_place(copy: Path, database: Path) -> Path | None:
    """Make it the database; returns where the one that was there is now. Raises OSError."""
    kept = aside(database)
    there = database.exists()
    if there:  # both names stay until the end: a power cut leaves the old database or the new one
        for more in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                os.link(f"{database}{more}", f"{kept}{more}")
        sync(database.parent)
    for more in SIDE_FILES:
        Path(f"{database}{more}").unlink(missing_ok=True)
    _rename(copy, database)
    return kept if there else None


def put_aside(database: Path) -> list[Path]:
    """The databases that `put_in_place` has replaced so far, with their logs."""
    return [*database.parent.glob(f"{glob.escape(database.name)}.*T*")]


@contextmanager
def _not_started_meanwhile(database: Path) -> Iterator[bool]:
    """Whether no daemon has the database; then none can begin to use it before the end. It makes no file."""
    try:
        descriptor = os.open(lock_of(database), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        stopped = True
    except BlockingIOError:
        stopped = False
    try:
        yield stopped
    finally:
        os.close(descriptor)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new, empty, private file in the same directory; it is gone at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _rename(copy: Path, target: Path) -> None:
    """Durably. Raises OSError."""
    sync(copy)
    copy.rename(target)
    sync(target.parent)
