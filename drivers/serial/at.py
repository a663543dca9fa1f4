"""AT commands without I/O: bytes in, events out (3GPP 27.007 and 27.005).

Rules. Any bytes give events, never an exception and never a growing buffer. One command is under way at a time; a line
that is neither its echo, its answer nor its final result is a `Notice`, so nothing that a modem says by itself is taken
for an answer or lost. Lines are latin-1. A line's text may hold a number or a message: it never shows in a repr.
"""

import re
from dataclasses import dataclass, field

from drivers.serial import error_causes
from drivers.serial.error_causes import Meaning, ResultKind

ESC, CTRL_Z, CR, LF = 0x1B, 0x1A, 0x0D, 0x0A
LINE_LIMIT = 4096  # octets; the longest honest line is a PDU of 2 * (12 + 164) digits
CONTROLS = bytes(range(0x20))
NOISE = bytes(octet for octet in range(256) if not 0x20 < octet < 0x7F)  # with blanks


class Malformed(Exception):
    """A modem's answer does not have the shape that the standard gives it."""


# --- what comes out ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prompt:
    """The modem wants the message's body (27.005 3.5.1: CR LF > SPACE)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of information that belongs to the command under way."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Final:
    """The command's end. code: of CME and CMS, None where it is not known."""

    kind: ResultKind
    code: int | None = None

    @property
    def ok(self) -> bool:
        return self.kind is ResultKind.OK


@dataclass(frozen=True, slots=True)
class Reply:
    """A command's end and its information lines."""

    final: Final
    answers: list[str] = field(default_factory=list, repr=False)

    @property
    def ok(self) -> bool:
        return self.final.ok


@dataclass(frozen=True, slots=True)
class Notice:
    """What the modem said by itself. name: as in NOTICES, else ""; pdu: the second line, where there was one."""

    name: str
    text: str = field(repr=False)
    pdu: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Aside:
    """The answer to a query that was asked beside the command under way, or before it."""

    text: str = field(repr=False)


Event = Prompt | Answer | Final | Notice | Aside

# --- tables --------------------------------------------------------------------------------------------------

FINALS = {
    "OK": ResultKind.OK,
    "ERROR": ResultKind.ERROR,
    "ABORTED": ResultKind.ERROR,  # V.250 5.6.1, an aborted command
    "COMMAND NOT SUPPORT": ResultKind.ERROR,  # Huawei
    "TOO MANY PARAMETERS": ResultKind.ERROR,  # Huawei
}
"""Final results (V.250 5.7). NO CARRIER, BUSY and NO ANSWER end a dialled call only, and this gateway never dials."""

ERROR_PREFIXES = {"+CME ERROR": ResultKind.CME, "+CMS ERROR": ResultKind.CMS}

ECHO = "an echo"  # of a command, by a modem whose echo was switched off
BANNERS = frozenset(
    {"RDY", "START", "APP RDY", "*ATREADY", "^SYSSTART", "+SYSSTART", "^SYSSTART AIRPLANE MODE", "MODEM:STARTUP", ECHO}
    | {"AT-COMMAND INTERPRETER READY"}
)
"""The modem has just started: what was set up before is gone."""

MESSAGE_REFERENCE = "+CMGS"
"""The name of the line with a message's reference; the OK that follows belongs to it."""

WITH_PDU = ("+CMT", "+CDS", "+CBM", "+CMGL", "+CMGR")
"""A line with one of these names is followed by a PDU (27.005 3.4.1, 3.4.2, 3.4.3)."""

NOTICES = frozenset(
    {"+CMTI", "+CMT", "+CDSI", "+CDS", "+CBM", "+CREG", "+CGREG", "+CEREG", "RING", "+CRING", "+CLIP", "+CPIN"}
    | {"+CUSD", "+CIEV", "+CFUN", "+CMGS", "+CMS ERROR", "+CME ERROR", "NO CARRIER", "BUSY", "NO ANSWER", "+CTZV"}
    | {"+CALA", "+QIND", "+QUSIM", "SMS READY", "CALL READY", "SMS DONE", "PB DONE", "+PBREADY", "+CCWA", "+CSSU"}
    | {"DST", "*PSUTTZ", "*PSNWID", "NORMAL POWER DOWN", "UNDER-VOLTAGE WARNNING", "+CGEV", "+CTZE"}
    | BANNERS
)


def meaning(final: Final) -> Meaning:
    """What this error means for a message whose body the modem has."""
    return error_causes.meaning(final.kind, final.code)


def cause(final: Final) -> str:
    """The result in words, with the remedy where there is one: "CMS 38: network out of order", "OK"."""
    return error_causes.words(final.kind, final.code)


# --- the parser ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Beside:
    """A query that was asked beside the command under way. due: how many of its answers are; ok: its OK is."""

    query: str = ""
    answer: str = ""
    due: int = 0
    ok: bool = False


class Parser:
    """One modem's side of the conversation. Write what `command` and `body` return; feed what the port gives."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self._readable = False  # the line has more than noise so far
        self._echo = ""
        self._answer: str | None = None
        self._free_text = False
        self._prompt = False
        self._header = ""
        self._beside = _Beside()
        self._owed_ok = False  # the last result was a late answer of which it is known that OK follows
        self.watched: frozenset[str] = frozenset()  # names of answers that are an `Aside` where nobody waits for them
        self.echoes = False  # the command under way was echoed
        self.quiet = False  # its echo was switched off, and it is

    def command(self, text: str, answer: str = "", *, free_text: bool = False, prompt: bool = False) -> bytes:
        """Begin a command, e.g. ("AT+CSQ", "+CSQ").

        answer: the name of its information lines; free_text: they have none (AT+CGMM); prompt: it may ask for a body.
        """
        self._echo, self._answer, self._free_text, self._prompt = text, answer, free_text, prompt
        self.echoes = self._owed_ok = False
        self._beside = _Beside()
        return text.encode("latin-1") + b"\r"

    def expect(self, answer: str, *, prompt: bool = False) -> None:
        """The final result was an older command's. prompt: this one may still ask for its body."""
        self._answer, self._prompt = answer, prompt

    def body(self, pdu: str) -> bytes:
        """The message for which a prompt has come, without the Ctrl-Z that sends it."""
        self._echo, self._prompt = pdu, False
        return pdu.encode("latin-1")

    def beside(self, text: str, answer: str) -> bytes:
        """A query while the network has the message: its line is an `Aside`, and the OK behind that is its own."""
        self._beside.query, self._beside.answer = text, answer
        self._beside.due += 1
        return text.encode("latin-1") + b"\r"

    def forget(self) -> None:
        """Give up the command under way: what still comes of it is a `Notice`."""
        self._echo, self._answer, self._free_text, self._prompt = "", None, False, False

    def feed(self, data: bytes) -> list[Event]:
        """Every event that these octets complete, in order."""
        events: list[Event] = []
        for number, piece in enumerate(data.replace(b"\r", b"\n").split(b"\n")):
            if number:
                self._line_end(events)
            if piece:
                self._collect(self._after_prompt(piece.translate(None, CONTROLS), events))
        return events

    def _after_prompt(self, text: bytes, events: list[Event]) -> bytes:
        """What follows the prompt; all of it, where there is none."""
        at = text.find(b">") if self._prompt and not self._readable else -1
        if at < 0 or text[:at].translate(None, NOISE):
            return text
        self._prompt = False
        self._buffer.clear()
        events.append(Prompt())
        return text[at + 1 :]

    def _collect(self, text: bytes) -> None:
        self._readable = self._readable or bool(text.translate(None, NOISE))
        room = LINE_LIMIT - len(self._buffer)
        self._overlong = self._overlong or len(text) > room
        self._buffer += text[:room]

    def _line_end(self, events: list[Event]) -> None:
        overlong, self._overlong, self._readable = self._overlong, False, False
        if not self._buffer:
            return
        line = self._buffer.decode("latin-1").strip()
        self._buffer.clear()
        if line and not overlong:
            events.extend(self._line(line))

    def _line(self, line: str) -> list[Event]:
        if self._header:
            header, self._header = self._header, ""
            if is_hex(line):
                return [self._sort(header, line)]
            if is_notice(line) and parse_final(line) is None and name_of(line) not in (self._answer, *WITH_PDU):
                self._header = header  # said in between
                return [self._sort(line, "")]
            return [self._sort(header, ""), *self._line(line)]
        if self._echo and line == self._echo:
            self._echo, self.echoes = "", True
            return [Notice(ECHO, "")] if self.quiet and line.startswith("AT") else []  # some echo a body all the same
        line = self._without_noise(line)
        aside = self._aside(line)
        if aside is not None:
            return aside
        if name_of(line) in WITH_PDU:
            self._header = line
            return []
        return [self._final(line) or self._sort(line, "")]

    def _aside(self, line: str) -> list[Event] | None:
        """What a line of the query beside the command under way comes to; None for any other."""
        beside = self._beside
        if beside.query and line == beside.query:
            return [Notice(ECHO, "")] if self.quiet else []
        if beside.due and name_of(line) == beside.answer:
            beside.due, beside.ok = beside.due - 1, True
            return [Aside(line)]
        own_ok = beside.ok and line == "OK"
        beside.ok = beside.ok and not self._is_result(line)
        return [] if own_ok else None

    def _is_result(self, line: str) -> bool:
        """Whether it belongs to some command; else it is said between an answer and its OK, which is still to come."""
        return self._free_text or name_of(line) == self._answer or parse_final(line) is not None

    def _without_noise(self, line: str) -> str:
        """Noise on the wire is seldom ASCII; a final result or an answer stays readable beside it."""
        bare = line.encode("ascii", "ignore").decode()
        at = bare.find(f"{self._answer}:") if self._answer else -1
        if at >= 0:
            return bare[at:]
        stripped = bare.strip()
        return stripped if stripped in FINALS or stripped.startswith(tuple(ERROR_PREFIXES)) else line

    def _final(self, line: str) -> Final | None:
        """The end of the command under way; without one, a late result of an older command is no news."""
        name = name_of(line)
        late = name != self._answer and (name == MESSAGE_REFERENCE or name in self.watched)
        owed_ok, self._owed_ok = self._owed_ok, late or (self._owed_ok and not self._is_result(line))
        if self._answer is None or (owed_ok and line == "OK"):
            return None
        final = parse_final(line)
        if final is not None:  # an older command's, perhaps, so that this one's prompt may still come
            self._echo, self._answer, self._free_text = "", None, False
        return final

    def _sort(self, line: str, pdu: str) -> Answer | Notice | Aside:
        name = name_of(line)
        free = self._free_text and not is_notice(line) and (line[0] not in NAMED or ":" not in line)
        mine = self._answer is not None and ((name == self._answer != "") or free)
        if mine and not is_unasked_registration(line):
            return Answer(f"{line}\n{pdu}" if pdu else line)
        if name in self.watched:
            return Aside(line)
        return Notice(name if is_notice(line) else "", line, pdu)


# --- reading lines -------------------------------------------------------------------------------------------

NAMED = "+^#*$"
"""With these begin lines that carry a name, so that one of another name is never free text."""
REGISTRATIONS = ("+CREG", "+CGREG", "+CEREG")
LAST_STATUS = 11  # <stat>, 27.007 7.2
STORAGE = re.compile(r"[A-Za-z_]{2,8}")  # 27.005 3.1, and "SM_P" of some makers
HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")


def is_hex(line: str) -> bool:
    return len(line) % 2 == 0 and HEX_DIGITS.issuperset(line)


def name_of(line: str) -> str:
    """ "+CMTI" of a line that begins with "+CMTI:"; all of it, in capitals, where there is no colon."""
    return line.partition(":")[0].strip() if line[:1] in NAMED else line.upper().partition(": ")[0].strip()


def answer_name(command: str) -> str:
    """ "+CSQ" of "AT+CSQ", "+CREG" of "AT+CREG?": how the lines of its answer begin; "" of ATI, whose have no name."""
    return command[2:].partition("=")[0].rstrip("?") if command[2:].startswith(tuple(NAMED)) else ""


def is_notice(line: str) -> bool:
    """Whether modems say this unasked; every name that begins with "^" is a Huawei or Siemens notice."""
    return name_of(line) in NOTICES or line.upper() in NOTICES or line.startswith("^")


def is_unasked_registration(line: str) -> bool:
    """Whether it is <stat>[,<lac>,<ci>...]; the answer to AT+CREG? has the mode before (27.007 7.2).

    The shape decides: <stat> is of one or two digits, <lac> is quoted or longer, whether or not it has letters.
    """
    if name_of(line) not in REGISTRATIONS:
        return False
    rest = [parameter.strip() for parameter in line.partition(":")[2].split(",")]
    return len(rest) in (1, 3) or not (is_integer(rest[1]) and len(rest[1]) <= 2)


def parse_final(line: str) -> Final | None:
    """A final result, numeric or verbose; None for any other line."""
    if line in FINALS:
        return Final(FINALS[line])
    for prefix, kind in ERROR_PREFIXES.items():
        if line.startswith(prefix) and line[len(prefix) :][:1] in ("", " ", ":"):  # some leave the colon out
            rest = line[len(prefix) :].strip(": ")
            return Final(kind, integer(rest) if is_integer(rest) else error_causes.code_of(kind, rest))
    return None


def is_integer(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def integer(text: str) -> int:
    """Raises Malformed, without the text, for what is not a small natural number."""
    if not is_integer(text):
        raise Malformed("cannot read a number in a modem's answer")
    return int(text)


def fields(line: str) -> list[str]:
    """The parameters of "+NAME: 1,"a,b",,2", unquoted."""
    found: list[list[str]] = [[]]
    for number, part in enumerate(line.partition("\n")[0].partition(":")[2].split('"')):
        first, *others = part.split(",") if number % 2 == 0 else [part]
        found[-1].append(first)
        found += [[other] for other in others]
    return ["".join(pieces).strip() for pieces in found]


def text_of(reply: Reply, command: str) -> str:
    """The first line of a command's answer, without the name that some put before it; "" where there is none."""
    return reply.answers[0].removeprefix(f"{answer_name(command)}:").strip() if reply.answers else ""


def message_reference(line: str) -> int:
    """<mr> of "+CMGS: <mr>[,<scts>]" (27.005 3.5.1). Raises Malformed."""
    return integer(fields(line)[0])


def registration(line: str) -> int:
    """<stat> of a registration line, asked for or not (27.007 7.2, 10.1.20, 10.1.22). Raises Malformed."""
    status = integer(fields(line)[0 if is_unasked_registration(line) else 1])
    if status > LAST_STATUS:
        raise Malformed("cannot read a registration")
    return status


def storage_index(line: str) -> tuple[str, int]:
    """<mem>, <index> of +CMTI and +CDSI (27.005 3.4.1). Raises Malformed."""
    parameters = fields(line)
    if len(parameters) < 2 or STORAGE.fullmatch(parameters[0]) is None:
        raise Malformed("cannot read where a message is stored")
    return parameters[0], integer(parameters[1])


def signal_dbm(line: str) -> int | None:
    """dBm of "+CSQ: <rssi>,<ber>" (27.007 8.5); None for 99, not known. Raises Malformed."""
    rssi = integer(fields(line)[0])
    return -113 + 2 * rssi if rssi <= 31 else None
