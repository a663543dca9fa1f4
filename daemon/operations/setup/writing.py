"""Files put in place whole or not at all, and the service that then starts with them."""

import contextlib
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from daemon.durable import sync
from daemon.operations.check_config import SERVICE_USER


@dataclass(frozen=True, slots=True)
class Access:
    """mode; owner, group: of the service, where there is such a user and we are root."""

    mode: int
    owned: bool = False
    grouped: bool = False


SECRET = Access(0o600, owned=True, grouped=True)
CONFIGURATION = Access(0o640, grouped=True)
RULE = Access(0o644)


@dataclass(frozen=True, slots=True)
class NewFile:
    path: Path
    text: str = field(repr=False)
    access: Access

    @property
    def is_new(self) -> bool:
        """It is not there with this text already."""
        try:
            return self.path.read_text(encoding="utf-8") != self.text
        except (OSError, UnicodeDecodeError):
            return True


@dataclass(frozen=True, slots=True)
class Earlier:
    """A file before it was written; found: as it was, None where there was none."""

    path: Path
    content: bytes = field(default=b"", repr=False)
    found: os.stat_result | None = None


def earlier(path: Path) -> Earlier:
    """Raises OSError."""
    try:
        return Earlier(path, path.read_bytes(), path.stat())
    except FileNotFoundError:
        return Earlier(path)


def put(file: NewFile) -> None:
    """Raises OSError; then the old file is as it was."""
    file.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _replace(file.path, file.text.encode(), file.access.mode, lambda descriptor: _give(descriptor, file.access))


def put_back(before: Earlier) -> None:
    """The file as it was, or none where there was none. Raises OSError."""
    found = before.found
    if found is None:
        before.path.unlink(missing_ok=True)
        sync(before.path.parent)
        return

    def give(descriptor: int) -> None:
        with contextlib.suppress(PermissionError):  # whoever is not root wrote it as himself
            os.fchown(descriptor, found.st_uid, found.st_gid)

    _replace(before.path, before.content, stat.S_IMODE(found.st_mode), give)


def _replace(path: Path, content: bytes, mode: int, give: Callable[[int], None]) -> None:
    """give: an open file to its owner. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with open(handle, "wb") as new:
            new.write(content)
            give(new.fileno())
            os.fchmod(new.fileno(), mode)
            new.flush()
            os.fsync(new.fileno())
        os.replace(name, path)
    except BaseException:  # also of Ctrl-C: nothing half written is left
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync(path.parent)


def _give(descriptor: int, access: Access) -> None:
    """To the service; where there is none yet, or we may not, it stays ours."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam(SERVICE_USER).pw_uid if access.owned else -1
        group = grp.getgrnam(SERVICE_USER).gr_gid if access.grouped else -1
        os.fchown(descriptor, user, group)
