"""The master key of the PINs: whether it can be used, and whether it is the one that the requests know.

A new key is made only if no live request needs the old one: without it, PINs that were sent cannot be checked.
The database holds the key's id, which says nothing of the key (HMAC-SHA256), so that a wrong one is noticed, too.

Rotation: the new key takes the place of the old one, which stays beside it (KEY.old). The next start finds there the
key that the database knows, and counts one more key. The old one is used for the requests that began under it.
The files themselves are in `master_key_files`.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.master_key_files import KeyPlace, KeyUnusable, make, read_key, read_old_key

if TYPE_CHECKING:
    from daemon.store.contract import Reading

ID_DIGITS = 16
ID, NUMBER, OLD_ID = "key id", "key number", "old key id"  # settings of the database


@dataclass(frozen=True, slots=True)
class Known:
    """What a database knows of its master keys.

    id, number: of the key in use; "" before the first start. live: counts the requests in progress, which takes 50 ms
    where there are a million, so only where a key is missed; it can raise StoreUnusable. old_id, old_live: of the key
    before, while it may still be needed, and the live requests that began under it.
    """

    id: str = ""
    number: int = 1
    live: Callable[[], int] = int
    old_id: str = ""
    old_live: int = 0

    def counted(self) -> "Known":
        """The same, for after the database is closed. Raises StoreUnusable."""
        live = self.live()
        return replace(self, live=lambda: live)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key in use with its number, and the one before (number - 1) while live requests need it."""

    current: bytes = field(repr=False)
    number: int = 1
    old: bytes | None = field(default=None, repr=False)


def load(where: KeyPlace, known: Known) -> Keyring:
    """The keys; the first is made on the first start. Raises KeyUnusable."""
    if where.ours and not os.path.exists(where.path):
        refuse_if_missed(where, known.live())
        make(where.path)
    return judged(where, known, read_key(where.path, private=where.private), read_old_key(where))


def check(where: KeyPlace, known: Known) -> None:
    """Whether `load` would succeed; makes no key. Raises KeyUnusable."""
    if where.ours and not os.path.exists(where.path):
        refuse_if_missed(where, known.live())
    else:
        load(where, known)


def refuse_if_missed(where: KeyPlace, live: int) -> None:
    """Raises KeyUnusable where the key is gone and live requests need it."""
    if live:
        raise KeyUnusable(
            f"cannot find the master key {where.path}, which {live} live request(s) need; restore it from your backup, "
            "or make another key, which makes the PINs that were sent invalid: pinwheel key new --force"
        )


def judged(where: KeyPlace, known: Known, current: bytes, old: bytes | None) -> Keyring:
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
    missed = 0 if in_use else known.live() - known.old_live
    if missed > 0:
        raise KeyUnusable(
            f"cannot use the master key {where.path}: it is not the one that {missed} live "
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
    old_live = reading.live(number - 1) if old_id else 0  # it looks at all live requests: only after a rotation
    return Known(reading.meta(ID) or "", number, reading.live, old_id, old_live)


def expected(database: Path) -> Known:
    """What a SQLite database knows; changes nothing.

    Nothing where there is no database yet, or where it cannot be read: the store and its checks say so.
    """
    from daemon.store.contract import StoreUnusable
    from daemon.store.sqlite.library import look_into, sqlite  # late: who has no database needs no SQLite
    from daemon.store.sqlite.reading import SqliteReading

    if not os.path.isfile(database):  # nor where its directory may not be entered
        return Known()
    at_rest = not os.path.exists(f"{database}-wal")  # else the log holds what is new
    try:
        with closing(look_into(database, at_rest=at_rest)) as db:
            return known_by(SqliteReading(db)).counted()
    except (sqlite.Error, StoreUnusable):
        return Known()


def remember(keys: Keyring) -> dict[str, str]:
    """The settings of a database that uses these keys."""
    old_id = identity(keys.old) if keys.old is not None else ""
    return {ID: identity(keys.current), NUMBER: str(keys.number), OLD_ID: old_id}


def identity(key: bytes) -> str:
    """A name for the key from which it cannot be found."""
    return hmac.digest(key, b"pinwheel key id", hashlib.sha256).hex()[:ID_DIGITS]


def same(left: str, right: str) -> bool:
    return hmac.compare_digest(left, right)
