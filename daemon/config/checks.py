"""What can be wrong with the value of one key of the daemon's own, by its text or by the machine.

Those of the drivers' keys are with the drivers.
"""

import grp
import os
import pwd
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from daemon.prompts.library import slug
from daemon.resources import DEFAULT_SOCKET
from daemon.store.postgres import address as postgres
from drivers.checks import (
    bindable,
    is_address,
    pair,
    printable,
    secret_file,
    split_port,
    whole_path,
    writable_directory,
    writable_file,
)
from drivers.settings import Fault, Severity

SQLITE_PREFIX = "sqlite:///"
SQLITE_HEADER = b"SQLite format 3\0"
EXAMPLE_URL = "sqlite:////var/lib/pinwheel/pinwheel.db"
OWN_NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}", re.ASCII)
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)
SOCKET_UNITS = [f"{place}/systemd/system/pinwheel.socket" for place in ("/etc", "/usr/lib", "/lib")]
MAX_SOCKET_PATH = 107  # octets (unix(7))
MAX_ALERT_NAME = 20  # with the rest, one SMS
MAX_BRAND = 18  # the Verify reference
MAX_UID = 2**32 - 2


# --- [api] -------------------------------------------------------------------------------------------------


def directory(value: str) -> str:
    return whole_path(value) if value else "is missing; an empty path is no directory"


def socket_path(value: str) -> str:
    if not value:
        return "is missing; without a socket no client reaches the daemon"
    too_long = len(value.encode()) > MAX_SOCKET_PATH
    return whole_path(value) or (f"has more than {MAX_SOCKET_PATH} octets; take a shorter path" if too_long else "")


def socket_place(path: str, _: object) -> Iterator[Fault]:
    if _is_socket(path):
        return  # systemd has made it, or it is that of a daemon that runs
    if path == str(DEFAULT_SOCKET):
        yield from _made_by_systemd(path)
        return
    if os.path.lexists(path):
        yield Fault(f"{path} exists and is not a socket; name another path", Severity.FATAL)
    yield from writable_directory(Path(path).parent, Severity.FATAL)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:  # not there, or in a directory that we may not enter
        return False


def _made_by_systemd(path: str) -> Iterator[Fault]:
    if not any(map(os.path.exists, SOCKET_UNITS)) and any(writable_directory(Path(path).parent, Severity.FATAL)):
        yield Fault(f"systemd makes {path}: install pinwheel.socket, or name another path", Severity.FATAL)


def mode(value: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3}", value, re.ASCII):
        return f'{value!r} is not an octal mode such as "0660"'
    return "" if value[-3] in "67" else f'{value!r} keeps the daemon\'s own user out; e.g. "0660"'


def users(uids: list[int], _: object) -> Iterator[Fault]:
    for uid in uids:
        try:
            pwd.getpwuid(uid)
        except (KeyError, OverflowError):
            yield Fault(f"there is no user {uid} (`id -u NAME` prints one's number)", Severity.WARNING)


def groups(gids: list[int], _: object) -> Iterator[Fault]:
    for gid in gids:
        try:
            grp.getgrgid(gid)
        except (KeyError, OverflowError):
            yield Fault(f"there is no group {gid} (`getent group NAME` prints one's number)", Severity.WARNING)


def listener(value: str) -> str:
    if not value:
        return ""
    try:
        host, port = split_port(value)
    except ValueError as exc:
        return f'{value!r} must be "address:port", e.g. "127.0.0.1:8790": {exc}'
    if not port:
        return f'{value!r} must be "address:port", e.g. "127.0.0.1:8790"'
    return "" if host == "localhost" or is_address(host) else f'{value!r} must begin with an IP address or "localhost"'


def listens(value: str, _: object) -> Iterator[Fault]:
    if value:
        host, port = split_port(value)
        address = "127.0.0.1" if host == "localhost" else host
        yield from bindable(address, port or 0, socket.SOCK_STREAM, Severity.FATAL)


class Listening(Protocol):
    """What a certificate is for, of [api]."""

    @property
    def tcp(self) -> str: ...

    @property
    def tls_key(self) -> str: ...


def certificate(path: str, api: Listening) -> Iterator[Fault]:
    if path and api.tls_key:
        yield from pair(path, api.tls_key, Severity.FATAL)
    if path and not api.tcp:
        yield Fault('without tcp it is not used; set tcp, e.g. "0.0.0.0:8790"', Severity.WARNING)


# --- [store], [security], [[account]] ----------------------------------------------------------------------


def database_url(value: str) -> str:
    """It is not repeated: it may hold a password."""
    if value.startswith(postgres.PREFIX):
        return postgres.mistake(value)
    if not value.startswith(SQLITE_PREFIX):
        return f'must start with "{SQLITE_PREFIX}" or "{postgres.PREFIX}", e.g. "{EXAMPLE_URL}"'
    path = value.removeprefix(SQLITE_PREFIX)
    if not path.startswith("/"):
        return f'the path must begin with "/", so that there are four slashes: "{EXAMPLE_URL}"'
    if path.endswith("/") or re.search(r"[?#]", path) or not path.isprintable():
        return f'must name a file, without options, e.g. "{EXAMPLE_URL}"'
    return ""


def database_file(url: str) -> Path | None:
    """The file of a SQLite database; None of a PostgreSQL database."""
    return Path(url.removeprefix(SQLITE_PREFIX)) if url.startswith(SQLITE_PREFIX) else None


def database(url: str, _: object) -> Iterator[Fault]:
    path = database_file(url)
    if path is None:
        yield from _libpq()
        return
    yield from writable_directory(path.parent, Severity.FATAL)
    beside = (Path(f"{path}{more}") for more in ("-wal", "-shm"))
    for each in (path, *beside, path.with_suffix(".lock")):
        yield from writable_file(each, Severity.FATAL)
    if os.path.isfile(path) and os.access(path, os.R_OK):
        with path.open("rb") as file:
            if file.read(len(SQLITE_HEADER)) not in (b"", SQLITE_HEADER):
                yield Fault(f"{path} is no SQLite database; name another file", Severity.FATAL)


def _libpq() -> Iterator[Fault]:
    try:
        import psycopg  # noqa: F401 - late: it loads libpq, which only PostgreSQL needs
    except ImportError:
        yield Fault(postgres.NO_LIBRARY, Severity.FATAL)


class Reaching(Protocol):
    """What the password is for, of [store]."""

    @property
    def url(self) -> str: ...


def database_password(path: str, store: Reaching) -> Iterator[Fault]:
    yield from secret_file(Severity.FATAL)(path, store)
    if path and database_file(store.url) is not None:
        yield Fault(f'a SQLite file has no password; it is for a url "{postgres.PREFIX}..."', Severity.WARNING)


def prefix(value: str) -> str:
    if not (value.isdecimal() and value.isascii()):
        return f'{value!r} must be digits without "+", e.g. "44"'
    return "" if value[0] != "0" else f'{value!r} must begin with a country code, e.g. "44" for "0044"'


def own_number(value: str) -> str:
    """Its own: the text is not repeated."""
    fits = not value or OWN_NUMBER.fullmatch(value)
    return "" if fits else "must be an international number, e.g. +447700900123"


def alert_number(value: str) -> str:
    return own_number(value) if value else "must not be empty: leave the number out"


def alert_name(value: str) -> str:
    if not value or len(value) > MAX_ALERT_NAME:
        return f"must have 1 to {MAX_ALERT_NAME} characters"
    return printable(value)


class Allowing(Protocol):
    """What may be denied, of [security]."""

    @property
    def allow_prefixes(self) -> list[str]: ...


def denied(prefixes: list[str], security: Allowing) -> Iterator[Fault]:
    for allowed in security.allow_prefixes:
        if by := next((each for each in prefixes if allowed.startswith(each)), None):
            yield Fault(f"{by!r} denies everything that allow_prefixes allows with {allowed!r}; remove one of the two")


def account_key(value: str) -> str:
    wrong = printable(value) or (":" in value and f'{value!r} must not have a ":"')
    return wrong or ""


# --- [[modem]], [sms], [prompts], [clock] ------------------------------------------------------------------


def modem_name(value: str) -> str:
    fits = value.isprintable() and "/" not in value and not value.startswith("-")  # it stands in paths and commands
    return "" if fits else f'{value!r} must be printable, without "/" and "-" in front, e.g. "sim1"'


def domain(value: str) -> str:
    fits = not value or DOMAIN.fullmatch(value)
    return "" if fits else f'{value!r} must be a host name such as "example.com"'


def brand(value: str) -> str:
    if not slug(value):
        return f"{value!r} has no letter and no digit, so no clip can have its name"
    return "" if len(value) <= MAX_BRAND else f"{value!r} has more than {MAX_BRAND} characters; no request can name it"


def room_for_calls(calls: int, voice: Any) -> Iterator[Fault]:
    """Whether the driver can make so many at a time, where it has something to say to that."""
    if hasattr(voice.options, "room_for"):
        yield from voice.options.room_for(calls)


def speed(value: float, _: object) -> Iterator[Fault]:
    if value != 1:
        yield Fault(f"waits and expiries run {value:g} times as fast: for the demo and tests only", Severity.WARNING)
