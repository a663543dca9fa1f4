"""A modem that is unplugged, hangs, restarts, or says anything at all: the driver never wedges."""

import errno
import fcntl
import os
import random
import sys
import termios
import time
import tty
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import DeviceState, IncomingSms, Reason, SmsEvent, StatusReport, Unavailable, Uncertain
from drivers.serial.driver import WARNINGS_AN_HOUR, Driver
from drivers.serial.options import Options
from drivers.serial.session import NO_MORE
from drivers.serial.timing import Timing
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import (
    BOUND_S,
    FAST,
    NUMBER,
    News,
    in_state,
    opened,
    ready,
    safe,
    send,
    sms,
)
from tests.gateway import until


def test_an_idle_restart_loses_no_report(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        modem.reboot()
        until(lambda: modem.commands["+CNMI"] == 2, "the modem is set up again")
        send(ready(driver), sms())
        news.first(StatusReport)


def test_an_unplugged_modem_is_used_again_when_it_returns(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        send(ready(driver), sms())
        modem.unplug()
        status = in_state(driver, DeviceState.ABSENT).status()
        assert (status.operator, status.signal_dbm) == ("", None)
        with pytest.raises(Unavailable):
            send(driver, sms())
        modem.replug()
        back = time.monotonic()
        send(ready(driver), sms())
        assert time.monotonic() - back < 5
    assert len(modem.accepted) == 2


def test_unplugging_in_mid_send_is_uncertain_at_once(modem: SimulatedModem) -> None:
    modem.network_s = 10
    with opened(modem.port, timing=Timing()) as driver:
        answer = ready(driver).send(sms())
        until(lambda: modem.sending, "it is on the wire", BOUND_S)
        modem.unplug()
        with pytest.raises(Uncertain):
            answer.result(2)


def test_a_hung_modem_is_found_out_while_idle(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        modem.hang(True)
        in_state(driver, DeviceState.ABSENT)
        assert "does not answer" in driver.status().detail
        modem.hang(False)
        send(ready(driver), sms())


def test_without_a_network_nothing_is_tried(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        modem.register(3)
        in_state(driver, DeviceState.WAITING)
        assert "denies registration" in driver.status().detail
        assert driver.status().reason is Reason.DENIED
        with pytest.raises(Unavailable):
            send(driver, sms())
        modem.register(5)
        send(ready(driver), sms())
    assert modem.commands["+CMGS"] == 1


def test_ringing_and_garbage_do_not_disturb(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        for line in ("RING", '+CLIP: "447700900999",145', "ERROR", "OK", "+CMS ERROR: 500"):
            modem.say(line)
        modem.noise(bytes(range(256)) + b"\r\n")
        modem.register(2)
        in_state(driver, DeviceState.WAITING)  # so all of it was read: an ERROR within a command is the command's
        modem.register(1)
        ready(driver)
        assert send(driver, sms()).references == (0,)


def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with opened(str(tmp_path / "none")) as driver:
        in_state(driver, DeviceState.ABSENT)
        assert "no such port" in driver.status().detail


def test_a_modem_that_takes_no_data_ends_in_its_remedy() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    termios.tcflow(slave, termios.TCOOFF)
    try:
        with opened(os.ttyname(slave), timing=replace(FAST, recoveries_an_hour=0)) as driver:
            until(lambda: "takes no data: check the cable" in driver.status().detail, "the remedy", BOUND_S)
    finally:
        os.close(master)
        os.close(slave)


def test_a_modem_that_is_unplugged_while_its_port_is_set_up_is_used_when_it_returns(
    modem: SimulatedModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1000))
    flush = termios.tcflush

    def unplugged_at_first(fd: int, queue: int) -> None:
        if next(calls) < 2:
            raise termios.error(errno.EIO, "Input/output error")
        flush(fd, queue)

    monkeypatch.setattr(termios, "tcflush", unplugged_at_first)
    with opened(modem.port) as driver:
        send(ready(driver), sms())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_driver_that_a_defect_has_stopped_does_not_look_ready(modem: SimulatedModem) -> None:
    def defective(event: SmsEvent) -> Future[bool]:
        if isinstance(event, IncomingSms):
            raise LookupError("a defect")
        return safe()

    driver = Driver("sim1", Options(port=modem.port), FAST)
    driver.open(defective)
    ready(driver)
    modem.receive("447700900999", "hello")
    in_state(driver, DeviceState.FAILED)
    with pytest.raises(Unavailable, match="a defect has stopped this driver"):
        send(driver, sms())
    driver.close()
    driver.open(News())  # as drain and resume do
    send(ready(driver), sms())
    driver.close()


def unread(port: str) -> int:
    """Octets that the modem has written and the driver has not read yet."""
    looking = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return int.from_bytes(fcntl.ioctl(looking, termios.FIONREAD, bytes(4)), sys.byteorder)
    finally:
        os.close(looking)


@pytest.mark.parametrize("seed", [6, 8, 11])
def test_whatever_a_modem_said_it_is_used_again_once_it_is_well(modem: SimulatedModem, seed: int) -> None:
    rng = random.Random(seed)
    words = [
        b"\r\n",
        b"+CMGS: ",
        b"+CDS: 25\r\n",
        b"+CREG: ",
        b"+CMTI: ",
        b"+CMS ERROR: ",
        b"> ",
        b"OK\r\n",
        b"RDY\r\n",
    ]
    with opened(modem.port) as driver:
        ready(driver)
        for _ in range(60):
            modem.noise(rng.choice(words) + rng.randbytes(rng.randrange(40)))
            if rng.random() < 0.1:
                driver.send(sms())
            until(lambda: not unread(modem.port), "the driver has read it", BOUND_S)
        modem.reboot()
        modem.accepted.clear()
        until(lambda: ready(driver).send(sms(text="at last")).exception(BOUND_S) is None, "it sends", BOUND_S)
    assert (NUMBER, "at last") in modem.accepted


def test_noise_on_the_line_does_not_fill_the_log(modem: SimulatedModem, caplog: pytest.LogCaptureFixture) -> None:
    """There used to be a line in the log for each line of a modem that nobody could read."""
    with opened(modem.port) as driver:
        ready(driver)
        for _ in range(3 * WARNINGS_AN_HOUR):
            modem.say("+CMTI: x")
        until(lambda: NO_MORE in caplog.text, "the last warning", BOUND_S)
        send(driver, sms())  # by then all was read
    assert caplog.text.count("notice=+CMTI unreadable") == WARNINGS_AN_HOUR
