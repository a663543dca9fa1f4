"""The SIM's PIN is tried once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import (
    DeviceState,
)
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import in_state, opened, ready, send, sms


@pytest.fixture
def locked() -> Iterator[SimulatedModem]:
    with SimulatedModem(network_s=0.05, pin="4321") as modem:
        yield modem


def test_a_sim_is_unlocked_with_its_pin(locked: SimulatedModem, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("4321\n")
    with opened(locked.port, pin_file=str(tmp_path / "pin")) as driver:
        send(ready(driver), sms())


def test_a_wrong_sim_pin_is_tried_only_once(locked: SimulatedModem, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1111")
    for _ in range(2):  # also not after a restart of the daemon
        with opened(locked.port, pin_file=str(tmp_path / "pin")) as driver:
            in_state(driver, DeviceState.FAILED)
            time.sleep(0.8)  # long enough for it to come back and look again
            assert "1111" not in driver.status().detail
    assert locked.commands["+CPIN"] == 1


def test_without_a_pin_file_the_status_says_so(locked: SimulatedModem) -> None:
    with opened(locked.port) as driver:
        in_state(driver, DeviceState.FAILED)
        assert "set pin_file" in driver.status().detail
