"""Which kind of database the configuration names, and the password of it."""

import os
from pathlib import Path
from typing import Protocol

from daemon.store.contract import Database, StoreUnusable
from daemon.store.postgres.address import NO_LIBRARY, Address
from drivers.named_files import Unreadable, own_secret, secret

CREDENTIAL = "pinwheel-database"  # of systemd


class Keys(Protocol):
    """[store]."""

    @property
    def url(self) -> str: ...

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for PostgreSQL."""

    @property
    def password_file(self) -> str: ...


def database_of(keys: Keys) -> Database:
    """Not opened yet. Raises StoreUnusable, where the password cannot be read or PostgreSQL's library is missing."""
    if keys.path is not None:
        from daemon.store.sqlite.database import SqliteDatabase  # late, as the other one: nobody needs both

        return SqliteDatabase(keys.path)
    try:
        from daemon.store.postgres.database import PostgresDatabase

        return PostgresDatabase(Address.of(keys.url, _password(keys.password_file)))
    except ImportError:
        raise StoreUnusable(NO_LIBRARY) from None
    except Unreadable as exc:
        raise StoreUnusable(f"[store] password_file: {exc}") from exc


def _password(path: str) -> str:
    """Raises Unreadable."""
    if path:
        return own_secret(path)
    given = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / CREDENTIAL
    return secret(str(given)) if given.is_absolute() and given.exists() else ""
