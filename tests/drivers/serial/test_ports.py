"""A modem whose port is a pattern, or that comes back at another."""

import os
import threading
import tty
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers import DeviceState, Reason, SmsEvent
from drivers.serial import recovery_ladder
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.serial.timing import Timing
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import (
    BOUND_S,
    FAST,
    SOON,
    News,
    in_state,
    opened,
    ready,
    send,
    sms,
)
from tests.gateway import until


def test_a_modem_that_returns_at_another_port_is_known_by_its_imei(tmp_path: Path) -> None:
    ports = [tmp_path / f"ttyUSB{i}" for i in range(4)]
    other = SimulatedModem(ports[0], imei="490154203237518")
    useless = SimulatedModem(ports[1], dialect=Dialect(for_messages=False))  # of the same stick, and with the same IMEI
    before, after = SimulatedModem(ports[2], network_s=0.05), SimulatedModem(ports[3], network_s=0.05)
    with other, useless, opened(str(tmp_path / "ttyUSB*"), imei="356938035643809") as driver:
        with before:
            send(ready(driver), sms())
            assert driver.status().port == str(ports[2])
        in_state(driver, DeviceState.ABSENT)
        with after:
            send(ready(driver), sms())
    assert (len(before.accepted), len(after.accepted)) == (1, 1)
    assert other.commands["+CMGS"] == 0


class SilentDevice:
    """A tty that answers nothing, say for diagnostics."""

    def __init__(self, link: Path) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        link.symlink_to(os.ttyname(self._slave))
        self._written = b""

    @property
    def written(self) -> bytes:
        """What was written to it so far."""
        with suppress(OSError):
            while True:
                self._written += os.read(self._master, 4096)
        return self._written

    def __enter__(self) -> "SilentDevice":
        return self

    def __exit__(self, *_: object) -> None:
        self._written = self.written
        os.close(self._master)
        os.close(self._slave)
        self._master = -1


def test_nothing_is_done_to_another_device_whose_port_fits_the_pattern(tmp_path: Path) -> None:
    ports, cut = [tmp_path / f"ttyUSB{i}" for i in range(3)], tmp_path / "cut"
    timing = replace(SOON, recovery=(0.0,), recoveries_an_hour=99)
    with (
        SilentDevice(ports[0]) as first,
        SilentDevice(ports[1]) as second,
        SimulatedModem(ports[2], network_s=0.05) as modem,
        opened(str(tmp_path / "ttyUSB*"), timing=timing, power_cycle=f"touch {cut}") as driver,
    ):
        send(ready(driver), sms())
        assert not cut.exists()  # it was found before anything was done
        modem.hang(True, resettable=True)
        in_state(driver, DeviceState.ABSENT)
        send(ready(driver), sms())
    for device in (first, second):
        assert b"AT\r" in device.written
        assert b"CFUN" not in device.written


def test_a_modem_that_was_never_seen_gets_its_power_cut_at_once(tmp_path: Path) -> None:
    cut, timing = tmp_path / "cut", replace(SOON, recovery=(0.0,), recoveries_an_hour=1)
    pattern = str(tmp_path / "ttyUSB*")
    with SilentDevice(tmp_path / "ttyUSB0"), opened(pattern, timing=timing, power_cycle=f"touch {cut}"):
        until(cut.exists, "the power is cut", BOUND_S)


class States(News):
    """The reasons that a driver gives for each change of its state."""

    def __init__(self, port: Path, timing: Timing, **options: Any) -> None:
        super().__init__()
        self.driver = Driver("sim1", Options(port=str(port), **options), timing)
        self.reasons: list[str] = []
        self.reason = Reason.NONE  # the last that there was

    def __call__(self, event: SmsEvent) -> Future[bool]:
        status = self.driver.status()
        self.reasons.append(status.detail)
        self.reason = status.reason or self.reason
        return super().__call__(event)


def test_a_modem_that_is_searched_for_is_told_of_once(tmp_path: Path) -> None:
    held, other = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    states = States(tmp_path / "ttyUSB*", FAST, imei="490154203237518")
    with SimulatedModem(held), SimulatedModem(other) as modem, serial.Serial(str(held), exclusive=True):
        states.driver.open(states)
        until(lambda: modem.commands["+CGSN"] >= 3, "three rounds over the ports", BOUND_S)
        states.driver.close()
    assert [reason for reason in states.reasons if reason] == [
        f"no modem with the IMEI 490154203237518 at {tmp_path}/ttyUSB*"
    ]


@pytest.mark.parametrize("pattern", ["ttyUSB0", "ttyUSB*"])
def test_the_power_is_not_cut_because_another_program_has_the_modem(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, tries = tmp_path / "cut", threading.Semaphore(0)

    class Counted(serial.Serial):
        def open(self) -> None:
            tries.release()
            super().open()

    monkeypatch.setattr(recovery_ladder, "ABSENT_TOO_LONG_S", 0.0)
    monkeypatch.setattr(serial, "Serial", Counted)
    states = States(tmp_path / pattern, replace(SOON, recovery=(0.0,), absent=0.01), power_cycle=f"touch {cut}")
    with SimulatedModem(tmp_path / "ttyUSB0") as modem, Counted(modem.port, exclusive=True):
        states.driver.open(states)
        assert all(tries.acquire(timeout=BOUND_S) for _ in range(10))
        states.driver.close()
    assert not cut.exists()
    assert "in use by another program" in states.reasons[0]
    assert states.reason is Reason.PORT_HELD


def test_the_power_is_cut_for_a_modem_that_is_away_while_another_of_ours_holds_its_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_ladder, "ABSENT_TOO_LONG_S", 0.2)
    environment, port = tmp_path / "environment", tmp_path / "ttyUSB0"
    command = f"sh -c 'echo $PINWHEEL_PORT $PINWHEEL_IMEI > {environment}.new; mv {environment}.new {environment}'"
    with SimulatedModem(port, imei="490154203237518"), opened(str(port)) as healthy:
        ready(healthy)
        timing, imei = replace(SOON, absent=0.05), "356938035643809"
        with opened(str(tmp_path / "ttyUSB*"), timing=timing, imei=imei, power_cycle=command) as lost:
            until(environment.exists, "its power is cut", BOUND_S)
            assert lost.status().detail in ("", "another [[modem]] of this daemon has the port")
        assert environment.read_text().split() == [imei]  # where it was is not known


def test_a_modem_that_restarts_is_looked_for_where_it_was(tmp_path: Path) -> None:
    with (
        SilentDevice(tmp_path / "ttyUSB1") as device,
        SimulatedModem(tmp_path / "ttyUSB0", network_s=0.05) as modem,
        opened(str(tmp_path / "ttyUSB*")) as driver,
    ):
        ready(driver)
        modem.reboot()
        until(lambda: modem.commands["+CNMI"] == 2, "it is set up again", BOUND_S)
        send(ready(driver), sms())
    assert device.written == b""


def test_another_device_at_the_port_of_the_modem_is_not_reset(tmp_path: Path) -> None:
    port, other = tmp_path / "ttyUSB0", tmp_path / "other"
    timing = replace(SOON, recovery=(0.0,), recoveries_an_hour=99)
    with (
        SilentDevice(other) as device,
        opened(str(tmp_path / "ttyUSB*"), timing=timing) as driver,
        SimulatedModem(port) as modem,
    ):
        ready(driver)
        modem.unplug()
        in_state(driver, DeviceState.ABSENT)
        port.symlink_to(other.readlink())
        until(lambda: "does not answer" in driver.status().detail, "it is asked", BOUND_S)
        until(lambda: device.written.count(b"AT") > 10, "it is asked in several sessions", BOUND_S)
    assert b"CFUN" not in device.written
