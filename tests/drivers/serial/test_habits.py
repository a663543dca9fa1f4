"""The driver on modems with habits of their own, each a row of the simulated modem's dialects."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers import DeviceState, IncomingSms, Reason, SmsEvent, StateChanged, StatusReport, Unavailable
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.serial.timing import Timing
from drivers.simulated.dialect import Dialect as Habits
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.pdus import deliver
from tests.drivers.serial.driving import BOUND_S, FAST, OTHER, News, in_state, opened, ready, safe, send, sms
from tests.gateway import until

TIMING = replace(FAST, retry_settings=0.2, starting=3.0)


@contextmanager
def met(
    tmp_path: Path, habits: Habits, news: News | None = None, timing: Timing = TIMING, **modem_options: Any
) -> Iterator[tuple[SimulatedModem, Driver]]:
    """A modem of such habits, and the driver on it."""
    with (
        SimulatedModem(tmp_path / "modem", network_s=0.02, report_s=0.02, dialect=habits, **modem_options) as modem,
        opened(modem.port, news, timing) as driver,
    ):
        yield modem, driver


# --- refused while it starts -------------------------------------------------------------------------------------


# One refusal of AT+CMGF used to be "cannot be used, no PDU mode", and half a minute of FAILED.
@pytest.mark.parametrize("error", [("ERROR", 0), ("CMS", 302), ("CME", 3)])
def test_pdu_mode_that_is_refused_at_first_is_tried_again_soon(tmp_path: Path, error: tuple[str, int]) -> None:
    states: list[DeviceState] = []
    habits = Habits(starting_s=0.8, not_yet=frozenset({"+CMGF"}), not_yet_error=error)

    def listen(event: SmsEvent) -> Future[bool]:
        if isinstance(event, StateChanged):
            states.append(driver.status().state)
        return safe()

    with SimulatedModem(tmp_path / "modem", network_s=0.02, dialect=habits) as modem:
        driver = Driver("sim1", Options(port=modem.port), TIMING)
        driver.open(listen)
        until(lambda: driver.status().state is DeviceState.READY, "it is used", 5)
        send(driver, sms())
        driver.close()
    assert states == [DeviceState.STARTING, DeviceState.READY, DeviceState.CLOSED]
    assert modem.commands["+CMGF"] > 1
    assert modem.commands["+CGSN"] == 1


def test_a_modem_without_pdu_mode_is_called_so_after_a_minute(tmp_path: Path) -> None:
    timing = replace(TIMING, starting=0.5)
    with met(tmp_path, Habits(unknown=frozenset({"+CMGF"})), timing=timing) as (_, driver):
        in_state(driver, DeviceState.FAILED)
        assert driver.status().detail.startswith("the modem has no PDU mode (AT+CMGF=0: CME 4")


@pytest.mark.parametrize("setting", ["+CNMI", "+CMEE"])
def test_a_setting_that_is_refused_at_first_is_made_later(tmp_path: Path, setting: str) -> None:
    news, habits = News(), Habits(starting_s=0.8, not_yet=frozenset({setting}))
    with met(tmp_path, habits, news) as (modem, driver):
        ready(driver)
        until(lambda: modem.settings == {"+CMEE": 1, "+CNMI": 1}, "all settings are made", BOUND_S)
        until(lambda: driver.status().remarks == (), "nothing is lacking", BOUND_S)
        send(driver, sms())
        assert news.first(StatusReport)
        assert modem.commands["+CGSN"] == 1


# "SIM not inserted" used to be believed for half a minute.
def test_a_sim_that_is_found_late_is_looked_for_soon(tmp_path: Path) -> None:
    habits = Habits(starting_s=0.5, not_yet=frozenset({"+CPIN?"}), not_yet_error=("CME", 10))
    with met(tmp_path, habits, timing=replace(TIMING, blocked=30.0)) as (_, driver):
        in_state(driver, DeviceState.FAILED)
        assert "no SIM card" in driver.status().detail
        assert driver.status().reason is Reason.NO_SIM
        until(lambda: driver.status().state is DeviceState.READY, "it is found", 5)


# --- forms -------------------------------------------------------------------------------------------------------


# AT+CPMS="ME" used to be the only form; where three parameters are wanted, the wrong storage was read.
@pytest.mark.parametrize("storages", [1, 2, 3])
@pytest.mark.parametrize("incoming", ["SM", "ME"])
def test_a_storage_is_selected_by_as_many_parameters_as_it_takes(tmp_path: Path, incoming: str, storages: int) -> None:
    news = News()
    with met(tmp_path, Habits(storages=frozenset({storages}), incoming=incoming, stores_reports=True), news) as (
        modem,
        driver,
    ):
        send(ready(driver), sms())
        assert news.first(StatusReport).number == sms().number
        modem.receive("447700900999", "hello")
        assert news.first(IncomingSms).text == "hello"
        until(lambda: modem.stored == {}, "what was handed over is deleted", 5)


def test_nothing_is_read_from_a_storage_that_was_not_selected(tmp_path: Path) -> None:
    news = News()
    with met(tmp_path, Habits(storages=frozenset({4}), incoming="ME"), news) as (modem, driver):
        ready(driver)
        modem.receive("447700900999", "hello")
        until(lambda: driver.status().remarks, "it is remarked", BOUND_S)
        send(driver, sms(OTHER))
    assert driver.status().remarks == ("stored messages: the modem accepts no form of AT+CPMS",)
    assert modem.commands["+CMGR"] == modem.commands["+CMGL"] == 0


def test_what_comes_in_elsewhere_than_the_modem_tells_is_found_also_without_a_notice(tmp_path: Path) -> None:
    news, habits = News(), Habits(incoming="ME", announced_incoming="SM")
    with met(tmp_path, habits, news) as (modem, driver):
        ready(driver)
        modem.receive("447700900999", "announced")
        assert news.first(IncomingSms).text == "announced"
        modem.keep("ME", deliver("447700900999", "quiet"))
        assert news.first(IncomingSms, lambda message: message.text == "quiet")
        until(lambda: not modem.stored, "it is deleted", BOUND_S)


# Without acknowledgements such a modem gives one report, and then no more.
def test_reports_that_want_an_acknowledgement_get_it(tmp_path: Path) -> None:
    news = News()
    with met(tmp_path, Habits(acknowledged=True), news) as (modem, driver):
        for _ in range(3):
            send(ready(driver), sms())
        until(lambda: sum(isinstance(e, StatusReport) for e in news.events) == 3, "three reports", BOUND_S)
        until(lambda: modem.commands["+CNMA"] == 3, "each is acknowledged", BOUND_S)


# --- the network -------------------------------------------------------------------------------------------------


# A modem that does not say +CREG by itself used to be asked every 30 s only.
def test_the_return_of_the_network_is_seen_soon_also_if_the_modem_does_not_tell(tmp_path: Path) -> None:
    with met(tmp_path, Habits(), timing=replace(TIMING, health=60.0, watch=0.2)) as (modem, driver):
        ready(driver)
        modem.register(2, announced=False)
        with pytest.raises(Unavailable, match="CMS 331"):
            send(driver, sms())
        in_state(driver, DeviceState.WAITING)
        with pytest.raises(Unavailable, match="searching"):
            send(driver, sms())
        modem.register(1, announced=False)
        until(lambda: driver.status().state is DeviceState.READY, "it is back", 3)
        send(driver, sms())
    assert modem.commands["+CMGS"] == 2


# --- messages first ----------------------------------------------------------------------------------------------


# Forty messages that came in used to hold a PIN up for 17 s, at the start and later.
@pytest.mark.parametrize("at_start", [True, False])
def test_a_message_waits_for_one_command_and_not_for_those_that_came_in(tmp_path: Path, *, at_start: bool) -> None:
    news, count = News(), 25
    timing = replace(TIMING, setup=0.0, health=0.5, command=3.0)
    with SimulatedModem(tmp_path / "modem", network_s=0.02, dialect=Habits(command_s=0.02)) as modem:
        if at_start:
            modem.fill(count)
        with opened(modem.port, news, timing) as driver:
            ready(driver)
            if not at_start:
                for place in range(count):
                    modem.receive("447700900999", f"incoming {place}")
            before = modem.commands.total()
            send(driver, sms())
            assert modem.commands.total() - before <= 4
            assert modem.commands["+CMGD"] < count
            until(lambda: modem.commands["+CMGD"] == count, "the others are read, too", BOUND_S)
    assert sum(isinstance(event, IncomingSms) for event in news.events) == count
