"""Who may ask what: the peer's uid and groups on the Unix socket, an account's key and secret, an operator's on TCP.

An account's secret makes nobody an operator; an operator's opens no account. What was given as parameters comes before
an Authorization header, since some clients send a stale one along.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ipaddress
import logging
import os
import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from time import monotonic

from starlette.requests import Request as HttpRequest

from daemon.api import v1_statuses as v1
from daemon.api.params import HttpError, Mistake, Parameters, header
from daemon.config import Account, Api, Operator
from daemon.core.ownership import Caller, unnamed
from daemon.core.rate_limits import Guesses
from drivers.named_files import own_secret

WRONG_S = 0.5  # how long a wrong secret waits for its answer, at least
TICK_S = 0.001  # of uvloop's clock
NEEDED = "Give name and secret of an [[operator]] as HTTP Basic."
PEER = "pinwheel.peer"
SO_PEERGROUPS, MOST_OCTETS = 59, 1024  # socket(7), asm-generic/socket.h; what Python reads at most: 256 groups

log = logging.getLogger("pinwheel.api")


class Role(StrEnum):
    """What a route needs."""

    OPEN = "open"  # nothing: whoever reaches the listener
    VERIFY = "verify"  # a caller of the Verify API
    OPERATE = "operate"  # an operator


@dataclass(frozen=True)
class Peer:
    """Who is at the other end of a Unix socket, as the kernel says."""

    pid: int
    uid: int
    gid: int
    more_gids: frozenset[int] = frozenset()  # its supplementary groups, such as systemd's SupplementaryGroups=

    @cached_property
    def groups(self) -> frozenset[int]:
        """Those of the process, and those of its user in the database: a process may drop those of its user."""
        own = self.more_gids | {self.gid}
        try:
            return own.union(os.getgrouplist(pwd.getpwuid(self.uid).pw_name, self.gid))
        except KeyError:
            return own


def peer_of(sock: socket.socket | None) -> Peer | None:
    """None for a connection that is no Unix socket."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return Peer(pid, uid, gid, _more_gids(sock))


def _more_gids(sock: socket.socket) -> frozenset[int]:
    """The supplementary groups of a peer; none where there are too many to list (unix(7))."""
    try:
        gids = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, MOST_OCTETS)
    except OSError:
        return frozenset()
    return frozenset(gid for (gid,) in struct.iter_unpack("I", gids))


def on_socket(http: HttpRequest) -> bool:
    """Whether a request came over the Unix socket."""
    return http.scope.get("extensions", {}).get(PEER) is not None


class _Rejected(Exception):
    """The credentials are wrong, or needed and missing."""


class _TooManyGuesses(Exception):
    """Too many wrong secrets came from there: none is checked for a while."""


class _Secrets:
    """Secrets by name, kept only as their hashes."""

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        """files: name and path. Raises OSError for one that is unreadable, empty or open to other users."""
        self._hashes = {name: _hash(own_secret(path)) for name, path in files if path}

    def __contains__(self, name: str) -> bool:
        return name in self._hashes

    def same_as(self, other: "_Secrets") -> bool:
        return self._hashes == other._hashes  # noqa: SLF001 - of the same class

    def right(self, name: str, given: bytes) -> bool:
        """In constant time, whether or not there is such a name. given: the hash of a secret."""
        return hmac.compare_digest(self._hashes.get(name, b"\0" * 32), given) and name in self._hashes


class Access:
    """The access rules of a daemon."""

    def __init__(self, api: Api, accounts: Iterable[Account], operators: Iterable[Operator]) -> None:
        """Raises OSError if a secret file cannot be used."""
        self._masters = frozenset({0, os.getuid()})  # on the socket they may do everything
        self._allowed = frozenset(api.allow_uids)
        self._operator_uids = frozenset(api.operator_uids)
        self._accounts = {account.key: account for account in accounts}
        self._keys_of_uid = _by_id((uid, key) for key, account in self._accounts.items() for uid in account.uids)
        self._keys_of_gid = _by_id((gid, key) for key, account in self._accounts.items() for gid in account.gids)
        self._secrets = _Secrets((key, account.secret_file) for key, account in self._accounts.items())
        self._operators = _Secrets((operator.name, operator.secret_file) for operator in operators)
        self._guesses = Guesses()

    def same_operators(self, other: "Access") -> bool:
        """Whether both take the same callers for operators."""
        return self._of_operators() == other._of_operators() and self._operators.same_as(other._operators)  # noqa: SLF001

    def _of_operators(self) -> tuple[object, ...]:
        return self._allowed, self._operator_uids, self._keys_of_uid, self._keys_of_gid

    def remember(self, before: "Access") -> None:
        """Go on with the guesses that were counted under other rules."""
        self._guesses = before._guesses  # noqa: SLF001 - of the same class

    async def admit(self, role: Role, http: HttpRequest, given: Parameters) -> Caller:
        """The caller, who may use a route of this role. Raises HttpError or, for VERIFY, Mistake."""
        peer: Peer | None = http.scope.get("extensions", {}).get(PEER)
        key, secret = _credentials(http, given)
        try:
            caller = self._caller(peer, origin_of(peer, _host(http)), key, secret)
        except _Rejected:
            if secret:
                await _at_least(WRONG_S)
            if role is Role.VERIFY:
                raise Mistake(v1.WRONG_CREDENTIALS) from None
            raise HttpError(401, "Credentials needed", NEEDED) from None
        except _TooManyGuesses:
            if role is Role.VERIFY:
                raise Mistake(v1.TOO_MANY_GUESSES) from None
            raise HttpError(429, "Too many wrong secrets", v1.TOO_MANY_GUESSES.text) from None
        if role is Role.OPERATE and not caller.operator:
            raise HttpError(403, "Not allowed", "This is for operators: see [[operator]] and [api] operator_uids.")
        return caller

    async def still_operates(self, http: HttpRequest, given: Parameters) -> bool:
        """Whether a caller who was let in as an operator under other rules would be so now."""
        try:
            await self.admit(Role.OPERATE, http, given)
        except HttpError:
            return False
        return True

    def _caller(self, peer: Peer | None, origin: str, key: str, secret: str) -> Caller:
        """Raises _Rejected or _TooManyGuesses."""
        operates = peer is not None and self._operates(peer)
        account = self._accounts.get(key)
        if peer is not None and (self._may_name(peer, account) if account else key not in self._operators):
            return Caller(key if account else "" if operates else self._unnamed(peer), operates, origin)
        if not secret:
            raise _Rejected
        as_operator = self._judge(origin, key, secret)
        return Caller("", True, origin) if as_operator else Caller(key, operates, origin)

    def _judge(self, origin: str, name: str, secret: str) -> bool:
        """Whether the secret is an operator's; else it is an account's.

        Raises _Rejected for a wrong one, _TooManyGuesses for one that is not checked.
        """
        now = monotonic()
        if not self._guesses.may_try(origin, name, now):
            raise _TooManyGuesses
        given = _hash(secret)
        as_operator, as_account = self._operators.right(name, given), self._secrets.right(name, given)
        if as_operator or as_account:
            self._guesses.right(origin, name)
            return as_operator
        self._guesses.wrong(origin, name, now)
        known = name in self._secrets or name in self._operators
        log.warning("origin=%s name=%r error='wrong secret'", origin, name if known else "unknown")
        if not self._guesses.may_try(origin, name, now):
            log.warning("origin=%s error='too many wrong secrets: none is checked for some seconds'", origin)
        raise _Rejected

    def _operates(self, peer: Peer) -> bool:
        """Whether a peer that may use the socket is an operator there. Raises HttpError for one that may not."""
        if peer.uid in self._masters:
            return True
        if self._allowed and peer.uid not in self._allowed:
            raise HttpError(403, "Not allowed", f"User {peer.uid} is not in [api] allow_uids.")
        if self._operator_uids:
            return peer.uid in self._operator_uids
        return not self._keys_of(peer)

    def _unnamed(self, peer: Peer) -> str:
        own = self._keys_of(peer)
        return unnamed(key for key in self._accounts if key in own) if own else ""

    def _may_name(self, peer: Peer, account: Account) -> bool:
        return peer.uid in self._masters or account.key in self._keys_of(peer)

    def _keys_of(self, peer: Peer) -> frozenset[str]:
        """Of the accounts whose user the peer is, or in one of whose groups: by look-ups, however many there are."""
        own = self._keys_of_uid.get(peer.uid, frozenset())
        if not self._keys_of_gid:
            return own
        return own.union(*(self._keys_of_gid[gid] for gid in peer.groups if gid in self._keys_of_gid))


def _by_id(pairs: Iterable[tuple[int, str]]) -> dict[int, frozenset[str]]:
    """The keys of accounts by a number of a user or group."""
    found: dict[int, frozenset[str]] = {}
    for number, key in pairs:
        found[number] = found.get(number, frozenset()) | {key}
    return found


def origin_of(peer: Peer | None, host: str) -> str:
    """Where a call comes from, for limits and the log: a user of this machine, or an address or a network of IPv6."""
    if peer is not None:
        return f"uid {peer.uid}"
    address = ipaddress.ip_address(host.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address  # of a socket for both (RFC 4291 2.5.5.2)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _host(http: HttpRequest) -> str:
    client = http.scope.get("client")
    return client[0] if client else "0.0.0.0"


async def _at_least(seconds: float) -> None:
    """Asleep for so long and a tick more: uvloop counts whole milliseconds, so a sleep may end one too early."""
    await asyncio.sleep(seconds)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), TICK_S)


def _credentials(http: HttpRequest, given: Parameters) -> tuple[str, str]:
    """Key and secret, each "" where there is none."""
    key = given.text("api_key")
    if key is not None:
        return key, given.text("api_secret") or ""
    return _basic(header(http, b"authorization")) or ("", "")


def _basic(authorization: str) -> tuple[str, str] | None:
    """Key and secret of an Authorization: Basic header (RFC 7617)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # a sign that is not ASCII, no base64, no UTF-8
        return None
    return key, secret
