"""A modem out of a script: one line a command and what it answers, as ModemManager tests its plugins.

    # comment
    AT+CGMM             SIMCOM_SIM800L | OK
    AT+CNMI=2,1,0,1,0   +CMS ERROR: 303
    *                   ERROR

A line of an answer is framed in CR LF; `|` divides lines. `*` answers whatever has no line. Directives:

    @banner   lines when the port opens        @echo     on or off
    @unasked  lines before every answer        @prompt   what AT+CMGS asks with, \\r and \\n written so
    @sent     lines after Ctrl-Z, with {mr}    @report   lines of a status report, with {length} and {pdu}
    @status   name=value; ... that the driver is to know

It shares no code with the driver; smspdudecoder reads the bodies.
"""

import os
import threading
import tty
from io import StringIO
from pathlib import Path

from smspdudecoder.fields import SMSSubmit

from drivers.simulated.pdus import status_report

ESC, CTRL_Z, CR = b"\x1b", b"\x1a", b"\r"
QUIT = "\x00QUIT"


def read_script(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Answers by command, and directives."""
    answers: dict[str, str] = {}
    directives: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition("  ")
            (directives if name.startswith("@") else answers)[name] = rest.strip()
    return answers, directives


class ScriptedModem:
    """A context manager. port: where it is; accepted: (number, text) of the messages; asked: the commands."""

    def __init__(self, script: Path) -> None:
        self.accepted: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self._answers, self.directives = read_script(script)
        self._echo = self.directives.get("@echo") == "on"

    def __enter__(self) -> "ScriptedModem":
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._say(self.directives.get("@banner", ""))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._slave, QUIT.encode() + CR)
        self._thread.join(5)
        os.close(self._master)
        os.close(self._slave)

    def _say(self, lines: str) -> None:
        for line in lines.split("|"):
            if line.strip():
                os.write(self._master, f"\r\n{line.strip()}\r\n".encode("latin-1"))

    def _run(self) -> None:
        buffer, in_body = b"", False
        while True:
            octet = os.read(self._master, 1)
            if self._echo and octet not in (ESC, CTRL_Z):
                os.write(self._master, octet)
            if octet == ESC:
                buffer, in_body = b"", False
            elif in_body and octet == CTRL_Z:
                self._take(buffer.decode())
                buffer, in_body = b"", False
            elif not in_body and octet == CR:
                command, buffer = buffer.decode("latin-1"), b""
                if command == QUIT:
                    return
                in_body = self._command(command)
            else:
                buffer += octet

    def _command(self, command: str) -> bool:
        """Whether a body follows."""
        self.asked.append(command)
        self._say(self.directives.get("@unasked", ""))
        if command.startswith("AT+CMGS=") and command[8:].isdigit():
            prompt = self.directives.get("@prompt", r"\r\n> ")
            os.write(self._master, prompt.replace(r"\r", "\r").replace(r"\n", "\n").encode().rstrip() + b" ")
            return True
        self._say(self._answers.get(command, self._answers["*"]))
        self._echo = self._echo and command != "ATE0"
        return False

    def _take(self, pdu: str) -> None:
        found = SMSSubmit.decode(StringIO(pdu))
        number = found["recipient"]["number"]
        self.accepted.append((number, found["user_data"]["data"]))
        reference = len(self.accepted)
        report = status_report(reference, number, 0)
        pieces = {"mr": str(reference), "length": str(len(report) - 1), "pdu": report.hex().upper()}
        self._answers["AT+CMGR=1"] = f"+CMGR: {pieces['length']} | {pieces['pdu']} | OK"
        self._say(self.directives.get("@unasked", ""))
        self._say(_filled(self.directives.get("@sent", "+CMGS: {mr} | OK"), pieces))
        self._say(_filled(self.directives.get("@report", ""), pieces))


def _filled(lines: str, pieces: dict[str, str]) -> str:
    for name, value in pieces.items():
        lines = lines.replace("{" + name + "}", value)
    return lines
