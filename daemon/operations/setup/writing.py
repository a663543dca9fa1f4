"""Files put in place whole or not at all, and the service that then starts with them."""

import contextlib
import grp
import os
import pwd
import tempfile
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


def put(file: NewFile) -> None:
    """Raises OSError; then the old file is as it was."""
    file.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.path.name}-", dir=file.path.parent)  # mode 0600
    try:
        with open(handle, "w", encoding="utf-8") as new:
            new.write(file.text)
            _give(new.fileno(), file.access)
            os.fchmod(new.fileno(), file.access.mode)
            new.flush()
            os.fsync(new.fileno())
        os.replace(name, file.path)
    except BaseException:  # also of Ctrl-C: nothing half written is left
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync(file.path.parent)


def _give(descriptor: int, access: Access) -> None:
    """To the service; where there is none yet, or we may not, it stays ours."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam(SERVICE_USER).pw_uid if access.owned else -1
        group = grp.getgrnam(SERVICE_USER).gr_gid if access.grouped else -1
        os.fchown(descriptor, user, group)
