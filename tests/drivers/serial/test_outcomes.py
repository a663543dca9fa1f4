"""What becomes of a message, whole or in parts, by what the modem says."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import Delivery, LateAnswer, Receipt, Refused, StatusReport, Unavailable, Uncertain
from drivers.serial.driver import Driver
from drivers.simulated.centre import Handset
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, FAST, NUMBER, News, opened, ready, send, sms
from tests.gateway import until


@pytest.mark.parametrize("line", ["+CMS ERROR: 21", "OK", "+CMGS: 9\r\n\r\nOK"])
def test_a_result_before_the_prompt_is_not_the_new_messages(modem: SimulatedModem, line: str) -> None:
    modem.delay_prompt(0.3)
    with opened(modem.port) as driver:
        future = ready(driver).send(sms())
        until(lambda: modem.commands["+CMGS"], "it is offered", BOUND_S)
        modem.say(line)
        with pytest.raises(Unavailable):
            future.result(BOUND_S)
        assert send(ready(driver), sms()) == Receipt((0,))
    assert len(modem.accepted) == 1


def test_a_number_that_the_network_refuses_is_refused(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver, pytest.raises(Refused, match="unassigned number"):
        send(ready(driver), sms("447700900180"))


def test_congestion_is_safe_to_try_again(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        with pytest.raises(Unavailable, match="congestion"):
            send(ready(driver), sms("447700900181"))
        send(ready(driver), sms("447700900181"))
    assert len(modem.accepted) == 1


def test_a_lost_answer_is_uncertain_and_the_modem_is_used_again(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        with pytest.raises(Uncertain):
            send(ready(driver), sms("447700900182"))
        send(ready(driver), sms())
    assert [number for number, _ in modem.accepted] == ["447700900182", NUMBER]


def test_a_late_answer_settles_an_uncertain_message(modem: SimulatedModem) -> None:
    modem.network_s = 1.5
    news, message = News(), sms()
    with opened(modem.port, news) as driver:
        with pytest.raises(Uncertain):
            send(ready(driver), message)
        late = news.first(LateAnswer)
    assert late.sms is message
    assert isinstance(late.answer, Receipt)


def test_a_long_message_is_delivered_once_all_its_parts_are(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        receipt = send(ready(driver), sms(text="x" * 400))
        report = news.first(StatusReport)
        send(driver, sms("447700900145"))
        news.first(StatusReport, lambda report: report.number == "447700900145")
    assert (report.reference, report.delivery) == (receipt.references[-1], Delivery.DELIVERED)
    assert [e.number for e in news.events if isinstance(e, StatusReport)] == [NUMBER, "447700900145"]


def test_a_late_answer_to_the_first_of_several_parts_does_not_make_the_message_sent(modem: SimulatedModem) -> None:
    modem.network_s = 1.5
    news = News()
    with opened(modem.port, news) as driver:
        with pytest.raises(Uncertain):
            send(ready(driver), sms(text="x" * 400))
        ready(driver)
        modem.network_s = 0.05
        send(driver, sms())
        news.first(StatusReport, lambda report: report.number == NUMBER)
    assert not any(isinstance(event, LateAnswer) for event in news.events)


def test_a_late_refusal_of_a_part_does_not_make_the_message_unsent(modem: SimulatedModem) -> None:
    news = News()
    modem.delay_prompt(0.0)
    modem.delay_prompt(0.2)
    with opened(modem.port, news) as driver:
        future = ready(driver).send(sms(text="x" * 400))
        until(lambda: modem.commands["+CMGS"] == 2, "the second part is offered", BOUND_S)
        modem.network_s = 1.5
        modem.refuse(350)
        with pytest.raises(Uncertain):
            future.result(BOUND_S)
        ready(driver)
    assert not any(isinstance(event, LateAnswer) for event in news.events)


def test_ok_without_a_reference_is_uncertain(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver, pytest.raises(Uncertain, match="without a message reference"):
        send(ready(driver), sms("447700900189"))


def test_noise_in_the_answer_does_not_hide_it(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        assert send(ready(driver), sms("447700900188")).references == (0,)


@pytest.mark.parametrize("late_s", [None, 0.6])
def test_a_prompt_that_does_not_come_in_time_is_escaped(modem: SimulatedModem, late_s: float | None) -> None:
    modem.delay_prompt(late_s)
    with opened(modem.port) as driver:
        with pytest.raises(Unavailable):
            send(ready(driver), sms())
        send(ready(driver), sms())
    assert len(modem.accepted) == 1


def test_a_restart_in_mid_send_is_uncertain_and_sets_the_modem_up_again(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        with pytest.raises(Uncertain):
            send(ready(driver), sms("447700900187"))
        send(ready(driver), sms())
        news.first(StatusReport, lambda report: report.number == NUMBER)


def second_of_three_parts(modem: SimulatedModem, driver: Driver) -> Future[Receipt]:
    """A message whose first part is sent, and whose second is offered but has no prompt yet."""
    modem.delay_prompt(0.0)
    modem.delay_prompt(0.2)
    future = ready(driver).send(sms(text="x" * 400))
    until(lambda: modem.commands["+CMGS"] == 2, "the second part is offered", BOUND_S)
    return future


# Such a message used to be uncertain, and was sent twice.
def test_a_message_whose_reference_came_before_the_port_was_lost_is_sent(tmp_path: Path) -> None:
    news, timing = News(), replace(FAST, probe=BOUND_S)  # the OK is waited for
    no_ok = Dialect(sent=("+CMGS: {mr}",))
    with (
        SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05, dialect=no_ok) as modem,
        opened(modem.port, news, timing) as driver,
    ):
        future = ready(driver).send(sms())
        news.first(StatusReport)  # so that what came before it has been read
        modem.unplug()
        assert future.result(BOUND_S) == Receipt((0,))


def test_a_part_that_is_refused_leaves_the_message_uncertain(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        future = second_of_three_parts(modem, driver)
        modem.refuse(42)
        with pytest.raises(Uncertain, match="1 of 3 parts were sent, then: CMS 42") as raised:
            future.result(BOUND_S)
    assert raised.value.parts == 1


def test_a_message_whose_second_part_has_no_answer_may_be_two_sms(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        future = second_of_three_parts(modem, driver)
        modem.lose_answer(True)
        with pytest.raises(Uncertain) as raised:
            future.result(BOUND_S)
    assert raised.value.parts == 2


def test_reports_that_are_quicker_than_the_last_answer_are_told(
    tmp_path: Path,
) -> None:
    late = {"83": Handset("says so after its report", extra_s=0.3)}
    news, modem = News(), SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05, handsets=late)
    with modem, opened(modem.port, news) as driver:
        references = send(ready(driver), sms("447700900183", text="x" * 200)).references
        assert news.first(StatusReport).reference == references[-1]
