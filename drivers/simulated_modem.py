"""A GSM modem that is not there: AT commands (3GPP 27.005, PDU mode) over a pseudo-terminal.

The real serial driver opens its port, so the demo and the tests run the whole SMS path but the radio. The last two
digits of the recipient choose the handset (HANDSETS); methods inject the faults that modems have. It shares no code
with the driver: a peer with the same parser would prove nothing.

Not imitated: the radio and its delays beyond one network time, flow control and baud rates, USB re-enumeration, text
mode, SIM toolkit, multiplexing (27.010), and calls beyond RING.
"""

import contextlib
import heapq
import itertools
import os
import queue
import re
import select
import threading
import time
import tty
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from drivers.simulated_dialect import STANDARD, Dialect

ESC, CTRL_Z, CR, LF = 0x1B, 0x1A, 0x0D, 0x0A
BOOT_S = 0.3  # from a restart to the banner; real modems need 5 to 30
AGAIN_S = 0.5  # until the service centre tries again to deliver a report
STORAGE = 30  # messages

Timers = list[tuple[float, int, Callable[[], None]]]
"""A heap: monotonic time, order, what to do then."""


@dataclass(frozen=True, slots=True)
class Handset:
    """What becomes of a message to a number. error: +CMS ERROR; reports: TP-ST of each status report."""

    help: str
    error: int | None = None
    once: bool = False  # the error comes only the first time
    extra_s: float = 0.0
    answered: bool = True
    with_reference: bool = True
    restarts: bool = False
    garbage: bool = False
    reports: tuple[int, ...] = (0x00,)


HANDSETS: dict[str, Handset] = {
    "80": Handset("the network refuses it for good (CMS 1, unassigned number)", error=1),
    "81": Handset("the network is congested once (CMS 42), then takes it", error=42, once=True),
    "82": Handset("sent, but the modem never says so; the handset reports delivery", answered=False),
    "83": Handset("sent, and the modem says so 45 s late", extra_s=45.0),
    "84": Handset("switched off: the first report says trying (0x30), the second delivered", reports=(0x30, 0x00)),
    "85": Handset("never reached: the report says failed (0x46, validity period expired)", reports=(0x46,)),
    "86": Handset("sent, and no report ever comes", reports=()),
    "87": Handset("the modem restarts in mid-send, and nothing is sent", restarts=True),
    "88": Handset("noise on the line in the middle of the modem's answer", garbage=True),
    "89": Handset("the modem says OK without +CMGS, as a Siemens MC35i after a failure", with_reference=False),
}
"""By the last two digits of the number."""
PLAIN = Handset("takes the message and reports delivery")

# --- PDUs (3GPP 23.040, 23.038), both ways, only what a modem's far end needs ----------------------------------

GSM7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = {0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}
TIME_STAMP = bytes.fromhex("62114281000000")


@dataclass(frozen=True, slots=True)
class Submit:
    """A SUBMIT as the service centre sees it. part: (reference, how many, which), for one of several.

    validity: TP-VP, None where there is none.
    """

    number: str = field(repr=False)
    text: str = field(repr=False)
    wants_report: bool
    part: tuple[int, int, int] | None
    validity: bytes | None


def _semi_octets(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes(int(padded[i + 1] + padded[i], 16) for i in range(0, len(padded), 2))


def read_submit(octets: bytes) -> Submit:
    """Raises ValueError or IndexError for what is none."""
    tpdu = octets[1 + octets[0] :]
    first, digits = tpdu[0], tpdu[2]
    if first & 0x03 != 0x01:
        raise ValueError("no SUBMIT")
    end = 4 + (digits + 1) // 2
    number = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in tpdu[4:end])[:digits]
    coding = tpdu[end + 1]
    data_at = end + 2 + {0x00: 0, 0x10: 1, 0x08: 7, 0x18: 7}[first & 0x18]
    length, data = tpdu[data_at], tpdu[data_at + 1 :]
    header = data[: data[0] + 1] if first & 0x40 else b""
    part = (header[3], header[4], header[5]) if header[1:3] == b"\x00\x03" else None
    text = _ucs2(data[:length], header) if coding & 0x0C == 0x08 else _gsm7(data, length, header)
    return Submit(number, text, bool(first & 0x20), part, tpdu[end + 2 : data_at] or None)


def _ucs2(data: bytes, header: bytes) -> str:
    return data[len(header) :].decode("utf-16-be")


def _gsm7(data: bytes, length: int, header: bytes) -> str:
    bits = int.from_bytes(data, "little")
    skipped = -(-len(header) * 8 // 7)
    text, escaped = "", False
    for place in range(skipped, length):
        septet = bits >> (7 * place) & 0x7F
        if escaped:
            text, escaped = text + GSM7_EXTENSION.get(septet, " "), False
        elif septet == 0x1B:
            escaped = True
        else:
            text += GSM7[septet]
    return text


def status_report(reference: int, number: str, status: int) -> bytes:
    """A STATUS-REPORT (9.2.2.3), service centre left out."""
    address = bytes([len(number), 0x91]) + _semi_octets(number)
    return bytes([0, 0x06, reference]) + address + TIME_STAMP + TIME_STAMP + bytes([status])


def deliver(number: str, text: str) -> bytes:
    """A DELIVER in UCS2 (9.2.2.1), service centre left out."""
    address = bytes([len(number), 0x91]) + _semi_octets(number)
    data = text.encode("utf-16-be", "surrogatepass")
    return bytes([0, 0x04]) + address + bytes([0, 0x08]) + TIME_STAMP + bytes([len(data)]) + data


# --- the modem -------------------------------------------------------------------------------------------------

ANSWERS: dict[str, str] = {
    "I": "Pinwheel simulated modem",
    "+CGMI": "Pinwheel",
    "+CGMM": "simulated modem",
    "+CGMR": "1",
    "+CIMI": "234150999999999",
    "+CSQ": "+CSQ: 21,0",
    "+COPS?": '+COPS: 0,0,"Simulated",7',
    "+CSCA?": '+CSCA: "+447785016005",145',
    "+CSCS?": '+CSCS: "GSM"',
    "+CSCS=?": '+CSCS: ("GSM","UCS2","HEX")',
    "+CFUN?": "+CFUN: {functionality}",
    "+CMEE?": "+CMEE: {numeric_errors:d}",
    "+CMGF?": "+CMGF: 0",
    "+CMGF=?": "+CMGF: (0)",
    "+CNMI?": "+CNMI: 2,1,0,{reports},0",
    "+CNMI=?": "+CNMI: (0-3),(0,1),(0),(0-2),(0,1)",
    "+CPMS=?": '+CPMS: ("SM","SR"),("SM"),("SM")',
    "+CPINR": "+CPINR: SIM PIN,{tries}",
    "+CPIN?": "+CPIN: {lock}",
    "+CREG?": "+CREG: 1,{registered}",
    "+CGREG?": "+CGREG: 1,{registered}",
    "+CEREG?": "+CEREG: 1,{registered}",
}
"""Commands (without their parameters) that answer one line."""
DIGITS = {"OK": "0", "ERROR": "4"}  # V.250 5.7.1
ACCEPTED = frozenset({"", "Z", "&F", "+CMMS", "+CREG", "+CGREG", "+CEREG", "+CSCS", "+CSCA", "+CSDH"})
"""Commands that only say OK."""
WITHOUT_SIM = frozenset(
    {"", "Z", "I", "E", "Q", "V", "+CFUN", "+CFUN?", "+CMEE", "+CMEE?", "+CPIN", "+CPIN?", "+CPINR"}
    | {"+CGMI", "+CGMM", "+CGMR", "+CGSN"}
)
NAME = re.compile(r"([+^#$*&]?[A-Z]*)(.*)")


class SimulatedModem:
    """One modem on a pseudo-terminal, with a thread of its own. Its public methods may be called from any other.

    link: a name for the port that outlives an unplugging. handset: hears (number, text) of whole messages.
    network_s: how long the network takes for a message; report_s: until the handset's report comes. for_messages: False
    for a port of a stick that answers AT but takes none. stores_reports: it knows no +CDS, so that they go to "SR".
    keeps_reports: where its stored profile keeps them, "" for nowhere (27.005 3.4.1, <ds> 2 or 0).
    multitasking: it answers, and takes the next message, while the network has one. incoming: where it stores messages.
    flight: its radio is off at first. verbose: False for a stored profile with results in digits (ATV0). dialect: its
    other habits.
    """

    def __init__(
        self,
        link: Path | None = None,
        *,
        handset: Callable[[str, str], None] | None = None,
        network_s: float = 0.5,
        report_s: float = 1.0,
        imei: str = "356938035643809",
        pin: str | None = None,
        for_messages: bool = True,
        stores_reports: bool = False,
        keeps_reports: str = "",
        multitasking: bool = False,
        incoming: str = "SM",
        flight: bool = False,
        verbose: bool = True,
        dialect: Dialect = STANDARD,
    ) -> None:
        self.accepted: list[tuple[str, str]] = []
        self.submits: list[Submit] = []  # the parts of these, and of what is not whole yet
        self.moments: list[tuple[str, float]] = []  # ("AT+CMGS" or "accepted", monotonic): for measuring
        self.commands: Counter[str] = Counter()
        self.port = ""
        self.network_s = network_s
        self.dialect, self._late = dialect, {"": dialect.first_s, **dict(dialect.late)}
        self._link, self._handset, self._report_s = link, handset, report_s
        self._imei, self._pin, self._pin_tries = imei, pin, 3
        self._for_messages, self._stores_reports, self._multitasking = for_messages, stores_reports, multitasking
        self._registered = 1
        self._incoming, self._keeps_reports = incoming, keeps_reports
        self._functionality, self._verbose = 4 if flight else 1, verbose
        self._storages: dict[str, dict[int, bytes]] = {"SM": {}, "SR": {}, incoming: {}}
        self._parts: dict[tuple[str, int], dict[int, str]] = {}
        self._congested: set[str] = set()
        self._ignored: set[str] = set()
        self._references = itertools.cycle(range(256))
        self._errors: list[tuple[str, int, str]] = []  # kind, code, and to which number ("": any)
        self._prompts: list[float | None] = []  # of the next messages: seconds late, None: never
        self._answers_lost: list[bool] = []  # of the next messages: was it sent?
        self._hung = self._resettable = False
        self._todo: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._timers: Timers = []  # of the modem itself
        self._centre: Timers = []  # of the service centre, which goes on without it
        self._order = itertools.count()
        self._master = self._slave = -1
        self._stopping = False
        self._reset()

    def _reset(self) -> None:
        """What a restart forgets."""
        self._echo, self._numeric_errors, self._reports = True, False, 2 if self._keeps_reports else 0
        self._locked = self._pin is not None
        self._read_from = "SM"
        self._phase, self._unacknowledged = "0", False
        self._started = time.monotonic()
        self._input = bytearray()
        self._body: int | None = None
        self._busy = False
        self._outbox: list[tuple[Submit, Handset]] = []  # the first is with the network
        self._timers.clear()

    # --- from outside ---

    def open(self) -> None:
        self._wake_in, self._wake_out = os.pipe()
        self._plug()
        self._thread = threading.Thread(target=self._run, name="simulated-modem", daemon=True)
        self._thread.start()

    def close(self) -> None:
        def stop() -> None:
            self._stopping = True

        self._do(stop)
        self._thread.join()
        self._unplug()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def __enter__(self) -> "SimulatedModem":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def unplug(self) -> None:
        """Out of its socket: the port is gone, and with it whatever was under way."""
        self._do(self._unplug)

    def replug(self) -> None:
        """Back, under the same link."""
        self._do(self._plug)

    def reboot(self, *, banner: bool = True, echo: bool = True) -> None:
        """A spontaneous restart: everything set up is forgotten, the banner follows, unless it has none.

        echo: False for one that starts without.
        """

        def silently() -> None:
            self._reset()
            self._echo = echo

        self._do(self._restart if banner else silently)

    def hang(self, hung: bool, *, resettable: bool = False) -> None:
        """Swallow everything and say nothing, or work again. resettable: AT+CFUN=1,1 still restarts it."""

        def change() -> None:
            self._hung, self._resettable = hung, resettable

        self._do(change)

    def register(self, status: int, *, announced: bool = True) -> None:
        """<stat> of 27.007 7.2: 1 home, 2 searching, 3 denied, 5 roaming; announced unasked, or not."""

        def change() -> None:
            self._registered = status
            if announced:
                self._say(f"+CREG: {status}")

        self._do(change)

    def fly(self) -> None:
        """Its radio is switched off."""
        self._do(lambda: setattr(self, "_functionality", 4))

    def say(self, line: str) -> None:
        """Any unsolicited line, such as RING."""
        self._do(lambda: self._say(line))

    def noise(self, octets: bytes) -> None:
        """Garbage on the wire."""
        self._do(lambda: self._write(octets))

    def receive(self, sender: str, text: str) -> None:
        """An incoming message from E.164 digits: stored, and announced."""
        self._do(lambda: self._store(deliver(sender, text), "+CMTI", self._incoming))

    def fill(self, messages: int = STORAGE, *, drafts: bool = False) -> None:
        """Incoming messages, unannounced, or drafts; once the storage is full, nothing can be sent either."""
        draft = bytes.fromhex("00110000810000000141")  # a SUBMIT

        def fill() -> None:
            for index in range(1, messages + 1):
                pdu = draft if drafts else deliver("447700900999", f"advertisement {index}")
                self._storages["SM"].setdefault(index, pdu)

        self._do(fill)

    def ignore(self, command: str) -> None:
        """Never answer it, such as "+COPS?"."""
        self._do(lambda: self._ignored.add(command))

    def count_from(self, reference: int) -> None:
        """The next TP-MR, as if as many messages had been sent."""
        self._do(lambda: setattr(self, "_references", itertools.cycle([*range(reference, 256), *range(reference)])))

    def accept(self) -> None:
        """Refuse nothing any more."""
        self._do(self._errors.clear)

    def refuse(self, code: int, times: int = 1, *, kind: str = "CMS", number: str = "") -> None:
        """The next messages, to this number if one is given, end in this error."""
        self._do(lambda: self._errors.extend([(kind, code, number)] * times))

    def delay_prompt(self, seconds: float | None) -> None:
        """The next message's prompt comes late, or (None) never."""
        self._do(lambda: self._prompts.append(seconds))

    def lose_answer(self, accepted: bool) -> None:
        """The next message's answer never comes; whether it was sent."""
        self._do(lambda: self._answers_lost.append(accepted))

    def _do(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._todo.put((action, done))
        os.write(self._wake_out, b"!")
        done.wait(10)

    # --- the thread ---

    def _run(self) -> None:
        while not self._stopping:
            due_s = min((timers[0][0] for timers in (self._timers, self._centre) if timers), default=None)
            ports = [self._wake_in] + ([self._master] if self._master >= 0 else [])
            wait_s = None if due_s is None else max(due_s - time.monotonic(), 0)
            readable, _, _ = select.select(ports, [], [], wait_s)
            if self._wake_in in readable:
                os.read(self._wake_in, 4096)
                self._obey()
            if self._master in readable and self._master >= 0:
                self._read()
            for timers in (self._timers, self._centre):
                while timers and timers[0][0] <= time.monotonic():
                    heapq.heappop(timers)[2]()

    def _obey(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                action, done = self._todo.get_nowait()
                action()
                done.set()

    def _after(self, seconds: float, action: Callable[[], None], *, centre: bool = False) -> None:
        timers = self._centre if centre else self._timers
        heapq.heappush(timers, (time.monotonic() + seconds, next(self._order), action))

    def _plug(self) -> None:
        self._reset()
        self._master, self._slave = os.openpty()  # the slave stays open, or a closing driver would end the port
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.port)
            self.port = str(self._link)

    def _unplug(self) -> None:
        if self._master < 0:
            return
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._timers.clear()

    def _restart(self) -> None:
        self._reset()
        self._busy = True
        self._after(BOOT_S, self._booted)

    def _booted(self) -> None:
        self._input.clear()
        self._busy = False
        self._say("RDY")

    def _write(self, octets: bytes) -> None:
        if self._master >= 0 and not self._hung:
            with contextlib.suppress(OSError):  # nobody reads: a full buffer loses octets, as a UART does
                os.write(self._master, octets)

    def _say(self, *lines: str) -> None:
        for line in lines:
            digit = "" if self._verbose else DIGITS.get(line, "")
            self._write((f"{digit}\r" if digit else f"\r\n{line}\r\n").encode("latin-1"))

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:  # EIO, as long as nobody has the port open
            data = b""
        if self._resettable and b"AT+CFUN=1,1" in data:
            self._hung = False
            self._restart()
        elif not self._hung:
            self._input += data
            self._consume()

    def _consume(self) -> None:
        """Take commands and bodies; while a message is with the network, what comes waits its turn."""
        while self._input and not self._busy:
            octet = self._input.pop(0)
            if self._body is None:
                self._command_octet(octet)
            else:
                self._body_octet(octet)

    _line = b""

    def _command_octet(self, octet: int) -> None:
        if self._echo and octet not in (ESC, LF):
            self._write(bytes([octet]))
        if octet == CR:
            line, self._line = self._line.decode("latin-1").strip(), b""
            if line.startswith(chr(ESC)) and len(line) > 1:
                self._hung = True
            elif line:
                self._take(line)
        elif octet not in (ESC, LF) or (octet == ESC and self.dialect.muted_by_escape):
            self._line += bytes([octet])

    def _take(self, line: str) -> None:
        """Obey the command, after as long as this modem needs; no other meanwhile."""
        name, _, _ = line[2:].partition("=")
        wait_s = self.dialect.command_s + self._late.pop(name, 0.0)
        if not wait_s:
            self._command(line)
            return

        def obey() -> None:
            self._busy = False
            self._command(line)
            self._consume()

        self._busy = True
        self._after(wait_s, obey)

    def _body_octet(self, octet: int) -> None:
        if octet == ESC:
            self._body, self._line = None, b""
            self._say("OK")
        elif octet == CTRL_Z:
            body, length = self._line, self._body
            self._body, self._line = None, b""
            self._submit(body, length or 0)
        else:
            self._line += bytes([octet])

    # --- commands ---

    def _command(self, line: str) -> None:
        if not line.upper().startswith("AT"):
            return
        found = NAME.match(line[2:])
        assert found is not None
        name, rest = found[1].upper(), found[2]
        if rest in ("?", "=?"):
            name += rest
        self.commands[name] += 1
        if name in self._ignored:
            return
        if name in self.dialect.unknown:
            self._error("CME", 4)
        elif name in self.dialect.not_yet and time.monotonic() - self._started < self.dialect.starting_s:
            self._error(*self.dialect.not_yet_error)
        elif self._locked and name not in WITHOUT_SIM:
            self._error("CME", 11)
        elif name in SPECIAL:
            SPECIAL[name](self, rest.lstrip("="))
        elif name in ANSWERS:
            lock = "SIM PIN" if self._pin_tries else "SIM PUK"
            values = {
                "tries": self._pin_tries,
                "lock": lock if self._locked else "READY",
                "registered": self._registered if self._functionality == 1 else 0,
                "functionality": self._functionality,
                "numeric_errors": self._numeric_errors,
                "reports": self._reports,
            }
            self._say(ANSWERS[name].format(**values), "OK")
        elif name in ACCEPTED:
            self._say("OK")
        else:
            self._error("CME", 4)

    def _error(self, kind: str, code: int) -> None:
        numeric = kind == "CMS" or (kind == "CME" and self._numeric_errors)
        self._say(f"+{kind} ERROR: {code}" if numeric else "ERROR")

    def _echo_command(self, value: str) -> None:
        self._echo = value != "0"
        self._say("OK")

    def _results(self, value: str) -> None:
        self._verbose = value.upper() in ("0V1", "1")  # of ATQ0V1 and ATV1
        self._say("OK")

    def _cmee(self, value: str) -> None:
        self._numeric_errors = value == "1"
        self._say("OK")

    def _csms(self, value: str) -> None:
        self._phase = value
        self._say("+CSMS: 1,1,1", "OK")

    def _csms_query(self, _: str) -> None:
        self._say(f"+CSMS: {self._phase},1,1,1", "OK")

    def _cnma(self, _: str) -> None:
        if self._unacknowledged:
            self._unacknowledged = False
            self._say("OK")
        else:
            self._error("CMS", 340)

    def _cgsn(self, _: str) -> None:
        self._say(self._imei, "OK")

    def _cpin(self, value: str) -> None:
        if value.strip('"') == self._pin and self._pin_tries:
            self._locked, self._pin_tries = False, 3
            self._say("OK")
        else:
            self._pin_tries = max(self._pin_tries - 1, 0)
            self._error("CME", 16)

    def _cmgf(self, value: str) -> None:
        self._say("OK") if value == "0" else self._error("CMS", 303)

    def _cnmi(self, value: str) -> None:
        reports = int((value.split(",") + ["0"] * 5)[3] or 0)
        if (reports == 1 and self._stores_reports) or (reports and self.dialect.acknowledged and self._phase != "1"):
            self._error("CMS", 303)
            return
        self._reports = reports
        self._say("OK")

    @property
    def _stored(self) -> dict[int, bytes]:
        """The storage that is read (<mem1> of 27.005 3.2.2)."""
        return self._storages[self._read_from]

    def _cpms(self, value: str) -> None:
        storage = value.split(",")[0].strip('"')
        if storage not in self._storages or value.count(",") + 1 != self.dialect.storages:
            self._error("CMS", 302)
            return
        self._read_from = storage
        rest = f"{len(self._storages['SM'])},{STORAGE}"
        self._say(f"+CPMS: {len(self._stored)},{STORAGE},{rest},{rest}", "OK")

    def _cpms_query(self, _: str) -> None:
        counts = [(name, len(self._storages[name])) for name in (self._read_from, "SM", self._incoming)]
        self._say("+CPMS: " + ",".join(f'"{name}",{count},{STORAGE}' for name, count in counts), "OK")

    def _cmgl(self, _: str) -> None:
        for index, pdu in self._stored.items():
            self._say(f"+CMGL: {index},1,,{len(pdu) - 1}\r\n{pdu.hex().upper()}")
        self._say("OK")

    def _cmgr(self, value: str) -> None:
        pdu = self._stored.get(int(value)) if value.isdecimal() else None
        if pdu is None:
            self._error("CMS", 321)
        else:
            self._say(f"+CMGR: 1,,{len(pdu) - 1}\r\n{pdu.hex().upper()}", "OK")

    def _cmgd(self, value: str) -> None:
        self._stored.pop(int(value.split(",")[0] or 0), None)
        self._say("OK")

    def _cfun(self, value: str) -> None:
        self._functionality = int(value[:1] or 1)
        self._say("OK")
        if value.startswith("1,1"):
            self._restart()

    def _cmgs_test(self, _: str) -> None:
        self._say("OK" if self._for_messages else "ERROR")

    def _cmgs(self, value: str) -> None:
        if not self._for_messages:
            self._say("ERROR")
            return
        self.moments.append(("AT+CMGS", time.monotonic()))
        late_s = self._prompts.pop(0) if self._prompts else 0.0

        def prompt() -> None:
            self._body, self._line = int(value), b""
            self._write(b"\r\n> ")

        if self.dialect.meanwhile and self._outbox:
            self._error("CMS", 512)
        elif not value.isdecimal():
            self._error("CMS", 304)
        elif late_s is None:
            self._body, self._line = int(value), b""  # in data mode, without a word
        elif late_s:
            self._after(late_s, prompt)
        else:
            prompt()

    # --- messages ---

    def _submit(self, body: bytes, length: int) -> None:
        """Ctrl-Z: the message goes to the network."""
        try:
            octets = bytes.fromhex(body.decode("ascii"))
            submit = read_submit(octets)
        except (ValueError, IndexError, KeyError):
            self._error("CMS", 304)
            return
        if len(octets) - 1 - octets[0] != length:
            self._error("CMS", 304)
            return
        self._outbox.append((submit, HANDSETS.get(submit.number[-2:], PLAIN)))
        if len(self._outbox) == 1:
            self._transmit()

    def _transmit(self) -> None:
        """The first of the outbox goes to the network, which has one message at a time."""
        submit, handset = self._outbox[0]
        self._busy = not (self._multitasking or self.dialect.meanwhile)
        if handset.restarts and submit.number not in self._congested:
            self._congested.add(submit.number)
            self._after(self.network_s / 2, self._restart)
        else:
            self._after(self.network_s, lambda: self._network_answers(submit, handset))

    def _network_answers(self, submit: Submit, handset: Handset) -> None:
        error = self._network_error(submit, handset)
        lost = None if error or not self._answers_lost else self._answers_lost.pop(0)
        if lost is False:  # within the modem, which does not count it
            self._free()
            return
        reference = next(self._references)
        if error is not None:
            self._error(*error)
            self._free()
            return
        self._deliver(submit, handset, reference)
        if lost or not handset.answered:
            self._free()
        else:
            self._after(handset.extra_s, lambda: self._confirm(handset, reference))

    def _network_error(self, submit: Submit, handset: Handset) -> tuple[str, int] | None:
        for place, (kind, code, number) in enumerate(self._errors):
            if number in ("", submit.number):
                del self._errors[place]
                return kind, code
        if self._registered not in (1, 5):
            return "CMS", 331
        if len(self._storages["SM"]) >= STORAGE:
            return "CMS", 322
        if handset.error is None or (handset.once and submit.number in self._congested):
            return None
        self._congested.add(submit.number)
        return "CMS", handset.error

    def _confirm(self, handset: Handset, reference: int) -> None:
        if handset.garbage:
            self._write(b"\xff\x00\xfe{\x81")
        lines = self.dialect.sent if handset.with_reference else ("OK",)
        self._say(*(line.format(mr=reference) for line in lines))
        self._free()

    def _free(self) -> None:
        self._busy = False
        del self._outbox[0]
        if self._outbox:
            self._transmit()
        self._consume()

    def _deliver(self, submit: Submit, handset: Handset, reference: int) -> None:
        """To the handset, once all parts are there; and its reports back."""
        if handset.with_reference:
            self._hand_over(submit)
        if not submit.wants_report or not self._reports:
            return
        for count, status in enumerate(handset.reports, 1):
            report = status_report(reference, submit.number, status)
            self._after(self._report_s * count, partial(self._announce, report), centre=True)

    def _hand_over(self, submit: Submit) -> None:
        self.submits.append(submit)
        text = submit.text
        if submit.part is not None:
            reference, count, place = submit.part
            parts = self._parts.setdefault((submit.number, reference), {})
            parts[place] = submit.text
            if len(parts) < count:
                return
            text = "".join(parts[number] for number in sorted(parts))
            del self._parts[submit.number, reference]
        self.accepted.append((submit.number, text))
        self.moments.append(("accepted", time.monotonic()))
        if self._handset is not None:
            self._handset(submit.number, text)

    def _announce(self, pdu: bytes) -> None:
        """A status report, routed as AT+CNMI says: to the line, or by way of the storage; once there is a modem."""
        if self._master < 0 or self._hung or not self._reports or self._unacknowledged:
            self._after(AGAIN_S, partial(self._announce, pdu), centre=True)
        elif self._reports == 1:
            self._unacknowledged = self.dialect.acknowledged
            self._say(f"+CDS: {len(pdu) - 1}\r\n{pdu.hex().upper()}")
        elif self._reports == 2:
            self._store(pdu, "+CDSI", self._keeps_reports or "SR")

    def _store(self, pdu: bytes, notice: str, storage: str) -> None:
        stored = self._storages[storage]
        index = next(number for number in itertools.count(1) if number not in stored)
        stored[index] = pdu
        self._say(f'{notice}: "{storage}",{index}')


SPECIAL: dict[str, Callable[[SimulatedModem, str], None]] = {
    "E": SimulatedModem._echo_command,
    "Q": SimulatedModem._results,
    "V": SimulatedModem._results,
    "+CMEE": SimulatedModem._cmee,
    "+CGSN": SimulatedModem._cgsn,
    "+CSMS": SimulatedModem._csms,
    "+CSMS?": SimulatedModem._csms_query,
    "+CNMA": SimulatedModem._cnma,
    "+CPIN": SimulatedModem._cpin,
    "+CMGF": SimulatedModem._cmgf,
    "+CNMI": SimulatedModem._cnmi,
    "+CPMS": SimulatedModem._cpms,
    "+CPMS?": SimulatedModem._cpms_query,
    "+CMGL": SimulatedModem._cmgl,
    "+CMGR": SimulatedModem._cmgr,
    "+CMGD": SimulatedModem._cmgd,
    "+CFUN": SimulatedModem._cfun,
    "+CMGS": SimulatedModem._cmgs,
    "+CMGS=?": SimulatedModem._cmgs_test,
}
"""Commands that change or depend on more than one word of state."""
