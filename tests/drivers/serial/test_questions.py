"""An operator's questions to a modem."""

from pathlib import Path

import pytest

from drivers import DeviceState, Refused, Unavailable
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, in_state, opened, ready


def test_a_question_that_changes_nothing_is_answered(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        assert driver.ask("at+csq").result(BOUND_S) == ("+CSQ: 21,0", "OK")
        assert driver.ask("AT+CREG?").result(BOUND_S) == ("+CREG: 1,1", "OK")
        assert driver.ask("ATI").result(BOUND_S) == ("Pinwheel simulated modem", "OK")
        assert driver.ask("AT+CCLK?").result(BOUND_S)[-1] == "CME 4: operation not supported"


@pytest.mark.parametrize("command", ["AT+CMGL=4", "AT+CFUN=1,1", "AT+CMGS=10", "ATD123;", "AT+CSQ;+CMGD=1,4", ""])
def test_a_question_that_could_change_something_is_refused(modem: SimulatedModem, command: str) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        with pytest.raises(Refused, match="change nothing"):
            driver.ask(command).result(BOUND_S)


def test_a_question_to_an_absent_modem_is_declined(tmp_path: Path) -> None:
    with opened(str(tmp_path / "none")) as driver:
        in_state(driver, DeviceState.ABSENT)
        with pytest.raises(Unavailable, match="no such port"):
            driver.ask("AT").result(BOUND_S)
