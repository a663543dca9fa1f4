"""What leaves this machine in a bundle: numbers become keyed hashes, secrets a word. Pure."""

import hashlib
import re
from collections.abc import Iterable

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?"
NUMBER = re.compile(rf"({DATE})|\+?[0-9](?:[ .()-]{{0,2}}[0-9]){{6,40}}")
"""A date, which stays, or seven digits and more with what people write between them."""
HASH_OCTETS = 5
LETTERS = str.maketrans("0123456789", "ghijklmnop")  # a hash is not to look like a number
LEAST_SECRET = 4  # characters; a shorter one would black out half of the text
SECRET = "[secret]"  # noqa: S105 - what stands in its place


def masked(text: str, key: bytes, secrets: Iterable[str] = ()) -> str:
    """The same number becomes the same word, within one bundle: the key is in no file."""
    for each in sorted({each for each in secrets if len(each) >= LEAST_SECRET}, key=len, reverse=True):
        text = text.replace(each, SECRET)
    return NUMBER.sub(lambda found: found[1] or _hashed(found[0], key), text)


def _hashed(number: str, key: bytes) -> str:
    digits = "".join(filter(str.isdecimal, number))
    return "number-" + hashlib.blake2b(digits.encode(), key=key, digest_size=HASH_OCTETS).hexdigest().translate(LETTERS)
