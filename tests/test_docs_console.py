"""The `console` blocks of the documents, typed to a gateway with a simulated modem and a simulated phone.

A line that begins with `$ ` is typed; what follows is what it prints. `...` stands for any text within a line, or for
any lines where it stands alone. REQUEST_ID is the id that was printed last, PIN the one of the last SMS.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.gateway import Gateway, modem_section, pin_in, until, voice_section
from tests.test_docs import DOCUMENTS, FENCED

ID = re.compile(r"\b[0-9a-f]{32}\b")
WITH_BLOCKS = [path for path in DOCUMENTS if "\n```console\n" in path.read_text()]


def exchanges(document: Path) -> list[tuple[str, str]]:
    """What is typed, and what it prints."""
    blocks = [block for language, block in FENCED.findall(document.read_text()) if language == "console"]
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(step.partition("\n")[0], step.partition("\n")[2]) for step in steps]


def pattern(expected: str) -> str:
    """A regular expression for what is printed; blanks at ends of lines do not count."""
    lines = []
    for line in expected.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
            continue
        parts = [re.escape(part) for part in re.split(r"REQUEST_ID|\.\.\.", line.rstrip())]
        between = ["[0-9a-f]{32}" if gap == "REQUEST_ID" else ".*" for gap in re.findall(r"REQUEST_ID|\.\.\.", line)]
        lines.append("".join(a + b for a, b in zip(parts, [*between, ""], strict=True)) + r" *\n")
    return "".join(lines)


class Reader:
    """Somebody who types what a document says."""

    def __init__(self, gateway: Gateway, modem: SimulatedModem) -> None:
        self._gateway, self._modem = gateway, modem
        self._id = ""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._env = {**os.environ, "PATH": path, "PINWHEEL_SOCKET": str(gateway.socket), "COLUMNS": "80"}

    def types(self, command: str) -> str:
        typed = command.replace("REQUEST_ID", self._id).replace("/run/pinwheel/control.sock", str(self._gateway.socket))
        if "PIN" in typed.split():
            typed = typed.replace("PIN", pin_in(until(lambda: self._modem.accepted, "the SMS")[-1][1]))
        done = subprocess.run(
            ["sh", "-c", typed], env=self._env, capture_output=True, text=True, timeout=60, cwd=self._gateway.directory
        )
        said = done.stdout + done.stderr
        self._id = (ID.findall(said) or [self._id])[-1]
        return said if said.endswith("\n") else said + "\n"


@pytest.mark.parametrize("document", WITH_BLOCKS, ids=lambda path: path.name)
def test_the_commands_of_a_document_print_what_it_says(document: Path, tmp_path: Path) -> None:
    with SimulatedModem(network_s=0.02) as modem, SimulatedPhone(ring_s=0.1) as phone:
        toml = "[security]\ncancel_after = 0\n" + modem_section(modem.port) + voice_section(phone.address)
        with Gateway(tmp_path, toml) as gateway:
            reader = Reader(gateway, modem)
            for command, expected in exchanges(document):
                said = reader.types(command)
                assert re.fullmatch(pattern(expected), said), f"$ {command}\n{said}"
