"""The master key of the PINs: where it is, whether it can be used, and whether it is the one that the requests know.

A new key is made only if no live request needs the old one: without it, PINs that were sent cannot be checked.
The database holds the key's id, which says nothing of the key (HMAC-SHA256), so that a wrong one is noticed, too.

Rotation: the new key takes the place of the old one, which stays beside it (KEY.old). The next start finds there the
key that the database knows, and counts one more key. The old one is used for the requests that began under it.
"""

import fcntl
import hashlib
import hmac
import os
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.checks import user_name

if TYPE_CHECKING:
    from daemon.store.contract import Reading

KEY_BYTES = 32
ID_DIGITS = 16
CREDENTIAL = "pinwheel-key"
ID, NUMBER, OLD_ID = "key id", "key number", "old key id"  # settings of the database


class KeyUnusable(Exception):
    """The master key cannot be used; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the key is. ours: made by us on the first start. private: only its owner may read the file."""

    path: Path
    ours: bool = False
    private: bool = True

    @property
    def old(self) -> Path:
        """Where the key before it is, after a rotation."""
        return self.path.with_name(self.path.name + ("-old" if self.path.name == CREDENTIAL else ".old"))


@dataclass(frozen=True, slots=True)
class Known:
    """What a database knows of its master keys.

    id, number: of the key in use; "" before the first start. live: requests in progress. old_id, old_live: of the key
    before, while it may still be needed, and the live requests that began under it.
    """

    id: str = ""
    number: int = 1
    live: int = 0
    old_id: str = ""
    old_live: int = 0


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key in use with its number, and the one before (number - 1) while live requests need it."""

    current: bytes = field(repr=False)
    number: int = 1
    old: bytes | None = field(default=None, repr=False)


def place(key_file: str, state_directory: Path) -> Place:
    """`key_file`, else the systemd credential, else STATE/key."""
    if key_file:
        return Place(Path(key_file))
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / CREDENTIAL).exists():
        return Place(Path(credentials) / CREDENTIAL, private=False)
    return Place(state_directory / "key", ours=True)


def load(where: Place, known: Known) -> Keyring:
    """The keys; the first is made on the first start. Raises KeyUnusable."""
    if where.ours and not os.path.exists(where.path):
        refuse_if_missed(where, known.live)
        make(where.path)
    return judged(where, known, read_key(where.path, private=where.private), read_old_key(where))


def judged(where: Place, known: Known, current: bytes, old: bytes | None) -> Keyring:
    """Which key is which. old: what lies where the key before it does. Raises KeyUnusable."""
    old_id = identity(old) if old is not None else ""
    in_use = not known.id or same(known.id, identity(current))
    if not in_use and same(known.id, old_id):
        if known.old_live:
            raise KeyUnusable(
                f"cannot use the master key {where.path}: {known.old_live} live request(s) need the key before "
                f"{where.old}, and there is room for one old key only; put back the keys from before this rotation"
            )
        return Keyring(current, known.number + 1, old)
    if known.live > known.old_live and not in_use:
        raise KeyUnusable(
            f"cannot use the master key {where.path}: it is not the one that {known.live - known.old_live} live "
            "request(s) were started with; restore that one from your backup, or make their PINs invalid: "
            "pinwheel key adopt"
        )
    if known.old_live and not same(known.old_id, old_id):
        raise KeyUnusable(
            f"cannot find the old master key {where.old}, which {known.old_live} live request(s) need; restore it from "
            "your backup, or make their PINs invalid: pinwheel key adopt"
        )
    return Keyring(current, known.number, old if known.old_live else None)


def known_by(reading: "Reading") -> Known:
    """What a database knows. Raises StoreUnusable."""
    number, old_id = int(reading.meta(NUMBER) or 1), reading.meta(OLD_ID) or ""
    old_live = reading.live_under(number - 1) if old_id else 0  # it looks at all live requests: only after a rotation
    return Known(reading.meta(ID) or "", number, reading.live(), old_id, old_live)


def remember(keys: Keyring) -> dict[str, str]:
    """The settings of a database that uses these keys."""
    old_id = identity(keys.old) if keys.old is not None else ""
    return {ID: identity(keys.current), NUMBER: str(keys.number), OLD_ID: old_id}


def expected(database: Path) -> Known:
    """What a SQLite database knows; changes nothing.

    Nothing where there is no database yet, or where it cannot be read: the store and its checks say so.
    """
    from daemon.store.sqlite.library import look_into, sqlite  # late: who has no database needs no SQLite
    from daemon.store.sqlite.reading import SqliteReading

    if not os.path.isfile(database):  # nor where its directory may not be entered
        return Known()
    at_rest = not os.path.exists(f"{database}-wal")  # else the log holds what is new
    try:
        with closing(look_into(database, at_rest=at_rest)) as db:
            return known_by(SqliteReading(db))
    except sqlite.Error:
        return Known()


def check(where: Place, known: Known) -> None:
    """Whether `load` would succeed; makes no key. Raises KeyUnusable."""
    if where.ours and not os.path.exists(where.path):
        refuse_if_missed(where, known.live)
    else:
        load(where, known)


def refuse_if_missed(where: Place, live: int) -> None:
    """Raises KeyUnusable where the key is gone and live requests need it."""
    if live:
        raise KeyUnusable(
            f"cannot find the master key {where.path}, which {live} live request(s) need; restore it from your backup, "
            "or make another key, which makes the PINs that were sent invalid: pinwheel key new --force"
        )


def identity(key: bytes) -> str:
    """A name for the key from which it cannot be found."""
    return hmac.digest(key, b"pinwheel key id", hashlib.sha256).hex()[:ID_DIGITS]


def same(left: str, right: str) -> bool:
    return hmac.compare_digest(left, right)


def make(path: Path) -> None:
    """Write a new key; one that is there stays. Raises KeyUnusable."""
    try:
        write(path, os.urandom(KEY_BYTES))
    except FileExistsError:
        return
    except OSError as exc:
        raise KeyUnusable(f"cannot make the master key {path}: {exc.strerror}; is the directory writable?") from exc


def write(path: Path, key: bytes) -> None:
    """Write a key into a new file, which nobody but its owner may read. Raises OSError, also where the file exists."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
        new.write(key)
        new.flush()
        os.fsync(new.fileno())
    sync(path.parent)


def sync(directory: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def rotate(where: Place) -> None:
    """Put a new key in the place of the one that is there, which stays as the old one. Raises OSError or KeyUnusable.

    At each moment there is a key in its place, so that a start succeeds whenever this is cut off.
    """
    with alone(where.path.parent):
        current, owner = read_key(where.path, private=where.private), where.path.stat()
        for path, key in ((where.old, current), (where.path, os.urandom(KEY_BYTES))):
            new = path.with_name(f"{path.name}.new")
            new.unlink(missing_ok=True)
            write(new, key)
            if os.geteuid() == 0:
                os.chown(new, owner.st_uid, owner.st_gid, follow_symlinks=False)
            new.rename(path)
            sync(path.parent)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else replaces or deletes the keys in it meanwhile. Raises OSError, also where somebody does."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise OSError(exc.errno, "the keys in it are being changed", str(directory)) from None
    finally:
        os.close(opened)


def set_aside(path: Path) -> Path | None:
    """Rename the key that is there, and return its new path; None where there is none. Raises OSError."""
    if not path.exists():
        return None
    stamp = f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}"
    names = (path.with_name(stamp + more) for more in ("", *(f"-{count}" for count in range(1, 100))))
    return path.rename(next(name for name in names if not name.exists()))


def read_old_key(where: Place) -> bytes | None:
    """The key before the one in use; None where there is none. Raises KeyUnusable."""
    return read_key(where.old, private=where.private) if os.path.exists(where.old) else None


def read_key(path: Path, *, private: bool) -> bytes:
    """The master key in a file. private: only its owner may read it. Raises KeyUnusable."""
    try:
        key = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as exc:
        refused = isinstance(exc, PermissionError)
        remedy = (
            f"run: chown {user_name()} {path} && chmod 600 {path}" if refused else "restore it, or correct the path"
        )
        raise KeyUnusable(f"cannot read the master key {path}: {exc.strerror}; {remedy}") from exc
    if private and mode & 0o077:
        raise KeyUnusable(f"cannot use the master key {path}: others may read it; run: chmod 600 {path}")
    if len(key) < KEY_BYTES:
        raise KeyUnusable(
            f"cannot use the master key {path}: it has {len(key)} octets and needs {KEY_BYTES}; "
            f"run: head -c {KEY_BYTES} /dev/urandom > {path}"
        )
    return key
