"""What the SIM has stored is handed over, and only then deleted."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import Delivery, IncomingSms, SmsEvent, StatusReport, Unavailable
from drivers.serial.driver import Driver
from drivers.serial.options import Options
from drivers.serial.timing import Timing
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.pdus import status_report
from tests.drivers.serial.driving import BOUND_S, FAST, NUMBER, News, opened, ready, safe, send, sms
from tests.gateway import until


def test_an_incoming_message_is_handed_over_and_then_deleted(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        modem.receive("447700900999", "Привет")
        assert news.first(IncomingSms) == IncomingSms("447700900999", "Привет", stored=True)
        until(lambda: modem.commands["+CMGD"] == 1, "the message is deleted")


@pytest.mark.parametrize("text", ["hi \U0001f600", "half of it \ud83d"])
def test_an_incoming_emoji_is_text_that_can_be_kept(modem: SimulatedModem, text: str) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        modem.receive("447700900145", text)
        incoming = news.first(IncomingSms)
        until(lambda: modem.commands["+CMGD"], "it is deleted", BOUND_S)
    assert incoming.text == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert incoming.text.encode()


def test_what_came_while_nobody_listened_is_found(modem: SimulatedModem) -> None:
    news = News()
    modem.receive("447700900999", "early")
    with opened(modem.port, news) as driver:
        ready(driver)
        assert news.first(IncomingSms).text == "early"


def test_a_modem_that_hardly_tells_its_storage_is_used(modem: SimulatedModem) -> None:
    modem.answer("+CPMS?", '+CPMS: "SM"', "OK")
    with opened(modem.port) as driver:
        send(ready(driver), sms())


def test_a_full_storage_is_emptied_into_events_and_sending_goes_on(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news, timing=Timing()) as driver:
        ready(driver)
        modem.fill()
        with pytest.raises(Unavailable, match="memory full"):
            send(driver, sms())
        send(ready(driver), sms())
    assert sorted(e.text for e in news.events if isinstance(e, IncomingSms))[0] == "advertisement 1"
    assert sum(isinstance(e, IncomingSms) for e in news.events) == 30


def test_a_sim_that_is_full_while_reports_are_read_is_emptied(tmp_path: Path) -> None:
    news = News()
    with (
        SimulatedModem(
            tmp_path / "modem", network_s=0.05, report_s=0.05, dialect=Dialect(stores_reports=True)
        ) as modem,
        opened(modem.port, news, timing=replace(FAST, health=60)) as driver,
    ):
        send(ready(driver), sms())
        news.first(StatusReport)  # was read from "SR"
        modem.fill()
        with pytest.raises(Unavailable, match=r"memory full$"):
            send(driver, sms())
        send(ready(driver), sms())
    assert sum(isinstance(e, IncomingSms) for e in news.events) == 30


def test_a_sim_full_of_drafts_says_what_to_do(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=Timing()) as driver:
        ready(driver)
        modem.fill(drafts=True)
        with pytest.raises(Unavailable, match=r"memory full$"):
            send(driver, sms())
        with pytest.raises(Unavailable, match="delete its messages and drafts in a phone"):
            send(ready(driver), sms())
    assert modem.commands["+CMGD"] == 0


def test_a_message_whose_notice_was_lost_is_found(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        modem.fill()
        news.first(IncomingSms)


@pytest.mark.parametrize("answer", [lambda: safe(False), Future])
def test_what_nobody_could_keep_stays_in_the_sim(modem: SimulatedModem, answer: Callable[[], Future[bool]]) -> None:
    asked: list[SmsEvent] = []

    def listen(event: SmsEvent) -> Future[bool]:
        asked.append(event)
        return answer()

    driver = Driver("sim1", Options(port=modem.port), replace(FAST, keep=0.1))
    driver.open(listen)
    try:
        ready(driver)
        modem.receive("447700900999", "keep me")
        until(lambda: sum(isinstance(e, IncomingSms) for e in asked) >= 2, "it is offered again", BOUND_S)
    finally:
        driver.close()
    assert modem.commands["+CMGD"] == 0


def test_closing_waits_no_longer_for_who_listens_than_for_the_wire(modem: SimulatedModem) -> None:
    driver = Driver("sim1", Options(port=modem.port), replace(FAST, keep=60.0))
    driver.open(lambda event: Future() if isinstance(event, IncomingSms) else safe())
    ready(driver)
    modem.fill()
    until(lambda: modem.commands["+CMGL"] >= 2, "it takes them", BOUND_S)
    driver.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "modem-sim1"]


def test_what_the_sim_does_not_delete_is_told_once(modem: SimulatedModem) -> None:
    modem.answer("+CMGD", "+CMS ERROR: 320")
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        modem.receive("447700900999", "hello")
        until(lambda: modem.commands["+CMGD"] >= 3, "it is tried again", BOUND_S)
    assert sum(isinstance(event, IncomingSms) for event in news.events) == 1


def test_messages_are_looked_for_where_they_come_in(tmp_path: Path) -> None:
    news = News()
    with SimulatedModem(tmp_path / "modem", dialect=Dialect(incoming="ME")) as modem:
        modem.receive("447700900999", "early")
        with opened(modem.port, news) as driver:
            ready(driver)
            assert news.first(IncomingSms).text == "early"
            modem.receive("447700900999", "late")
            news.first(IncomingSms, lambda message: message.text == "late")


def test_a_stored_report_is_deleted_only_once_it_is_safe(tmp_path: Path) -> None:
    pending: list[Future[bool]] = []

    def listen(event: SmsEvent) -> Future[bool]:
        if not isinstance(event, StatusReport):
            return safe()
        pending.append(Future())
        return pending[-1]

    timing = replace(FAST, keep=BOUND_S)
    with SimulatedModem(
        tmp_path / "modem", network_s=0.05, report_s=0.05, dialect=Dialect(stores_reports=True)
    ) as modem:
        driver = Driver("sim1", Options(port=modem.port), timing)
        driver.open(listen)
        send(ready(driver), sms())
        until(lambda: pending, "the report", BOUND_S)
        send(driver, sms())  # the driver goes on meanwhile
        assert modem.commands["+CMGD"] == 0
        pending[0].set_result(True)
        until(lambda: modem.commands["+CMGD"] == 1, "it is deleted", BOUND_S)
        driver.close()


def test_a_report_that_was_stored_while_nobody_listened_is_found(tmp_path: Path) -> None:
    news = News()
    with SimulatedModem(
        tmp_path / "modem", network_s=0.05, report_s=0.5, dialect=Dialect(stores_reports=True)
    ) as modem:
        with opened(modem.port) as driver:
            (reference,) = send(ready(driver), sms()).references
        until(lambda: modem.stored, "the report", BOUND_S)
        modem.receive("447700900999", "hello")
        with opened(modem.port, news, Timing()) as driver:
            ready(driver)
            assert news.first(StatusReport).reference == reference
            assert news.first(IncomingSms).text == "hello"
            modem.receive("447700900999", "again")
            news.first(IncomingSms, lambda message: message.text == "again")
            until(lambda: not modem.stored, "the SIM is empty", BOUND_S)  # that follows the message
        assert modem.stored == {}


def test_a_report_that_a_restarted_modem_keeps_as_its_profile_says_is_found(tmp_path: Path) -> None:
    news = News()
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.5, dialect=Dialect(keeps_reports="SM")) as modem:
        with opened(modem.port) as driver:
            (reference,) = send(ready(driver), sms()).references
        modem.reboot()
        until(lambda: modem.stored, "the report", BOUND_S)
        with opened(modem.port, news):
            assert news.first(StatusReport).reference == reference
            until(lambda: not modem.stored, "the SIM is empty", BOUND_S)  # that follows the report
        assert modem.stored == {}


def test_a_report_that_is_announced_is_read_where_it_is(tmp_path: Path) -> None:
    news, modem = (
        News(),
        SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05, dialect=Dialect(stores_reports=True)),
    )
    with modem, opened(modem.port, news, Timing()) as driver:
        (reference,) = send(ready(driver), sms()).references
        assert news.first(StatusReport) == StatusReport(reference, NUMBER, Delivery.DELIVERED, 0, stored=True)


def test_no_more_is_handed_over_while_nothing_can_be_kept(modem: SimulatedModem) -> None:
    asked: list[SmsEvent] = []

    def listen(event: SmsEvent) -> Future[bool]:
        asked.append(event)
        return safe(False)

    driver = Driver("sim1", Options(port=modem.port), FAST)
    driver.open(listen)
    ready(driver)
    modem.fill()
    until(lambda: sum(isinstance(event, IncomingSms) for event in asked) >= 2, "it is offered", BOUND_S)
    driver.close()
    assert sum(isinstance(event, IncomingSms) for event in asked) <= modem.commands["+CMGL"]


def test_a_report_whose_notice_was_lost_is_found(tmp_path: Path) -> None:
    news = News()
    with (
        SimulatedModem(tmp_path / "modem", dialect=Dialect(stores_reports=True)) as modem,
        opened(modem.port, news) as driver,
    ):
        ready(driver)
        modem.keep("SR", status_report(9, NUMBER, 0))
        assert news.first(StatusReport).reference == 9
