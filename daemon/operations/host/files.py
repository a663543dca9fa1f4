"""Disks, backups and certificates: what daemon and commands can both see."""

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from daemon.operations.host.values import MISSING, Backups, Certificate, Disk, Missing

BACKUPS = "backups"  # below the state directory: of pinwheel-backup.service
DAY_S = 86_400.0


def disk(what: str, path: Path) -> Disk | None:
    """Of the file system on which the path is, or would be; None where that cannot be looked at."""
    there = next((each for each in (path, *path.parents) if each.exists()), Path("/"))
    with suppress(OSError):
        found = os.statvfs(there)
        return Disk(
            what,
            str(path),
            free=found.f_frsize * found.f_bavail,
            total=found.f_frsize * found.f_blocks,
            inodes_free=found.f_favail,
            inodes=found.f_files,
            read_only=bool(found.f_flag & os.ST_RDONLY),
        )
    return None


def backups(folder: Path) -> Backups | Missing:
    """Those that the timer makes."""
    try:
        found = [str(folder / each) for each in os.listdir(folder) if each.endswith(".db")]
        made, newest = max(((os.stat(each).st_mtime, each) for each in found), default=(0.0, ""))
    except FileNotFoundError:
        return Backups(None)
    except OSError:
        return Missing(f"{folder} may not be read")
    return Backups(time.time() - made, newest) if newest else Backups(None)


def copies(database: Path) -> list[str]:
    """Of a SQLite file, in its folder: what `pinwheel restore` has put aside, and what the timer has made."""
    from daemon.store.sqlite.backup import put_aside  # late: it needs SQLite

    return sorted(map(str, (*put_aside(database), *(database.parent / BACKUPS).glob("*.db"))))


def certificate(path: Path) -> Certificate | Missing:
    """MISSING where there is none that can be read: another check says so."""
    from cryptography import x509  # late: few gateways have one

    try:
        ours = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return MISSING
    return Certificate(str(path), (ours.not_valid_after_utc - datetime.now(UTC)).total_seconds() / DAY_S)
