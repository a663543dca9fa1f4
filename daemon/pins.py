"""The PINs. None is ever stored: each is computed again from the master key when it is needed.

PIN number n of a request is an HOTP value (RFC 4226) under HMAC-SHA256(master key, request id). Values that an
earlier PIN of the same request had are passed over, so an old PIN is never right again. A caller's own code is sealed
by AES-GCM under a key derived from the same master key, bound to its request.
"""

import base64
import hashlib
import hmac
import os
import stat
from pathlib import Path

import pyotp

KEY_BYTES = 32
CREDENTIAL = "pinwheel-key"


class KeyUnusable(Exception):
    """The master key cannot be used; the text names the file and the remedy."""


class Pins:
    """PINs under one master key (32 octets or more)."""

    def __init__(self, master_key: bytes) -> None:
        self._key = master_key

    def pin(self, request_id: str, generation: int, length: int) -> str:
        """The PIN of a generation (from 1) with `length` digits."""
        hotp = pyotp.HOTP(base64.b32encode(self._derive(b"pin", request_id)).decode(), digits=max(length, 6))
        seen: list[str] = []
        counter = 0
        while len(seen) < generation:
            value = hotp.at(counter)[-length:]  # the last digits of HOTP-6 are HOTP with fewer (RFC 4226 5.3)
            counter += 1
            if value not in seen:
                seen.append(value)
        return seen[-1]

    def seal(self, request_id: str, code: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # late: few daemons ever need it

        nonce = os.urandom(12)
        sealed = AESGCM(self._derive(b"seal", request_id)).encrypt(nonce, code.encode(), request_id.encode())
        return base64.b64encode(nonce + sealed).decode()

    def unseal(self, request_id: str, sealed: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        raw = base64.b64decode(sealed)
        return AESGCM(self._derive(b"seal", request_id)).decrypt(raw[:12], raw[12:], request_id.encode()).decode()

    def _derive(self, use: bytes, request_id: str) -> bytes:
        return hmac.digest(self._key, use + b":" + request_id.encode(), hashlib.sha256)


def same_code(left: str, right: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def load_key(key_file: str, state_directory: Path) -> bytes:
    """The master key: `key_file`, else the systemd credential, else STATE/key, made on the first start.

    Raises KeyUnusable when it is unreadable, too short, or open to others.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if key_file:
        return read_key(Path(key_file), private=True)
    if credentials and (Path(credentials) / CREDENTIAL).exists():
        return read_key(Path(credentials) / CREDENTIAL, private=False)
    path = state_directory / "key"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(os.urandom(KEY_BYTES))
            new.flush()
            os.fsync(new.fileno())
    except FileExistsError:
        pass
    except OSError as exc:
        raise KeyUnusable(f"cannot make the master key {path}: {exc.strerror}; is the directory writable?") from exc
    return read_key(path, private=True)


def read_key(path: Path, *, private: bool) -> bytes:
    """The master key in a file. private: only its owner may read it. Raises KeyUnusable."""
    try:
        key = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as exc:
        raise KeyUnusable(f"cannot read the master key {path}: {exc.strerror}") from exc
    if private and mode & 0o077:
        raise KeyUnusable(f"cannot use the master key {path}: others may read it; run: chmod 600 {path}")
    if len(key) < KEY_BYTES:
        raise KeyUnusable(
            f"cannot use the master key {path}: it has {len(key)} octets and needs {KEY_BYTES}; "
            f"run: head -c {KEY_BYTES} /dev/urandom > {path}"
        )
    return key
