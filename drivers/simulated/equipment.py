"""The inside of a simulated modem: it takes octets, carries out one command after the other, and answers."""

import re
import time
from collections import Counter
from collections.abc import Callable
from typing import assert_never

from drivers.simulated.centre import ServiceCentre
from drivers.simulated.commands import Answer, Dial, Failure, Prompt, Restart, obey
from drivers.simulated.faults import Faults
from drivers.simulated.sending import Sending
from drivers.simulated.state import State
from drivers.simulated.terminal import Terminal

ESC, CTRL_Z, CR, LF = 0x1B, 0x1A, 0x0D, 0x0A
BOOT_S = 0.3  # from a restart to the banner; real modems need 5 to 30
DIGITS = {"OK": "0", "ERROR": "4"}  # V.250 5.7.1
NAME = re.compile(r"[+^#$*&]?[A-Z]{0,32}")


class Equipment:
    """All of it on the thread of the wire. commands: how often each came; moments: when messages were offered.

    busy: octets that come wait. body: the length of the message that it waits for, at the prompt.
    """

    def __init__(
        self,
        wire: Terminal,
        state: State,
        faults: Faults,
        centre: ServiceCentre,
        network_s: Callable[[], float],
        report_s: float,
    ) -> None:
        self.commands: Counter[str] = Counter()
        self.moments: list[tuple[str, float]] = []
        self.busy = self.resettable = False
        self.body: int | None = None
        self._wire, self._state, self._faults, self._network_s = wire, state, faults, network_s
        self.sending = Sending(self, wire, state, faults, centre, network_s, report_s)
        self._input, self._line = bytearray(), b""
        self._started = 0.0

    def start(self) -> None:
        """As after a power-up: only what the SIM and the stored profile hold is left."""
        self._wire.timers.clear()
        self._state.start()
        self.sending.start()
        self.busy, self.body = False, None
        self._input, self._line = bytearray(), b""
        self._started = time.monotonic()

    def restart(self) -> None:
        self.start()
        self.busy = True
        self._wire.timers.after(BOOT_S, self._booted)

    def _booted(self) -> None:
        self._input.clear()
        self.busy = False
        self.say("RDY")

    # --- octets ---

    def take(self, data: bytes) -> None:
        if self.resettable and b"AT+CFUN=1,1" in data:
            self._wire.mute = False
            self.restart()
        elif not self._wire.mute:
            self._input += data
            self.go_on()

    def go_on(self) -> None:
        """Take commands and bodies; while a message is with the network, what comes waits its turn."""
        while self._input and not self.busy:
            octet = self._input.pop(0)
            if self.body is None:
                self._command_octet(octet)
            else:
                self._body_octet(octet)

    def _command_octet(self, octet: int) -> None:
        if self._state.echo and octet not in (ESC, LF):
            self._wire.write(bytes([octet]))
        if octet == CR:
            line, self._line = self._line.decode("latin-1").strip(), b""
            if line.startswith(chr(ESC)) and len(line) > 1:
                self._wire.mute = True
            elif line:
                self._take_line(line)
        elif octet not in (ESC, LF) or (octet == ESC and self._state.dialect.muted_by_escape):
            self._line += bytes([octet])

    def _body_octet(self, octet: int) -> None:
        if octet == ESC:
            self.body, self._line = None, b""
            self.say("OK")
        elif octet == CTRL_Z:
            body, length = self._line, self.body or 0
            self.body, self._line = None, b""
            self.sending.submit(body, length)
        else:
            self._line += bytes([octet])

    # --- commands ---

    def _take_line(self, line: str) -> None:
        """Carry out the command, after as long as this modem needs; no other meanwhile."""
        name, dialect = line[2:].partition("=")[0], self._state.dialect
        wait_s = dialect.command_s + self._faults.delay_s(name) + dialect.prompt_s * (name == "+CMGS")
        if not wait_s:
            self._command(line)
            return

        def obey_late() -> None:
            self.busy = False
            self._command(line)
            self.go_on()

        self.busy = True
        self._wire.timers.after(wait_s, obey_late)

    def _command(self, line: str) -> None:
        if not line.upper().startswith("AT"):
            return
        found = NAME.match(line[2:])
        assert found is not None
        name, rest = found[0].upper(), line[2 + found.end() :]
        if rest in ("?", "=?"):
            name += rest
        self.commands[name] += 1
        scripted = self._faults.answer_of(name)
        up_s = time.monotonic() - self._started
        self._give(obey(self._state, name, rest.lstrip("="), up_s) if scripted is None else scripted)

    def _give(self, answer: Answer) -> None:
        match answer:
            case tuple():
                self.say(*answer)
            case Failure(kind, code):
                self.fail(kind, code)
            case Prompt(length):
                self._offer(length)
            case Dial(lines):
                self.say("OK")
                self._wire.timers.after(self._network_s(), lambda: self.say(*lines))
            case Restart():
                self.say("OK")
                self.restart()
            case _:
                assert_never(answer)

    def _offer(self, length: int) -> None:
        """The prompt for a message, when the script says that it comes."""
        self.moments.append(("AT+CMGS", time.monotonic()))
        late_s = self._faults.prompt_s()

        def wait_for_body() -> None:
            self.body, self._line = length, b""

        def prompt() -> None:
            wait_for_body()
            self._wire.write(b"\r\n> ")

        if self._state.dialect.meanwhile and self.sending.outbox:
            self.fail("CMS", 512)
        elif late_s is None:
            wait_for_body()
        elif late_s:
            self._wire.timers.after(late_s, prompt)
        else:
            prompt()

    # --- what it says ---

    def say(self, *lines: str) -> None:
        for line in lines:
            digit = "" if self._state.verbose else DIGITS.get(line, "")
            self._wire.write((f"{digit}\r" if digit else f"\r\n{line}\r\n").encode("latin-1"))

    def fail(self, kind: str, code: int) -> None:
        numeric = kind == "CMS" or (kind == "CME" and self._state.numeric_errors)
        self.say(f"+{kind} ERROR: {code}" if numeric else "ERROR")
