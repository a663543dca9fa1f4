"""Why the daemon cannot be reached, and the command that helps."""

import errno
import grp
import os
import pwd
from pathlib import Path

SERVICE_GROUP = "pinwheel"
NOT_STARTED = "the daemon is not running, or does not start: systemctl status pinwheel, journalctl -u pinwheel"
SILENT = "nobody answers: the daemon does not start, or hangs: journalctl -u pinwheel"
NO_LONGER = "it stopped before it answered: does it start? journalctl -u pinwheel"


def explained(path: Path, exc: Exception) -> str:
    """One line for what came of the attempt to ask the daemon behind a socket."""
    reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return f"cannot reach the daemon at {path}: {reason}; {_remedy(path, exc)}"


def _remedy(path: Path, exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return SILENT
    if isinstance(exc, PermissionError):
        return membership(_group_of(path), *_asker())
    if isinstance(exc, OSError) and exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
        return NOT_STARTED + ("" if str(path).startswith("/run/pinwheel/") else "; another socket: --socket PATH")
    if isinstance(exc, ConnectionError):
        return NO_LONGER
    return "is that a Pinwheel socket? see: journalctl -u pinwheel"


def membership(group: grp.struct_group, user: str, gids: frozenset[int]) -> str:
    """How a user comes to a group. gids: of this session."""
    if group.gr_gid in gids:
        return (
            "you are in its group, but it is closed to you: see [api] socket_mode, and SocketMode= of pinwheel.socket"
        )
    if user in group.gr_mem:
        return f'you are in the group "{group.gr_name}", but not in this session: log out and in again'
    return f'it is for the group "{group.gr_name}"; run: sudo usermod -aG {group.gr_name} {user}, and log in again'


def _group_of(path: Path) -> grp.struct_group:
    """The group that may use the socket; as the package makes it where that cannot be seen."""
    try:
        return grp.getgrgid(os.stat(path).st_gid)
    except (OSError, KeyError):
        pass
    try:
        return grp.getgrnam(SERVICE_GROUP)
    except KeyError:
        return grp.struct_group((SERVICE_GROUP, "x", -1, []))


def _asker() -> tuple[str, frozenset[int]]:
    """Who runs this, and the groups of this session."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return name, frozenset({os.getegid(), *os.getgroups()})
