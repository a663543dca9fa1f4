"""The alphabets of an SMS: which one a text needs, its length and its parts (3GPP 23.038 6.2.1, 23.040 9.2.3.24). Pure.

A text goes in the GSM 7-bit default alphabet if each of its characters has a place there, else in UCS2, which phones
write and read as UTF-16: a character beyond the Basic Multilingual Plane is a surrogate pair.
"""

from enum import StrEnum

SEPTET = 7  # bits
ESCAPE = 0x1B  # the septet before one of the extension table (23.038 6.2.1)
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The character of each septet; that of ESCAPE stands for no character."""
EXTENSION = {0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}
"""The character of each septet behind ESCAPE (23.038 6.2.1.1)."""
READ_AS = EXTENSION | {0x0A: "\n", ESCAPE: " "}
"""The same, with what is only read: a page break, and what is reserved for another table."""
LAST_OF_BMP = 0xFFFF  # the Basic Multilingual Plane of Unicode

SEPTETS = {char: 1 for septet, char in enumerate(BASIC) if septet != ESCAPE} | dict.fromkeys(EXTENSION.values(), 2)


class Alphabet(StrEnum):
    """Of a text that is sent."""

    GSM7 = "GSM-7"
    UCS2 = "UCS2"


UNITS_ALONE = {Alphabet.GSM7: 160, Alphabet.UCS2: 70}
"""Septets, or UTF-16 code units, in a message of one part."""
UNITS_EACH = {Alphabet.GSM7: 153, Alphabet.UCS2: 67}
"""In each of several parts, beside a header of 6 octets."""


def in_parts(text: str) -> tuple[Alphabet, list[str]]:
    """The alphabet of a text, and its parts."""
    text = sendable(text)
    needed = alphabet(text)
    return needed, split(text, needed)


def sendable(text: str) -> str:
    """The text with "?" for half a surrogate pair, which is no character."""
    return text.encode("utf-16", "replace").decode("utf-16")


def alphabet(text: str) -> Alphabet:
    return Alphabet.GSM7 if SEPTETS.keys() >= set(text) else Alphabet.UCS2


def units(text: str, alphabet: Alphabet) -> list[int]:
    """How much of UNITS_ALONE each character of a text takes, which the alphabet has to hold."""
    return [SEPTETS[char] if alphabet is Alphabet.GSM7 else 1 + (ord(char) > LAST_OF_BMP) for char in text]


def split(text: str, alphabet: Alphabet) -> list[str]:
    """The text in parts that fit; no escaped character and no surrogate pair is cut."""
    sizes = units(text, alphabet)
    if sum(sizes) <= UNITS_ALONE[alphabet]:
        return [text]
    parts, used = [""], 0
    for char, size in zip(text, sizes, strict=True):
        if used + size > UNITS_EACH[alphabet]:
            parts.append("")
            used = 0
        parts[-1] += char
        used += size
    return parts


def unpack(octets: bytes, first: int, count: int) -> str:
    """The text of `count` septets from number `first` on, packed with the lowest bits first (23.038 6.1.2.1).

    It is of fewer where the octets end before.
    An escape before a septet that the extension table does not know is passed over (6.2.1.1).
    """
    text, escaped = [], False
    for septet in _septets(octets)[first : first + count]:
        if septet == ESCAPE and not escaped:
            escaped = True
            continue
        text.append(READ_AS.get(septet, BASIC[septet]) if escaped else BASIC[septet])
        escaped = False
    return "".join(text)


def _septets(octets: bytes) -> list[int]:
    """All that are whole."""
    septets, bits, held = [], 0, 0
    for octet in octets:
        bits, held = bits | octet << held, held + 8
        while held >= SEPTET:
            septets.append(bits & 0x7F)
            bits, held = bits >> SEPTET, held - SEPTET
    return septets
