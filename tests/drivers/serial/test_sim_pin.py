"""The SIM's PIN is tried once."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from drivers import DeviceState, Reason
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, in_state, opened, ready, send, sms
from tests.gateway import until


@pytest.fixture
def locked() -> Iterator[SimulatedModem]:
    with SimulatedModem(network_s=0.05, pin="4321") as modem:
        yield modem


def test_a_sim_is_unlocked_with_its_pin(locked: SimulatedModem, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("4321\n")
    with opened(locked.port, pin_file=str(tmp_path / "pin")) as driver:
        send(ready(driver), sms())


def looked(modem: SimulatedModem, times: int) -> bool:
    """Whether the driver has looked at the SIM so often."""
    return modem.commands["+CPIN?"] >= times


def test_a_wrong_sim_pin_is_tried_only_once(locked: SimulatedModem, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1111")
    for looks in (2, 4):  # also not after a restart of the daemon
        with opened(locked.port, pin_file=str(tmp_path / "pin")) as driver:
            in_state(driver, DeviceState.FAILED)
            until(partial(looked, locked, looks), "it looks again", BOUND_S)
            assert "1111" not in driver.status().detail
    assert locked.commands["+CPIN"] == 1


def test_without_a_pin_file_the_status_says_so(locked: SimulatedModem) -> None:
    with opened(locked.port) as driver:
        in_state(driver, DeviceState.FAILED)
        assert "set pin_file" in driver.status().detail
        assert driver.status().reason is Reason.SIM_PIN
