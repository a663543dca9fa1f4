"""Simulated modems for the tests of the serial driver."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05) as modem:
        yield modem


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05, dialect=Dialect(multitasking=True)) as modem:
        yield modem
