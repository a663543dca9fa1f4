"""AT modems that this project did not write: the dialects of python-gsmmodem's own test suite, on a pseudo-terminal.

Their answers are transcripts of real modems, made by that project's users. The suite has no radio behind them, so what
follows a prompt (taking the body, decoding it with smspdudecoder, giving a reference) is done here.
"""

import os
import subprocess
import sys
import tarfile
import threading
import tty
from functools import cache
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from smspdudecoder.fields import SMSSubmit

REQUIREMENT = Path(__file__).with_name("fakemodems.txt")
ARCHIVE = "python-gsmmodem-new-0.13.0"
KEPT = Path(sys.prefix) / "share" / "pinwheel-tests"
DIALECTS = ("GenericTestModem", "WavecomMultiband900E1800", "HuaweiK3715", "HuaweiE1752", "QualcommM6280", "ZteK3565Z")


@cache
def fakemodems() -> ModuleType:
    """The suite's module; its archive is fetched once, with its hash checked, into the virtual environment."""
    archive = KEPT / f"{ARCHIVE}.tar.gz"
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
        command += ["--require-hashes", "--dest", str(KEPT), "--requirement", str(REQUIREMENT)]
        subprocess.run(command, check=True, timeout=120)
    module = ModuleType("fakemodems")
    with tarfile.open(archive) as tar:
        source = tar.extractfile(f"{ARCHIVE}/test/fakemodems.py")
        assert source is not None
        exec(compile(source.read(), "fakemodems.py", "exec"), module.__dict__)
    return module


class ForeignModem:
    """One of DIALECTS behind a port; a context manager. accepted: (number, text), as smspdudecoder reads it."""

    def __init__(self, dialect: str) -> None:
        self.accepted: list[tuple[str, str]] = []
        self._modem: Any = getattr(fakemodems(), dialect)()

    def __enter__(self) -> "ForeignModem":
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._slave, b"\x00QUIT\r")
        self._thread.join(5)
        os.close(self._master)
        os.close(self._slave)

    def _run(self) -> None:
        """Commands by the suite's tables; a body where AT+CMGS asked for one."""
        buffer, in_body = b"", False
        while True:
            octet = os.read(self._master, 1)
            if octet == b"\x1b":
                buffer, in_body = b"", False
            elif in_body and octet == b"\x1a":
                self._take(buffer.decode())
                buffer, in_body = b"", False
            elif not in_body and octet == b"\r":
                command, buffer = buffer, b""
                if command == b"\x00QUIT":
                    return
                in_body = self._answer(command.decode("latin-1"))
            else:
                buffer += octet

    def _answer(self, command: str) -> bool:
        """Whether a body follows."""
        if command.startswith("AT+CMGS="):
            os.write(self._master, b"\r\n> ")
            return True
        for line in self._modem.getResponse(command + "\r"):
            os.write(self._master, line.encode("latin-1"))
        return False

    def _take(self, pdu: str) -> None:
        found = SMSSubmit.decode(StringIO(pdu))
        self.accepted.append((found["recipient"]["number"], found["user_data"]["data"]))
        os.write(self._master, f"\r\n+CMGS: {len(self.accepted)}\r\n\r\nOK\r\n".encode())
