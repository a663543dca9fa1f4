"""The serial driver on a modem behind a pseudo-terminal, when all is well."""

import queue
from concurrent.futures import CancelledError

import pytest

from drivers import Delivery, DeviceState, Receipt, StateChanged, StatusReport, Unavailable
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.serial.timing import Timing
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, FAST, NUMBER, News, in_state, opened, ready, send, sms
from tests.gateway import until
from tests.peers.foreign import DIALECTS, ForeignModem


def test_a_message_is_sent_and_its_delivery_reported(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        receipt = send(ready(driver), sms())
        report = news.first(StatusReport)
    assert modem.accepted == [(NUMBER, "Acme code: 1234.")]
    assert (report.reference, report.number, report.delivery) == (receipt.references[0], NUMBER, Delivery.DELIVERED)


def test_a_modem_says_who_it_is(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        status = ready(driver).status()
    assert (status.operator, status.signal_dbm, status.model) == ("Simulated", -71, "simulated modem")
    assert (status.imei, status.imsi) == ("356938035643809", "234150999999999")


@pytest.mark.parametrize("text", ["{[~]} costs 5 €", "Код 1234 🙂"[:8], "x" * 400, "Ж" * 200])
def test_any_text_arrives_as_it_was_written(modem: SimulatedModem, text: str) -> None:
    with opened(modem.port) as driver:
        receipt = send(ready(driver), sms(text=text))
    assert modem.accepted == [(NUMBER, text)]
    assert len(receipt.references) == {400: 3, 200: 3}.get(len(text), 1)


def test_nothing_is_asked_between_two_messages(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=Timing()) as driver:
        send(ready(driver), sms())
        before = modem.commands.copy()
        for _ in range(3):
            send(driver, sms())
    assert modem.commands - before == {"+CMGS": 3}


def test_a_message_can_be_cancelled_until_its_turn_comes(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        first, second = driver.send(sms()), driver.send(sms("447700900145"))
        assert second.cancel()
        first.result(BOUND_S)
        with pytest.raises(CancelledError):
            second.result(BOUND_S)
        send(driver, sms("447700900167"))
    assert [number for number, _ in modem.accepted] == [NUMBER, "447700900167"]


def test_closing_lets_the_message_on_the_wire_finish(modem: SimulatedModem) -> None:
    modem.network_s = 0.5
    with opened(modem.port) as driver:
        future = ready(driver).send(sms())
        until(lambda: modem.sending, "it is on the wire", BOUND_S)
        driver.close()
        assert future.result(0) == Receipt((0,))


@pytest.mark.parametrize("baudrate", ["auto", 57600])
def test_a_speed_is_found_or_given(modem: SimulatedModem, baudrate: int | str) -> None:
    with opened(modem.port, baudrate=baudrate) as driver:
        send(ready(driver), sms())


def test_two_drivers_do_not_share_a_port(modem: SimulatedModem) -> None:
    with opened(modem.port) as first:
        ready(first)
        with opened(modem.port) as second:
            in_state(second, DeviceState.ABSENT)
            assert second.status().detail == "another [[modem]] of this daemon has the port"
            send(first, sms())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_modems_of_other_makers_are_understood(dialect: str) -> None:
    with ForeignModem(dialect) as foreign, opened(foreign.port) as driver:
        assert send(ready(driver), sms(text="Hé: {1234} costs 55 €")).references == (1,)
    assert foreign.accepted == [(NUMBER, "Hé: {1234} costs 55 €")]


def test_nothing_of_a_message_shows_in_an_error_or_a_repr(modem: SimulatedModem) -> None:
    shown: queue.SimpleQueue[str] = queue.SimpleQueue()
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        for ending in ("80", "81", "82", "89"):
            message = sms(f"4477009001{ending}", "secret 98765")
            exception = driver.send(message).exception(BOUND_S)
            shown.put(f"{exception!r} {message!r} {driver.status()!r}")
            ready(driver)
    lines = [shown.get() for _ in range(shown.qsize())] + [
        repr(e) for e in news.events if not isinstance(e, StateChanged)
    ]
    assert not any("98765" in line or "4477009001" in line for line in lines)


def test_a_closed_driver_can_be_opened_again(modem: SimulatedModem) -> None:
    driver = Driver("sim1", Options(port=modem.port), FAST)
    for _ in range(2):
        driver.open(News())
        send(ready(driver), sms())
        driver.close()
        with pytest.raises(Unavailable):
            send(driver, sms())
