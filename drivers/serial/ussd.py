"""A question to the network by USSD, and its answer: AT+CUSD (3GPP 27.007 7.15). Pure.

The answer comes by itself, perhaps in several lines, and in hexadecimal digits where the modem writes it so. Whatever
comes is read in time proportional to its length, and the text shows in no repr: the SIM's number may stand in it.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum

from drivers.codecs import gsm7
from drivers.serial import at

NAME = "+CUSD"
CANCEL = "AT+CUSD=2"
CODE = re.compile(r"[*#][0-9*#]{1,30}#")
MOST_LETTERS, MOST_LINES = 1000, 20
LEAST_HEX = 8  # digits: a shorter text of nothing else may be meant as it stands
ENDED = re.compile(r'"(?: {0,3}, {0,3}[0-9]{1,3})?$')
SCHEME = re.compile(r", {0,3}([0-9]{1,3})$")
GSM7 = 15  # <dcs>: the GSM alphabet, no language (23.038 5)


class Status(IntEnum):
    """<m> of 27.007 7.15."""

    DONE = 0
    MORE_WANTED = 1  # a menu: the network waits for a choice
    ENDED = 2  # by the network
    OTHER_CLIENT = 3
    NOT_SUPPORTED = 4
    TIME_OUT = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """text: "" where there is none."""

    status: Status
    text: str = field(repr=False)


def question(code: str, charset: str) -> str:
    """The command. charset: of AT+CSCS (27.007 5.5), as the modem says it."""
    written = code.encode("utf-16-be").hex().upper() if charset == "UCS2" else code
    return f'AT+CUSD=1,"{written}",{GSM7}'


class Reader:
    """Takes the lines of one answer. charset: as above."""

    def __init__(self, charset: str) -> None:
        self._charset = charset
        self._lines: list[str] = []

    @property
    def begun(self) -> bool:
        return bool(self._lines)

    def take(self, line: str) -> Answer | None:
        """The answer, once it is whole. Raises at.Malformed for what is none."""
        self._lines.append(line[:MOST_LETTERS])
        written = " ".join(self._lines)
        whole = written.partition('"')[2]
        if '"' in written and not ENDED.search(whole) and len(self._lines) < MOST_LINES and len(written) < MOST_LETTERS:
            return None
        self._lines.clear()
        return read(written, self._charset)


def read(written: str, charset: str) -> Answer:
    """ "+CUSD: <m>[,<str>,<dcs>]". Raises at.Malformed."""
    status, _, rest = written.partition(":")[2].partition(",")
    number = at.integer(status.strip())
    if number > max(Status):
        raise at.Malformed("cannot read an answer by USSD")
    rest = rest.strip()
    scheme = SCHEME.search(rest)
    text = rest[: scheme.start()] if scheme is not None else rest
    text = text.strip().removeprefix('"').removesuffix('"')
    return Answer(Status(number), decoded(text, charset, int(scheme[1]) if scheme is not None else GSM7))


def decoded(text: str, charset: str, scheme: int) -> str:
    """What people would read. scheme: <dcs>, the Cell Broadcast Data Coding Scheme of 23.038 5."""
    if len(text) < LEAST_HEX or not at.is_hex(text):
        return text
    octets = bytes.fromhex(text)
    if charset == "UCS2" or is_ucs2(scheme) or not octets[0]:
        return octets.decode("utf-16-be", "replace")
    return gsm7.unpack(octets, 0, len(octets) * 8 // gsm7.SEPTET).rstrip("\r@")  # which fill the last octet (6.1.2.3.1)


def is_ucs2(scheme: int) -> bool:
    return scheme == 0x11 or (scheme >> 6 == 1 and scheme & 0x0C == 0x08)
