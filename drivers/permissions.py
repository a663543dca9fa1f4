"""Whether a user may read a file, by its mode bits: for root, who may read everything, on behalf of another."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reader:
    """A user and its groups."""

    name: str
    uid: int
    gids: frozenset[int]

    @classmethod
    def of(cls, uid: int) -> "Reader":
        """The user with this number, as the user database has it."""
        try:
            user = pwd.getpwuid(uid)
        except KeyError:
            return cls(str(uid), uid, frozenset())
        return cls(user.pw_name, uid, frozenset(os.getgrouplist(user.pw_name, user.pw_gid)))

    @classmethod
    def owner_of(cls, path: Path) -> "Reader":
        """Of the first of the path and the directories above it that is there: for a state directory, the daemon."""
        there = next(each for each in (path, *path.parents) if os.path.lexists(each))
        return cls.of(there.stat().st_uid)

    def blocked(self, path: Path) -> Path | None:
        """The file, or the first directory on the way to it, that keeps the user from reading it; None if it may."""
        if self.uid == 0:
            return None
        for way in reversed(path.absolute().parents):
            if not self._may(way, stat.S_IXOTH):
                return way
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        return None if self._may(path, needed) else path

    def _may(self, path: Path, needed: int) -> bool:
        """needed: bits of those of others (S_IROTH, S_IXOTH)."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return True
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in self.gids else 0
        return found.st_mode >> shift & needed == needed
