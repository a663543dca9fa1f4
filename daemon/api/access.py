"""Who may ask what: the peer's uid and groups on the Unix socket, an account's key and secret, an operator's on TCP.

An account's secret lets nobody operate, and an operator's is no account's. What was given as parameters comes before
an Authorization header, since some clients send a stale one along.
"""

import base64
import binascii
import hashlib
import hmac
import os
import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from starlette.requests import Request as HttpRequest

from daemon.api.params import HttpError, Mistake, Parameters
from daemon.config import Account, Api, Operator
from daemon.core.callers import Caller
from drivers.checks import secret as secret_in

CREDENTIALS = 4
PEER = "pinwheel.peer"


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

    @cached_property
    def groups(self) -> frozenset[int]:
        """The primary group and those that the user database adds; the kernel tells only the first."""
        try:
            return frozenset(os.getgrouplist(pwd.getpwuid(self.uid).pw_name, self.gid))
        except KeyError:
            return frozenset({self.gid})


def peer_of(sock: socket.socket | None) -> Peer | None:
    """None for a connection that is no Unix socket."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    return Peer(*struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))))


class _Rejected(Exception):
    """The credentials are wrong, or needed and missing."""


class _Secrets:
    """Secrets by name, kept only as their hashes."""

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        """files: name and path. Raises OSError if one cannot be read."""
        self._hashes = {name: _hash(secret_in(path)) for name, path in files if path}

    def right(self, name: str, secret: str) -> bool:
        """In constant time, whether or not there is such a name."""
        return hmac.compare_digest(self._hashes.get(name, b"\0" * 32), _hash(secret)) and name in self._hashes


class Access:
    """The access rules of a daemon."""

    def __init__(self, api: Api, accounts: Iterable[Account], operators: Iterable[Operator]) -> None:
        """Raises OSError if a secret file cannot be read."""
        self._masters = frozenset({0, os.getuid()})  # on the socket they may do everything
        self._allowed = frozenset(api.allow_uids)
        self._operator_uids = frozenset(api.operator_uids)
        self._accounts = {account.key: account for account in accounts}
        self._secrets = _Secrets((key, account.secret_file) for key, account in self._accounts.items())
        self._operators = _Secrets((operator.name, operator.secret_file) for operator in operators)

    def admit(self, role: Role, http: HttpRequest, given: Parameters) -> Caller:
        """The caller, who may use a route of this role. Raises HttpError or, for VERIFY, Mistake."""
        peer: Peer | None = http.scope.get("extensions", {}).get(PEER)
        try:
            caller = self._caller(peer, *_credentials(http, given))
        except _Rejected:
            if role is Role.VERIFY:
                text = "The api_key or api_secret you supplied is not valid or has been disabled"
                raise Mistake(CREDENTIALS, text) from None
            raise HttpError(
                401, "Credentials needed", "Give name and secret of an [[operator]] as HTTP Basic."
            ) from None
        if role is Role.OPERATE and not caller.operator:
            raise HttpError(403, "Not allowed", "This is for operators: see [[operator]] and [api] operator_uids.")
        return caller

    def _caller(self, peer: Peer | None, key: str, secret: str) -> Caller:
        """Raises _Rejected."""
        operates = peer is not None and self._operates(peer)
        if self._operators.right(key, secret):
            return Caller(operator=True)
        account = self._accounts.get(key)
        may_name = peer is not None and account is not None and self._may_name(peer, account)
        if self._secrets.right(key, secret) or may_name:
            return Caller(key, operates)
        if peer is None or account is not None:
            raise _Rejected
        return Caller(operator=operates)

    def _operates(self, peer: Peer) -> bool:
        """Whether a peer that may use the socket is an operator there. Raises HttpError for one that may not."""
        if peer.uid in self._masters:
            return True
        if self._allowed and peer.uid not in self._allowed:
            raise HttpError(403, "Not allowed", f"User {peer.uid} is not in [api] allow_uids.")
        if self._operator_uids:
            return peer.uid in self._operator_uids
        return not any(_is_of(peer, account) for account in self._accounts.values())

    def _may_name(self, peer: Peer, account: Account) -> bool:
        return peer.uid in self._masters or _is_of(peer, account)


def _is_of(peer: Peer, account: Account) -> bool:
    """Whether the peer is one of an account's users, or in one of its groups."""
    return peer.uid in account.uids or (bool(account.gids) and not peer.groups.isdisjoint(account.gids))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _credentials(http: HttpRequest, given: Parameters) -> tuple[str, str]:
    """Key and secret, each "" where there is none."""
    key = given.text("api_key")
    if key is not None:
        return key, given.text("api_secret") or ""
    return _basic(http) or ("", "")


def _basic(http: HttpRequest) -> tuple[str, str] | None:
    """Key and secret of an Authorization: Basic header (RFC 7617)."""
    scheme, _, value = http.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key, secret
