"""What to do about a file that is no TOML: the line, its key, and what people usually mean there."""

import re
from collections.abc import Iterator

VALUE = r"^[ \t]*[\w.-]+[ \t]*=[ \t]*"
HINTS: tuple[tuple[str, str], ...] = (
    ("[\u201c\u201d\u201e\u201f\u2018\u2019\u00ab\u00bb\u2033]", 'it has curly quotes; write plain ones: "'),
    ("[\u00a0\u200b\u2007\u202f\ufeff]", "it has a character that looks like a space and is none; type the line again"),
    (r"^[ \t]*\[\[?[^][]*$", "the closing ] is missing"),
    (r"^[ \t]*\[{1,2}[^][]+\]{1,2}[ \t]*[^\s#\]]", "the line goes on after the name of the section; remove the rest"),
    (r"^[ \t]*(//|;|--)", "a comment begins with #"),
    (r"^[ \t]*[\w.-]+[ \t]*:", 'write = in place of ":"'),
    (r"^[ \t]*[\w.-]+[ \t]*(#.*)?$", "= and a value are missing after the key"),
    (VALUE + r"(#.*)?$", 'the value is missing; an empty text is ""'),
    (VALUE + r"(?i:true|yes|on|false|no|off)\b", "write true or false, in small letters"),
    (VALUE + r"0[0-9]", 'a number does not begin with 0; where it is a text, put it in quotes: "0660"'),
    (VALUE + r"[-+]?[0-9.]+[ \t]*[A-Za-z%/]+[ \t]*(#.*)?$", "write the number alone, without a unit"),
    (VALUE + r'"[^"\n]*\\', r"write a backslash in a text twice: \\"),
    (VALUE + r"""["'][^"']*$""", "the closing quote is missing"),
    (VALUE + r"""(["'])(?:(?!\1).)*\1[ \t]*[^\s#]""", "a value ends with its quote; something follows it"),
    (VALUE + r"""[^"'\[{\s]""", 'put the text in quotes: "..."'),
    (r"=[ \t]*\[", "write a list as [1, 2], and its texts in quotes"),
)
KEY = re.compile(r"^[ \t]*([\w.-]+)[ \t]*[=:]")
SECTION = re.compile(r"^[ \t]*(\[\[?[ \t]*[\w.-]+[ \t]*\]\]?)")
BYTE_ORDER_MARK = "\ufeff"


def not_toml(text: str, why: str) -> str:
    """One sentence for the parser's complaint: section and key, the line, and a hint."""
    if text.startswith(BYTE_ORDER_MARK):
        return "line 1: it begins with a byte-order mark; save it as UTF-8 without BOM"
    number = _line_number(text, why)
    line = text.splitlines()[number - 1] if number else ""
    where = _where(text.splitlines()[:number]) if number else ""
    return f"{where}line {number or 'last'}: not valid TOML: {why}; {_hint(line, why)}"


def _line_number(text: str, why: str) -> int:
    """From 1; that of the last line with something in it where the parser came to the end; 0 for an empty file."""
    found = re.search(r"at line (\d+)", why)
    lines = text.splitlines()
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    return min(int(found[1]), len(lines)) if found else last


def _where(lines: list[str]) -> str:
    section = next((found[1] for line in reversed(lines) if (found := SECTION.match(line))), "")
    key = KEY.match(lines[-1])
    named = " ".join(filter(None, (section, key[1] if key else "")))
    return f"{named}: " if named else ""


def _hint(line: str, why: str) -> str:
    if "overwrite" in why:
        return "the key is twice in its section; remove one"
    if "twice" in why or "namespace" in why:
        return "the section is there twice; put its keys together (only [[...]] may be repeated)"
    return next(_hints(line), "config/pinwheel.toml shows how each key is written")


def _hints(line: str) -> Iterator[str]:
    return (hint for pattern, hint in HINTS if re.search(pattern, line))


def not_text(octets: bytes, at: int) -> str:
    """For a file that is not UTF-8. at: the first octet that is wrong."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it is UTF-16; save it as UTF-8"
    line = octets[:at].count(b"\n") + 1
    return f"line {line}: octet {at} is not UTF-8; save it as UTF-8"
