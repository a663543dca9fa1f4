"""The PINs. None is ever stored: each is computed again from the master key when it is needed.

PIN number n of a request is an HOTP value (RFC 4226) under HMAC-SHA256(master key, request id). Values that an
earlier PIN of the same request had are passed over, so an old PIN is never right again. A caller's own code is sealed
by AES-GCM under a key derived from the same master key, bound to its request. When a PIN expires is decided in
`daemon.core.pin_expiry`.
"""

import base64
import hashlib
import hmac
import os
from functools import cache
from typing import TYPE_CHECKING

import pyotp

from daemon.core.model import Request

if TYPE_CHECKING:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class SealBroken(Exception):
    """A code that was sealed cannot be opened with the keys that are there."""


class Pins:
    """PINs under a master key (32 octets or more) and, after a rotation, under the one before.

    number: of the key that new requests use. old: the PINs of requests that began under number - 1.
    """

    def __init__(self, master_key: bytes, number: int = 1, old: "Pins | None" = None) -> None:
        self._key = master_key
        self.number = number
        self.old = old

    def of(self, request: Request, generation: int) -> str:
        """The PIN of a request itself, computed or unsealed; never to be stored or logged.

        Where the key of the request was lost, its PINs are other ones from now on.
        """
        pins = self.old if self.old is not None and request.key_number == self.number - 1 else self
        if request.own_pin:
            return pins.unseal(request.id, request.sealed_pin)
        return pins.pin(request.id, generation, request.code_length)

    def pin(self, request_id: str, generation: int, length: int) -> str:
        """The PIN of a generation (from 1) with `length` digits."""
        hotp = _Hotp(self._derive(b"pin", request_id), max(length, 6))
        seen: list[str] = []
        counter = 0
        while len(seen) < generation:
            value = hotp.at(counter)[-length:]  # the last digits of HOTP-6 are HOTP with fewer (RFC 4226 5.3)
            counter += 1
            if value not in seen:
                seen.append(value)
        return seen[-1]

    def seal(self, request_id: str, code: str) -> str:
        nonce = os.urandom(12)
        cipher, _ = _cipher()
        sealed = cipher(self._derive(b"seal", request_id)).encrypt(nonce, code.encode(), request_id.encode())
        return base64.b64encode(nonce + sealed).decode()

    def unseal(self, request_id: str, sealed: str) -> str:
        """Raises SealBroken where it was sealed under another key, or for another request."""
        raw = base64.b64decode(sealed)
        cipher, broken = _cipher()
        try:
            return cipher(self._derive(b"seal", request_id)).decrypt(raw[:12], raw[12:], request_id.encode()).decode()
        except broken:
            raise SealBroken(f"the code of request {request_id} was sealed under another master key") from None

    def _derive(self, use: bytes, request_id: str) -> bytes:
        return hmac.digest(self._key, use + b":" + request_id.encode(), hashlib.sha256)


@cache
def _cipher() -> "tuple[type[AESGCM], type[InvalidTag]]":
    """What seals, and what it raises. Late: few daemons ever need it; and once: to import is slower than to unseal."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, InvalidTag


class _Hotp(pyotp.HOTP):
    """With a key of octets: pyotp reads its own from base32 for each value, which takes most of the time of one."""

    def __init__(self, key: bytes, digits: int) -> None:
        self._key = key
        super().__init__("", digits=digits)

    def byte_secret(self) -> bytes:
        return self._key


def same_code(left: str, right: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
