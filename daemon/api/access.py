"""Who may ask: the peer's uid on the Unix socket, an account's key and secret on TCP."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from starlette.requests import Request as HttpRequest

from daemon.api.params import HttpError, Mistake, Parameters
from daemon.config import Account

CREDENTIALS = 4
PEER = "pinwheel.peer"


class Access:
    """The access rule of a daemon. Secrets are kept only as their hashes."""

    def __init__(self, allow_uids: Iterable[int], accounts: Iterable[Account]) -> None:
        """Raises OSError if a secret file cannot be read."""
        self._uids = frozenset(allow_uids)
        self._secrets = {a.key: _hash(Path(a.secret_file).read_text().strip()) for a in accounts}

    def account(self, http: HttpRequest, given: Parameters) -> str:
        """The account of a Verify call, "" for one on the socket without a key. Raises HttpError or Mistake."""
        if self._admit_peer(http):
            return given.text("api_key") or ""
        basic = _basic(http)
        key, secret = basic if basic else (given.text("api_key") or "", given.text("api_secret") or "")
        if not self._known(key, secret):
            raise Mistake(CREDENTIALS, "The api_key or api_secret you supplied is not valid or has been disabled")
        return key

    def operator(self, http: HttpRequest) -> None:
        """Let an operator's call through, or raise HttpError."""
        if self._admit_peer(http):
            return
        basic = _basic(http)
        if basic is None or not self._known(*basic):
            raise HttpError(401, "Credentials needed", "Give the key and secret of an [[account]] as HTTP Basic.")

    def _admit_peer(self, http: HttpRequest) -> bool:
        """True if the call came through the Unix socket from somebody who may use it."""
        peer = http.scope.get("extensions", {}).get(PEER)
        if peer is None:
            return False
        if self._uids and peer.uid not in self._uids | {0, os.getuid()}:
            raise HttpError(403, "Not allowed", f"User {peer.uid} is not in [api] allow_uids.")
        return True

    def _known(self, key: str, secret: str) -> bool:
        return hmac.compare_digest(self._secrets.get(key, b"\0" * 32), _hash(secret)) and key in self._secrets


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


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
