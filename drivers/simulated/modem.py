"""A GSM modem that is not there: AT commands (3GPP 27.005, PDU mode) over a pseudo-terminal.

The real serial driver opens its port, so the demo and the tests run the whole SMS path but the radio. The last two
digits of the recipient choose the handset (HANDSETS); methods inject the faults that modems have. It shares no code
with the driver: a peer with the same parser would prove nothing.

Not imitated: the radio and its delays beyond one network time, flow control and baud rates, USB re-enumeration, text
mode, SIM toolkit, multiplexing (27.010), and calls beyond RING.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, repeat
from pathlib import Path

from drivers.simulated.commands import ACCEPTED, ANSWERS, SPECIAL, WITHOUT_SIM
from drivers.simulated.dialect import STANDARD, Dialect
from drivers.simulated.network import HANDSETS, Handset, Network

ESC, CTRL_Z, CR, LF = 0x1B, 0x1A, 0x0D, 0x0A
BOOT_S = 0.3  # from a restart to the banner; real modems need 5 to 30
DIGITS = {"OK": "0", "ERROR": "4"}  # V.250 5.7.1
NAME = re.compile(r"[+^#$*&]?[A-Z]{0,32}")


class SimulatedModem(Network):
    """One modem on a pseudo-terminal, with a thread of its own. Its public methods may be called from any other.

    link: a name for the port that outlives an unplugging. handset: hears (number, text) of whole messages.
    network_s: how long the network takes for a message; report_s: until the handset's report comes. dialect: its
    habits. handsets: by the last two digits of a number.
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
        dialect: Dialect = STANDARD,
        handsets: Mapping[str, Handset] = HANDSETS,
    ) -> None:
        super().__init__(link, dialect, handset, network_s, report_s)
        self._handsets = handsets
        self.commands: Counter[str] = Counter()
        self._late = {"": dialect.first_s, **dict(dialect.late)}
        self._imei, self._pin, self._pin_tries = imei, pin, 3
        self._functionality, self._verbose = 4 if dialect.flight else 1, dialect.verbose
        self._ignored: set[str] = set()
        self._prompts: list[float | None] = []  # of the next messages: seconds late, None: never
        self._scripted: dict[str, Iterator[tuple[str, ...]]] = {}  # answers instead of its own
        self._resettable = False
        self._reset()

    def _reset(self) -> None:
        super()._reset()
        self._echo, self._numeric_errors, self._reports = True, False, 2 if self.dialect.keeps_reports else 0
        self._locked = self._pin is not None
        self._read_from = "SM"
        self._phase, self._started = "0", time.monotonic()
        self._input, self._line = bytearray(), b""
        self._body: int | None = None

    # --- from outside ---

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
            self._mute, self._resettable = hung, resettable

        self._do(change)

    def fly(self) -> None:
        """Its radio is switched off."""
        self._do(lambda: setattr(self, "_functionality", 4))

    def say(self, line: str) -> None:
        """Any unsolicited line, such as RING."""
        self._do(lambda: self._say(line))

    def ignore(self, command: str) -> None:
        """Never answer it, such as "+COPS?"."""
        self._do(lambda: self._ignored.add(command))

    def answer(self, command: str, *lines: str, times: int = 0) -> None:
        """What a command, such as "+CSQ", is answered with instead; times: only so often, then comes the next of these.

        times 0: for ever.
        """

        def script() -> None:
            answers = repeat(lines, times) if times else repeat(lines)
            self._scripted[command] = chain(self._scripted.get(command, ()), answers)

        self._do(script)

    def delay_prompt(self, seconds: float | None) -> None:
        """The next message's prompt comes late, or (None) never."""
        self._do(lambda: self._prompts.append(seconds))

    @property
    def prompted(self) -> bool:
        """It waits for the body of a message."""
        return self._body is not None

    @property
    def settings(self) -> dict[str, int]:
        """What commands have set: +CMEE, and the fourth parameter of +CNMI."""
        return {"+CMEE": int(self._numeric_errors), "+CNMI": self._reports}

    # --- octets and lines ---

    def _restart(self) -> None:
        self._reset()
        self._busy = True
        self._after(BOOT_S, self._booted)

    def _booted(self) -> None:
        self._input.clear()
        self._busy = False
        self._say("RDY")

    def _say(self, *lines: str) -> None:
        for line in lines:
            digit = "" if self._verbose else DIGITS.get(line, "")
            self._write((f"{digit}\r" if digit else f"\r\n{line}\r\n").encode("latin-1"))

    def _take_octets(self, data: bytes) -> None:
        if self._resettable and b"AT+CFUN=1,1" in data:
            self._mute = False
            self._restart()
        elif not self._mute:
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

    def _command_octet(self, octet: int) -> None:
        if self._echo and octet not in (ESC, LF):
            self._write(bytes([octet]))
        if octet == CR:
            line, self._line = self._line.decode("latin-1").strip(), b""
            if line.startswith(chr(ESC)) and len(line) > 1:
                self._mute = True
            elif line:
                self._take(line)
        elif octet not in (ESC, LF) or (octet == ESC and self.dialect.muted_by_escape):
            self._line += bytes([octet])

    def _take(self, line: str) -> None:
        """Obey the command, after as long as this modem needs; no other meanwhile."""
        name, _, _ = line[2:].partition("=")
        wait_s = self.dialect.command_s + self._late.pop(name, 0.0) + self.dialect.prompt_s * (name == "+CMGS")
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

    def _command(self, line: str) -> None:
        if not line.upper().startswith("AT"):
            return
        found = NAME.match(line[2:])
        assert found is not None
        name, rest = found[0].upper(), line[2 + found.end() :]
        if rest in ("?", "=?"):
            name += rest
        self.commands[name] += 1
        if name in self._ignored:
            return
        scripted = next(self._scripted.get(name, iter(())), None)
        if scripted is not None:
            self._say(*scripted)
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

    @property
    def _stored(self) -> dict[int, bytes]:
        """The storage that is read (<mem1> of 27.005 3.2.2)."""
        return self._storages[self._read_from]
