"""How a number that is deleted is hashed, and how it may be written in a text.

A hash is an HMAC under a key of its own. The plain hashes of all numbers are tried in minutes; these cannot be without
that key. It is derived from the first master key and, after a rotation, lies in the database, sealed under the key in
use: so hashes stay the same. Without these master keys they can no longer be linked to a number.
"""

import contextlib
import functools
import hashlib
import hmac
from typing import TYPE_CHECKING

from daemon.core.masking import HASHED
from daemon.pins import Pins, SealBroken
from daemon.store.forgetting import Forms
from daemon.store.retention import Hash

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

LABEL, HEX_DIGITS = b"pinwheel numbers", 32
SEALED = "numbers key"  # setting of the database, and what the seal is bound to


def number_hash(master_key: bytes, sealed: str = "") -> Hash:
    """How numbers are hashed under this master key. sealed: the key of the hashes, after a rotation."""
    key = functools.cache(lambda: numbers_key(master_key, sealed))  # late: few daemons ever hash a number

    def hashed(number: str) -> str:
        return HASHED + hmac.digest(key(), number.encode(), hashlib.sha256).hex()[:HEX_DIGITS]

    return hashed


def numbers_key(master_key: bytes, sealed: str) -> bytes:
    """The key of the hashes; another one where it was sealed under a master key that is lost."""
    if sealed:
        with contextlib.suppress(SealBroken):
            return bytes.fromhex(Pins(master_key).unseal(SEALED, sealed))
    return hmac.digest(master_key, LABEL, hashlib.sha256)


def sealed_again(old: bytes, sealed: str, new: bytes) -> str:
    """The key of the hashes, sealed under a new master key."""
    return Pins(new).seal(SEALED, numbers_key(old, sealed).hex())


def forms(number: "PhoneNumber") -> Forms:
    """How a number may stand in a text."""
    import phonenumbers  # late, as everywhere: it takes long to load

    national = phonenumbers.national_significant_number(number)
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
    return Forms(f"{number.country_code}{national}", national, prefix)
