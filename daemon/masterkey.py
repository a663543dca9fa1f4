"""The master key of the PINs: where it is, whether it can be used, and whether it is the one that the requests know.

A new key is made only if no live request needs the old one: without it, PINs that were sent cannot be checked.
The database holds the key's id, which says nothing of the key (HMAC-SHA256), so that a wrong one is noticed, too.
"""

import hashlib
import hmac
import os
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from drivers.checks import user_name

KEY_BYTES = 32
ID_DIGITS = 16
CREDENTIAL = "pinwheel-key"
META = "key id"  # of the database


class KeyUnusable(Exception):
    """The master key cannot be used; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the key is. ours: made by us on the first start. private: only its owner may read the file."""

    path: Path
    ours: bool = False
    private: bool = True


def place(key_file: str, state_directory: Path) -> Place:
    """`key_file`, else the systemd credential, else STATE/key."""
    if key_file:
        return Place(Path(key_file))
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / CREDENTIAL).exists():
        return Place(Path(credentials) / CREDENTIAL, private=False)
    return Place(state_directory / "key", ours=True)


def load(where: Place, known_id: str, live: int) -> bytes:
    """The master key; made on the first start. Raises KeyUnusable.

    known_id: of the key that the database knows, or "". live: how many of its requests are in progress.
    """
    if where.ours and not os.path.exists(where.path):
        refuse_if_missed(where, live)
        make(where.path)
    key = read_key(where.path, private=where.private)
    if live and known_id and not hmac.compare_digest(known_id, identity(key)):
        raise KeyUnusable(
            f"cannot use the master key {where.path}: it is not the one that {live} live request(s) were started with; "
            "restore that one from your backup, or make their PINs invalid: pinwheel key adopt"
        )
    return key


def expected(database: Path) -> tuple[str, int]:
    """The id of the key that a database knows, and how many of its requests are in progress; changes nothing.

    ("", 0) where there is no database yet, or where it cannot be read: the store and its checks say so.
    """
    from daemon.store.sqlite.library import sqlite  # late: who has no database needs no SQLite

    if not os.path.isfile(database):  # nor where its directory may not be entered
        return "", 0
    at_rest = not os.path.exists(f"{database}-wal")  # else the log holds what is new
    try:
        with closing(sqlite.connect(f"{database.absolute().as_uri()}?mode=ro&immutable={at_rest:d}", uri=True)) as db:
            known = db.execute("SELECT value FROM meta WHERE name=?", (META,)).fetchone()
            live = db.execute("SELECT count(*) FROM request WHERE status='IN PROGRESS'").fetchone()
    except sqlite.Error:
        return "", 0
    return known[0] if known else "", int(live[0])


def check(where: Place, known_id: str, live: int) -> None:
    """Whether `load` would succeed; makes no key. Raises KeyUnusable."""
    if where.ours and not os.path.exists(where.path):
        refuse_if_missed(where, live)
    else:
        load(where, known_id, live)


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
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def set_aside(path: Path) -> Path | None:
    """Rename the key that is there, and return its new path; None where there is none. Raises OSError."""
    if not path.exists():
        return None
    return path.rename(path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}"))


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
