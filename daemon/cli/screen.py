"""Text on a terminal: how many columns it takes, and what in it could steer the terminal.

What others wrote (an SMS, a name, an error of a trunk) reaches the screen through here.
"""

import unicodedata
from collections.abc import Iterator
from itertools import accumulate

REPLACEMENT, CUT = "\N{REPLACEMENT CHARACTER}", "\N{HORIZONTAL ELLIPSIS}"
STEERING = frozenset({"Cc", "Cs", "Zl", "Zp"})  # general categories: controls, surrogates, ends of lines
DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # embeddings, overrides, isolates
NO_ROOM = frozenset({"Mn", "Me", "Cf"})  # marks on the character before them, and what is not seen at all
MARKS = 2  # on one character: more of them run into the lines above and below
WIDE = frozenset("WF")  # of East Asian Width (UAX 11): two columns


def clean(text: str) -> str:
    """The text without what breaks a line or steers the terminal: those characters are replaced."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(REPLACEMENT if _steers(each) else each for each in text)


def width_of(text: str) -> int:
    """How many columns a cleaned text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fit(text: str, width: int) -> str:
    """Cleaned, and exactly so wide: filled with spaces, or cut, which an ellipsis shows."""
    whole = _sparing(clean(text))
    taken = width_of(whole)
    if taken <= width:
        return whole + " " * (width - taken)
    kept = whole[: sum(end < width for end in accumulate(map(_columns, whole)))]
    return kept + " " * (width - 1 - width_of(kept)) + CUT * min(width, 1)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in STEERING or character in DIRECTION


def _columns(character: str) -> int:
    if unicodedata.category(character) in NO_ROOM:
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1


def _sparing(text: str) -> str:
    """With as many marks on a character as languages need."""
    if text.isascii():
        return text
    kept, marks = "", 0
    for each in text:
        marks = 0 if _columns(each) else marks + 1
        kept += each if marks <= MARKS else ""
    return kept


def wrapped(text: str, width: int) -> list[str]:
    """Cleaned, in lines of at most so many columns (two at least), broken at spaces where there are any."""
    lines = [""]
    for word in clean(text).split():
        for piece in _pieces(word, width):
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if width_of(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    piece = ""
    for each in word:
        if piece and width_of(piece + each) > width:
            yield piece
            piece = ""
        piece += each
    yield piece
