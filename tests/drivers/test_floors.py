"""Who may import whom among SIP, RTP and the voice driver: an import goes down a floor, never up."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DRIVERS = Path(__file__).parents[2] / "drivers"
BELOW = {"pyvoip": {"sip", "rtp", "codecs"}, "rtp": {"sip", "codecs"}, "sip": set(), "codecs": set()}
"""The rooms that each room may import; `sip` and `codecs` stand on nothing but the helpers of `drivers`."""
WORLD = {"asyncio", "os", "random", "select", "selectors", "signal", "socket", "ssl", "subprocess", "threading", "time"}
"""Modules by which a program does input and output, or reads a clock."""


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def rooms() -> set[str]:
    return {path.name for path in DRIVERS.iterdir() if path.is_dir()}


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_only_rooms_below(room: str) -> None:
    for path in (DRIVERS / room).glob("*.py"):
        used = {parts[1] for name in imported(path) if (parts := name.split("."))[0] == "drivers" and parts[1:]}
        assert used & rooms() <= BELOW[room] | {room}, path.name


def test_sip_is_without_input_output_and_clocks() -> None:
    for path in (DRIVERS / "sip").glob("*.py"):
        assert not {name.partition(".")[0] for name in imported(path)} & WORLD, path.name


def test_the_audio_process_loads_no_driver_and_no_supervisor() -> None:
    """There used to be modules of the driver's side in it, as the package imported all that it has."""
    code = "import sys, drivers.rtp.audio_process; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    drivers = {name for name in found if name.startswith("drivers.")}
    below = {"drivers.loading", "drivers.figures", "drivers.rtp", "drivers.codecs", "drivers.codecs.g711"}
    assert {name for name in drivers if not name.startswith("drivers.rtp.")} == below
    assert {"drivers.rtp.supervisor", "drivers.rtp.process_handle", "pyVoIP"}.isdisjoint(found)
