"""The files of the master key: where they are, how they are read, made and replaced, and who may read them."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.durable import sync
from drivers.named_files import user_name

KEY_BYTES = 32
CREDENTIAL = "pinwheel-key"


class KeyUnusable(Exception):
    """The master key cannot be used; the text names the file and the remedy."""


class KeyReadable(KeyUnusable):
    """Others may read it."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the key is. ours: made by us on the first start. private: only its owner may read the file."""

    path: Path
    ours: bool = False
    private: bool = True

    @property
    def old(self) -> Path:
        """Where the key before it is, after a rotation."""
        return self.path.with_name(self.path.name + ("-old" if self.path.name == CREDENTIAL else ".old"))


def place(key_file: str, state_directory: Path) -> KeyPlace:
    """`key_file`, else the systemd credential, else STATE/key."""
    if key_file:
        return KeyPlace(Path(key_file))
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / CREDENTIAL).exists():
        return KeyPlace(Path(credentials) / CREDENTIAL, private=False)
    return KeyPlace(state_directory / "key", ours=True)


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
        raise KeyReadable(f"cannot use the master key {path}: others may read it; run: chmod 600 {path}")
    if len(key) < KEY_BYTES:
        raise KeyUnusable(
            f"cannot use the master key {path}: it has {len(key)} octets and needs {KEY_BYTES}; "
            f"run: head -c {KEY_BYTES} /dev/urandom > {path}"
        )
    return key


def read_old_key(where: KeyPlace) -> bytes | None:
    """The key before the one in use; None where there is none. Raises KeyUnusable."""
    return read_key(where.old, private=where.private) if os.path.exists(where.old) else None


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


def rotate(where: KeyPlace) -> None:
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
