"""What `pinwheel setup` learns of a serial port in two seconds."""

import contextlib
import os
import threading
import time
from collections.abc import Callable

import pytest

import drivers
from drivers.serial import survey
from drivers.serial.ports import opened
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from drivers.survey import SURVEY_S, SimLock, Survey

IMEI = "356938035643809"


def test_the_driver_offers_it_by_the_contract() -> None:
    assert drivers.load("serial").survey is survey


def test_a_modem_says_who_it_is_and_whether_it_can_send() -> None:
    with SimulatedModem() as modem:
        assert survey(modem.port) == Survey("", "simulated modem", IMEI, SimLock.OPEN, True, True)


def test_a_locked_sim_is_asked_for_no_pin() -> None:
    with SimulatedModem(pin="1234") as modem:
        found = survey(modem.port)
        assert (found.sim, found.messages, found.centre) == (SimLock.PIN, True, None)
        assert "+CPIN" not in modem.commands


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda modem: modem.answer("+CPIN?", "+CPIN: SIM PUK", "OK"), {"sim": SimLock.PUK}),
        (lambda modem: modem.answer("+CPIN?", "+CME ERROR: 10"), {"sim": SimLock.ABSENT}),
        (lambda modem: modem.answer("+CPIN?", "+CPIN: NOT INSERTED", "OK"), {"sim": SimLock.ABSENT}),
        (lambda modem: modem.answer("+CPIN?", "+CPIN: PH-NET PIN", "OK"), {"sim": SimLock.UNKNOWN}),
        (lambda modem: modem.answer("+CSCA?", '+CSCA: "",129', "OK"), {"centre": False}),
        (lambda modem: modem.answer("+CSCA?", "ERROR"), {"centre": None}),
        (lambda modem: modem.ignore("+CGSN"), {"imei": "", "sim": SimLock.OPEN}),
    ],
    ids=["PUK", "no SIM", "no SIM, in words", "another lock", "no centre", "centre unknown", "no IMEI"],
)
def test_what_is_wrong_with_the_sim_is_seen(
    fault: Callable[[SimulatedModem], None], expected: dict[str, object]
) -> None:
    with SimulatedModem() as modem:
        fault(modem)
        found = survey(modem.port)
        assert {name: getattr(found, name) for name in expected} == expected


def test_a_port_for_something_else_than_messages_is_seen() -> None:
    with SimulatedModem(dialect=Dialect(for_messages=False)) as modem:
        assert not survey(modem.port).messages


def test_a_modem_without_words_is_made_to_speak() -> None:
    with SimulatedModem(dialect=Dialect(verbose=False)) as modem:
        assert survey(modem.port).imei == IMEI


def test_a_port_at_which_nothing_answers_takes_no_longer_than_it_may() -> None:
    master, slave = os.openpty()
    began = time.monotonic()
    found = survey(os.ttyname(slave))
    assert time.monotonic() - began < SURVEY_S + 1  # a second for a busy machine
    assert "nothing answers" in found.trouble
    os.close(master)
    os.close(slave)


def test_a_port_that_another_has_or_that_is_not_there_says_so() -> None:
    with SimulatedModem() as modem, opened(modem.port, 115200, rtscts=False):
        assert survey(modem.port).trouble == "another [[modem]] of this daemon has the port"
    assert "no such port" in survey("/dev/no-such-port").trouble


def test_garbage_from_a_port_is_no_modem() -> None:
    """What is no modem may say anything: a GPS receiver does so all the time, and takes no command."""
    master, slave = os.openpty()
    ended = threading.Event()

    def speak() -> None:
        while not ended.wait(0.01):
            with contextlib.suppress(BlockingIOError):  # nobody reads any more
                os.write(master, b"$GPGGA,123519,4807.038,N\r\n\xff\x00> +CMTI: \r\n")

    os.set_blocking(master, False)
    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        found = survey(os.ttyname(slave))
    finally:
        ended.set()
        speaker.join()
    assert "nothing answers" in found.trouble
    os.close(master)
    os.close(slave)
