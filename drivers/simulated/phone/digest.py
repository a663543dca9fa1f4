"""Digest authentication (RFC 2617), as a registrar and a proxy ask for it."""

import hashlib
import re
import secrets

from drivers.simulated.phone.message import Message, octets_of

KEPT_NONCES = 1000
REALM = "simulated"
CHALLENGES = {
    "REGISTER": (401, "WWW-Authenticate", "authorization"),
    "INVITE": (407, "Proxy-Authenticate", "proxy-authorization"),
}
"""What is asked of whom when the phone has a password: status, header of the challenge, header of the answer."""


class Authenticator:
    """Asks for a password by digest MD5 with qop=auth; a nonce serves many requests, each count once."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._used: dict[str, int] = {}  # by nonce: the highest nc

    def challenge(self, *, stale: bool) -> str:
        nonce = secrets.token_hex(16)
        self._used[nonce] = 0
        while len(self._used) > KEPT_NONCES:
            del self._used[next(iter(self._used))]
        return f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth"' + ", stale=true" * stale

    def check(self, request: Message, header: str) -> tuple[bool, bool]:
        """(may pass, nonce is stale)."""
        found = re.findall(r'(\w{1,32})\s{0,8}=\s{0,8}(?:"([^"]{0,256})"|([^\s,"]{1,256}))', request.first(header))
        fields = {name.lower(): quoted or bare for name, quoted, bare in found}
        right = secrets.compare_digest(octets_of(fields.get("response", "")), self._response(request, fields).encode())
        if not right or fields.get("uri") != request.uri or fields.get("qop") != "auth":
            return False, False
        count = fields.get("nc", "")
        if not re.fullmatch(r"[0-9a-fA-F]{8}", count):
            return False, False
        nonce = fields.get("nonce", "")
        if int(count, 16) <= self._used.get(nonce, 0xFFFFFFFF):
            return False, True
        self._used[nonce] = int(count, 16)
        return True, False

    def _response(self, request: Message, fields: dict[str, str]) -> str:
        def md5(*parts: str) -> str:
            return hashlib.md5(octets_of(":".join(parts)), usedforsecurity=False).hexdigest()

        def said(name: str) -> str:
            return fields.get(name, "")

        secret = md5(said("username"), REALM, self._password)
        return md5(secret, said("nonce"), said("nc"), said("cnonce"), "auth", md5(request.method, request.uri))
