"""The serial driver on a modem behind a pseudo-terminal: outcomes, faults, and that it never wedges."""

import errno
import os
import queue
import random
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers import (
    Deferred,
    Delivery,
    DeviceState,
    DriverError,
    IncomingSms,
    LateAnswer,
    Receipt,
    Refused,
    Sms,
    SmsEvent,
    StateChanged,
    StatusReport,
    Unavailable,
    Uncertain,
)
from drivers.serial import cures, pdu
from drivers.serial.driver import SIGNS_AN_HOUR, Driver, Options
from drivers.serial.timing import Timing
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.network import Handset
from drivers.simulated.pdus import status_report
from tests.gateway import until
from tests.peers.foreign import DIALECTS, ForeignModem

NUMBER = "447700900123"
BOUND_S = 20.0
FAST = Timing(
    alive=0.3,
    alive_tries=4,
    command=1.0,
    prompt=0.4,
    answer=0.6,
    listen=3.0,
    probe=0.3,
    busy=0.1,
    health=0.5,
    absent=0.1,
    retry=(0.05, 0.1),
    blocked=0.3,
    close=1.0,
)


def safe(kept: bool = True) -> Future[bool]:
    """What a listener answers who has kept the news already, or cannot."""
    future: Future[bool] = Future()
    future.set_result(kept)
    return future


class News:
    """What the driver told."""

    def __init__(self) -> None:
        self.events: list[SmsEvent] = []

    def __call__(self, event: SmsEvent) -> Future[bool]:
        self.events.append(event)
        return safe()

    def first(self, kind: type, matching: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first event of the kind, once it has come."""
        return until(
            lambda: next((e for e in self.events if isinstance(e, kind) and matching(e)), None), kind.__name__, BOUND_S
        )


@contextmanager
def opened(port: str, news: News | None = None, timing: Timing = FAST, **options: Any) -> Iterator[Driver]:
    driver = Driver("sim1", Options(port=port, **options), timing)
    driver.open(news or News())
    try:
        yield driver
    finally:
        driver.close()


def ready(driver: Driver) -> Driver:
    return in_state(driver, DeviceState.READY)


def in_state(driver: Driver, state: DeviceState) -> Driver:
    until(lambda: driver.status().state is state, f"{state}, not {driver.status()}", BOUND_S)
    return driver


def sms(number: str = NUMBER, text: str = "Acme code: 1234.") -> Sms:
    return Sms(number, text, 300)


def send(driver: Driver, message: Sms) -> Receipt:
    return driver.send(message).result(BOUND_S)


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05) as modem:
        yield modem


# --- when all is well ------------------------------------------------------------------------------------------


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
        heard = news.first(IncomingSms)
        until(lambda: modem.commands["+CMGD"], "it is deleted", BOUND_S)
    assert heard.text == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert heard.text.encode()


def test_closing_ends_the_command_that_cuts_the_power(modem: SimulatedModem, tmp_path: Path) -> None:
    command = f"sh -c 'touch {tmp_path}/cut; exec sleep 20'"
    with opened(modem.port, timing=SOON, power_cycle=command) as driver:
        ready(driver)
        modem.hang(True)
        until((tmp_path / "cut").exists, "the command runs", BOUND_S)
        driver.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "modem-sim1"]


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


def test_what_came_while_nobody_listened_is_found(modem: SimulatedModem) -> None:
    news = News()
    modem.receive("447700900999", "early")
    with opened(modem.port, news) as driver:
        ready(driver)
        assert news.first(IncomingSms).text == "early"


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


# --- outcomes --------------------------------------------------------------------------------------------------


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


# --- a modem that takes the next message while the network has one ----------------------------------------------


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[SimulatedModem]:
    with SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=0.05, dialect=Dialect(multitasking=True)) as modem:
        yield modem


OTHER, SILENT_HANDSET = "447700900145", "447700900186"
PATIENT = replace(FAST, answer=1.0)


def lost(driver: Driver, message: Sms) -> None:
    with pytest.raises(Uncertain, match="no answer"):
        send(driver, message)
    ready(driver)


def owed(driver: Driver, modem: SimulatedModem, message: Sms, answer_s: float) -> None:
    """A message whose answer comes only so long after it was sent; those of later messages are quick."""
    modem.network_s = answer_s
    lost(ready(driver), message)
    modem.network_s = 0.05


@pytest.mark.parametrize("pause_s", [0.0, 1.2])
def test_a_late_answer_is_not_taken_for_the_next_messages(eager: SimulatedModem, pause_s: float) -> None:
    news, older = News(), sms()
    with opened(eager.port, news, PATIENT) as driver:
        owed(driver, eager, older, 1.5 + pause_s)
        time.sleep(pause_s)
        assert send(driver, sms(OTHER)) == Receipt((1,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((0,)))
    assert [number for number, _ in eager.accepted] == [NUMBER, OTHER]


def test_a_late_refusal_is_not_taken_for_the_next_messages(eager: SimulatedModem) -> None:
    eager.refuse(350)
    news, older = News(), sms()
    with opened(eager.port, news, PATIENT) as driver:
        owed(driver, eager, older, 1.5)
        assert send(driver, sms(OTHER)) == Receipt((1,))
        late = news.first(LateAnswer)
    assert late.sms is older
    assert isinstance(late.answer, Unavailable)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_lost_answer_holds_the_next_message_up_no_longer_than_its_report(
    eager: SimulatedModem, *, accepted: bool
) -> None:
    news = News()
    with opened(eager.port, news, PATIENT) as driver:
        for _ in range(2):  # it counts
            send(ready(driver), sms())
        eager.lose_answer(accepted)
        lost(driver, sms())
        started = time.monotonic()
        assert send(driver, sms(OTHER)) == Receipt((3 if accepted else 2,))
        assert time.monotonic() - started < PATIENT.answer / 2
        send(driver, sms(SILENT_HANDSET))  # and no other
        assert time.monotonic() - started < PATIENT.answer / 2
    assert not any(isinstance(event, LateAnswer) for event in news.events)


def test_a_slow_network_that_is_slow_again_answers_both_in_order(eager: SimulatedModem) -> None:
    eager.network_s = 1.5
    news, older, newer = News(), sms(SILENT_HANDSET), sms(SILENT_HANDSET)
    with opened(eager.port, news, PATIENT) as driver:
        lost(ready(driver), older)
        with pytest.raises(Uncertain, match="older message"):
            send(driver, newer)
        ready(driver)
        told = [event for event in news.events if isinstance(event, LateAnswer)]
        assert [(event.sms is older, event.answer) for event in told] == [(True, Receipt((0,))), (False, Receipt((1,)))]


@pytest.mark.parametrize("error", [None, 21])
def test_an_answer_that_no_other_follows_proves_nothing(eager: SimulatedModem, error: int | None) -> None:
    news = News()
    with opened(eager.port, news, PATIENT) as driver:
        eager.lose_answer(True)
        lost(ready(driver), sms(SILENT_HANDSET))
        if error is not None:
            eager.refuse(error)
        with pytest.raises(Uncertain, match="older message"):
            send(driver, sms(SILENT_HANDSET))
        with pytest.raises(Unavailable, match="listening for the answer"):
            send(driver, sms(OTHER))
        assert isinstance(send(ready(driver), sms(OTHER)), Receipt)
    assert not any(isinstance(event, LateAnswer) for event in news.events)


def unplugged_for_a_moment(modem: SimulatedModem) -> None:
    modem.unplug()
    modem.replug()


@pytest.mark.parametrize("fault", [SimulatedModem.reboot, unplugged_for_a_moment])
def test_of_a_modem_that_was_without_power_no_older_answer_is_waited_for(
    eager: SimulatedModem, fault: Callable[[SimulatedModem], None]
) -> None:
    with opened(eager.port, timing=PATIENT) as driver:
        eager.lose_answer(True)
        lost(ready(driver), sms(SILENT_HANDSET))
        fault(eager)
        until(lambda: driver.status().state is not DeviceState.READY, "it is noticed", BOUND_S)
        eager.refuse(42)
        with pytest.raises(Unavailable, match="congestion"):
            send(ready(driver), sms(OTHER))


def test_a_refused_message_may_have_taken_a_reference(eager: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(eager.port, news, PATIENT) as driver:
        for _ in range(2):  # it counts: 0, 1
            send(ready(driver), sms())
        with pytest.raises(Refused):
            send(driver, sms("447700900180"))
        owed(driver, eager, older, 1.5)
        assert send(driver, sms(OTHER)) == Receipt((4,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((3,)))


@pytest.mark.parametrize("code", [None, 21])
def test_an_older_messages_answer_before_the_prompt_does_not_stop_the_new_one(
    eager: SimulatedModem, code: int | None
) -> None:
    news, older = News(), sms()
    with opened(eager.port, news, replace(PATIENT, prompt=2.0)) as driver:
        if code is not None:
            eager.refuse(code)
        owed(driver, eager, older, 1.5)  # its answer comes 0.5 s later
        eager.delay_prompt(1.0)
        assert send(driver, sms(OTHER)) == Receipt((1,))
        late = news.first(LateAnswer)
    assert late.sms is older
    assert isinstance(late.answer, Receipt if code is None else DriverError)


def test_a_modem_that_refuses_the_next_command_says_nothing_of_the_older_message(eager: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(eager.port, news, PATIENT) as driver:
        owed(driver, eager, older, 2.5)
        eager.delay_prompt(None)
        future = driver.send(sms(OTHER))
        until(lambda: eager.commands["+CMGS"] == 2, "it is offered", BOUND_S)
        eager.say("+CMS ERROR: 500")
        assert type(future.exception(BOUND_S)) is Unavailable  # and the recipient is not held
        assert news.first(LateAnswer).answer == Receipt((0,))


@pytest.mark.parametrize(("code", "kind"), [(500, Unavailable), (304, Deferred)], ids=["unknown", "its length"])
def test_a_modem_that_refuses_the_command_itself_tells_nothing_of_the_recipient(
    modem: SimulatedModem, code: int, kind: type[DriverError]
) -> None:
    modem.delay_prompt(None)
    with opened(modem.port) as driver:
        future = ready(driver).send(sms())
        until(lambda: modem.commands["+CMGS"] == 1, "it is offered", BOUND_S)
        modem.say(f"+CMS ERROR: {code}")
        assert type(future.exception(BOUND_S)) is kind  # only what may be refused for ever is tried so many times


def test_a_modem_that_was_restarted_by_us_owes_nothing(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=replace(PATIENT, listen=60.0)) as driver:
        for _ in range(3):
            modem.lose_answer(False)
            with pytest.raises(Uncertain):
                send(ready(driver), sms(SILENT_HANDSET))
        until(lambda: modem.commands["+CFUN"] == 1, "the reset", BOUND_S)
        until(lambda: modem.commands["+CNMI"] == 2, "it is set up again", BOUND_S)
        assert isinstance(send(ready(driver), sms(OTHER)), Receipt)


def test_a_modem_that_cannot_tell_its_signal_is_used_again(
    modem: SimulatedModem,
) -> None:
    modem.answer("+CSQ", "+CME ERROR: 4")
    with opened(modem.port, timing=replace(FAST, listen=60.0)) as driver:
        modem.lose_answer(True)
        lost(ready(driver), sms(SILENT_HANDSET))
    assert modem.commands["+CSQ"] < 10


def test_a_modem_that_hardly_tells_its_storage_is_used(modem: SimulatedModem) -> None:
    modem.answer("+CPMS?", '+CPMS: "SM"', "OK")
    with opened(modem.port) as driver:
        send(ready(driver), sms())


def test_a_refused_message_swallows_no_report(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        modem.refuse(42)
        with pytest.raises(Unavailable):
            send(driver, sms(text="x" * 200))
        report = status_report(77, NUMBER, 0)
        modem.say(f"+CDS: {len(report) - 1}\r\n{report.hex().upper()}")
        assert news.first(StatusReport).reference == 77


@pytest.mark.parametrize("national", [True, False])
def test_a_report_gives_the_first_answer_to_the_older_message(eager: SimulatedModem, *, national: bool) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(eager.port, news, PATIENT) as driver:
        ready(driver)
        eager.network_s = 1.5
        lost(driver, older)
        future = driver.send(sms(OTHER))
        until(lambda: eager.accepted, "the older one is out", BOUND_S)
        report = status_report(0, "0" + SILENT_HANDSET[2:] if national else SILENT_HANDSET, 0)
        eager.say(f"+CDS: {len(report) - 1}\r\n{report.hex().upper()}")
        with pytest.raises(Uncertain, match="no answer"):
            future.result(BOUND_S)
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((0,)))


@pytest.fixture
def glued(tmp_path: Path) -> Iterator[SimulatedModem]:
    modem = SimulatedModem(tmp_path / "modem", network_s=0.05, report_s=60.0, dialect=Dialect(multitasking=True))
    with modem:
        yield modem


def test_two_answers_in_one_read_go_to_their_messages(glued: SimulatedModem) -> None:
    news, older = News(), sms()
    with opened(glued.port, news, PATIENT) as driver:
        owed(driver, glued, older, 1.5)
        future = driver.send(sms(OTHER))
        until(lambda: glued.commands["+CMGS"] == 2 and glued.sending == 2, "it is on the wire", BOUND_S)
        glued.gather(True)
        until(lambda: len(glued.accepted) == 2 and not glued.sending, "both are answered", BOUND_S)
        glued.gather(False)
        assert future.result(BOUND_S) == Receipt((1,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((0,)))


def test_a_prompt_in_one_read_with_an_older_answer_is_seen(glued: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(glued.port, news, replace(PATIENT, prompt=3.0, health=60.0)) as driver:  # no chore meets the silence
        owed(driver, glued, older, 2.0)
        glued.gather(True)
        glued.delay_prompt(1.2)
        future = driver.send(sms(OTHER))
        until(lambda: b">" in glued.gathered and b"+CMGS" in glued.gathered, "the answer and the prompt", BOUND_S)
        glued.gather(False)
        assert future.result(BOUND_S) == Receipt((1,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((0,)))


def test_an_answer_just_before_a_restart_counts(glued: SimulatedModem) -> None:
    with opened(glued.port) as driver:
        glued.network_s = 0.3
        future = ready(driver).send(sms())
        until(lambda: glued.sending, "it is on the wire", BOUND_S)
        glued.gather(True)
        until(lambda: glued.accepted and not glued.sending, "it is answered", BOUND_S)
        glued.say("RDY")
        glued.gather(False)
        assert future.result(BOUND_S) == Receipt((0,))


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(eager: SimulatedModem) -> None:
    news = News()
    with opened(eager.port, news, replace(PATIENT, listen=1.5)) as driver:
        eager.lose_answer(True)
        lost(ready(driver), sms(SILENT_HANDSET))
        time.sleep(1.0)  # it cannot come any more
        eager.refuse(42)
        with pytest.raises(Unavailable, match="congestion"):
            send(driver, sms(OTHER))
        eager.say("+CMGS: 0")
        send(ready(driver), sms())
    assert not any(isinstance(event, LateAnswer) for event in news.events)


def test_a_modem_that_is_busy_with_an_older_message_is_not_taken_for_stuck(eager: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(eager.port, news, PATIENT) as driver:
        owed(driver, eager, older, 2.8)
        for _ in range(3):
            eager.delay_prompt(None)
            with pytest.raises(Unavailable, match="no prompt"):
                send(ready(driver), sms())
        assert news.first(LateAnswer).sms is older
        send(ready(driver), sms())
    assert eager.commands["+CFUN"] == 0


def second_of_three_parts(modem: SimulatedModem, driver: Driver) -> Future[Receipt]:
    """A message whose first part is sent, and whose second is offered but has no prompt yet."""
    modem.delay_prompt(0.0)
    modem.delay_prompt(0.2)
    future = ready(driver).send(sms(text="x" * 400))
    until(lambda: modem.commands["+CMGS"] == 2, "the second part is offered", BOUND_S)
    return future


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


def test_closing_lets_the_message_on_the_wire_finish(modem: SimulatedModem) -> None:
    modem.network_s = 0.5
    with opened(modem.port) as driver:
        future = ready(driver).send(sms())
        until(lambda: modem.sending, "it is on the wire", BOUND_S)
        driver.close()
        assert future.result(0) == Receipt((0,))


def test_closing_in_a_doubt_lets_go_of_the_port(eager: SimulatedModem) -> None:
    with opened(eager.port, timing=replace(PATIENT, answer=0.8, listen=60.0)) as driver:
        eager.network_s = 1.2
        lost(ready(driver), sms(SILENT_HANDSET))
        eager.network_s = 60
        future = driver.send(sms(SILENT_HANDSET))
        until(lambda: eager.accepted, "the older one's answer", BOUND_S)
        driver.close()
        assert isinstance(future.exception(0), Uncertain)
        assert not [thread for thread in threading.enumerate() if thread.name == "modem-sim1"]
        driver.open(News())
        ready(driver)


# --- faults ----------------------------------------------------------------------------------------------------


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
        until(lambda: modem.commands["+CMGS"], "the command")
        time.sleep(0.1)  # the body and Ctrl-Z go out
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
        in_state(driver, DeviceState.WAITING)  # so all of it was heard: an ERROR within a command is the command's
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
    os.set_blocking(slave, False)
    for size in (4096, 64, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(slave, b"x" * size)  # nobody reads them
        time.sleep(0.05)  # the kernel moves them on
    try:
        with opened(os.ttyname(slave), timing=replace(FAST, cures_an_hour=0)) as driver:
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
            time.sleep(0.01)
        modem.reboot()
        modem.accepted.clear()
        until(lambda: ready(driver).send(sms(text="at last")).exception(BOUND_S) is None, "it sends", BOUND_S)
    assert (NUMBER, "at last") in modem.accepted


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


# --- the SIM's PIN ---------------------------------------------------------------------------------------------


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


def test_nothing_of_a_message_shows_in_an_error_or_a_repr(modem: SimulatedModem) -> None:
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    news = News()
    with opened(modem.port, news) as driver:
        ready(driver)
        for ending in ("80", "81", "82", "89"):
            message = sms(f"4477009001{ending}", "secret 98765")
            exception = driver.send(message).exception(BOUND_S)
            told.put(f"{exception!r} {message!r} {driver.status()!r}")
            ready(driver)
    lines = [told.get() for _ in range(told.qsize())] + [
        repr(e) for e in news.events if not isinstance(e, StateChanged)
    ]
    assert not any("98765" in line or "4477009001" in line for line in lines)


# --- recovery --------------------------------------------------------------------------------------------------

SOON = replace(FAST, alive=0.1, alive_tries=2, cure=(0.3, 0.3), retry=(0.05,))


def test_a_modem_that_hears_but_says_nothing_is_restarted(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=SOON) as driver:
        ready(driver)
        modem.hang(True, resettable=True)
        in_state(driver, DeviceState.ABSENT)
        send(ready(driver), sms())


def test_a_modem_that_hears_nothing_gets_its_power_cut_by_the_operators_command(
    modem: SimulatedModem, tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    command = f"""sh -c 'echo "$PINWHEEL_MODEM $PINWHEEL_IMEI" > {cut}'"""
    with opened(modem.port, timing=SOON, power_cycle=command) as driver:
        ready(driver)
        modem.hang(True)
        until(cut.exists, "the power is cut", BOUND_S)
        modem.hang(False)
        modem.reboot()
        send(ready(driver), sms())
    assert cut.read_text() == "sim1 356938035643809\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "power_cycle ended with exit status 1"),
        ("sh -c 'kill -9 $$'", "power_cycle was killed by SIGKILL"),
        ("/no/such/program", "cannot run power_cycle: "),
        ("unfinished 'quote", "cannot run power_cycle: "),
    ],
)
def test_a_power_cycle_that_fails_does_no_harm(
    modem: SimulatedModem, caplog: pytest.LogCaptureFixture, command: str, said: str
) -> None:
    with opened(modem.port, timing=SOON, power_cycle=command) as driver:
        ready(driver)
        modem.hang(True)
        in_state(driver, DeviceState.ABSENT)
        until(lambda: said in caplog.text, "the failure is in the log", BOUND_S)
        modem.hang(False)
        send(ready(driver), sms())


@pytest.mark.parametrize("echo", [True, False])
def test_a_restart_without_a_banner_is_noticed_while_nothing_is_sent(modem: SimulatedModem, *, echo: bool) -> None:
    news = News()
    with opened(modem.port, news, replace(FAST, health=0.1)) as driver:
        ready(driver)
        modem.reboot(banner=False, echo=echo)
        until(lambda: modem.commands["+CNMI"] == 2, "it is set up again", BOUND_S)
        send(ready(driver), sms())
        news.first(StatusReport)


def test_no_message_goes_out_by_a_modem_that_was_not_set_up_again(modem: SimulatedModem) -> None:
    news = News()
    with opened(modem.port, news, replace(FAST, health=60)) as driver:
        ready(driver)
        modem.reboot(banner=False)
        with pytest.raises(Unavailable):
            send(driver, sms())
        send(ready(driver), sms())
        news.first(StatusReport)
    assert len(modem.accepted) == 1


def test_flight_mode_is_left_again(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=replace(FAST, health=0.1)) as driver:
        ready(driver)
        modem.fly()
        until(lambda: modem.commands["+CFUN"], "it is woken", BOUND_S)
        send(ready(driver), sms())


def test_a_modem_whose_settings_always_differ_is_used_all_the_same(
    modem: SimulatedModem,
) -> None:
    for place in range(200):
        modem.answer("+CNMI?", f"+CNMI: {place / 7}", "OK", times=1)
    with opened(modem.port, timing=replace(FAST, health=0.05)) as driver:
        until(lambda: modem.commands["+CNMI?"] > 12, "it is asked often", BOUND_S)
        for _ in range(5):
            send(ready(driver), sms())
    assert modem.commands["+CNMI"] <= 1 + SIGNS_AN_HOUR


@pytest.mark.parametrize(
    "profile", [Dialect(flight=True), Dialect(verbose=False)], ids=["flight mode", "results in digits"]
)
def test_a_modem_with_an_odd_profile_is_brought_to_work(tmp_path: Path, profile: Dialect) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=0.05, dialect=profile) as modem, opened(modem.port) as driver:
        send(ready(driver), sms())


def test_a_sim_that_is_locked_again_is_unlocked_after_the_first_message_that_fails(tmp_path: Path) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_text("1234\n")
    timing = replace(FAST, health=60)
    with (
        SimulatedModem(tmp_path / "modem", network_s=0.05, pin="1234") as modem,
        opened(modem.port, timing=timing, pin_file=str(pin_file)) as driver,
    ):
        ready(driver)
        modem.reboot(banner=False)
        with pytest.raises(Unavailable):
            send(driver, sms())
        until(lambda: modem.commands["+CPIN"] == 2, "the PIN is entered again", BOUND_S)
        send(ready(driver), sms())
    assert len(modem.accepted) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_mid_message_leaves_nobody_waiting(modem: SimulatedModem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdu, "encode_submit", lambda *_: 1 / 0)
    with opened(modem.port) as driver:
        with pytest.raises(Unavailable):
            send(ready(driver), sms())
        in_state(driver, DeviceState.FAILED)


@pytest.mark.parametrize("question", ["+CSQ", "+COPS?", "+CREG?", "+CNMI?", "+CPMS?", "+CPIN?", "+CFUN?"])
def test_a_modem_that_is_slow_with_what_is_not_needed_is_not_restarted(modem: SimulatedModem, question: str) -> None:
    with opened(modem.port, timing=replace(SOON, command=0.2)) as driver:
        ready(driver)
        modem.ignore(question)
        before = modem.commands[question]
        until(lambda: modem.commands[question] >= before + 3, "it is asked again", BOUND_S)
        send(driver, sms())
    assert (modem.commands["+CFUN"], modem.commands["+CGSN"]) == (0, 1)


def test_who_searches_for_a_network_is_not_asked_for_its_name(modem: SimulatedModem) -> None:
    modem.register(2)
    with opened(modem.port) as driver:
        in_state(driver, DeviceState.WAITING)
    assert modem.commands["+COPS?"] == 0


def test_a_modem_that_answers_but_fails_again_and_again_is_restarted(modem: SimulatedModem) -> None:
    modem.refuse(300, times=3)
    with opened(modem.port, timing=SOON) as driver:
        for _ in range(3):
            with pytest.raises(Unavailable):
                send(ready(driver), sms())
        until(lambda: modem.commands["+CFUN"] == 1, "the reset", BOUND_S)
        send(ready(driver), sms())


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


@contextmanager
def silent_device(link: Path) -> Iterator[list[bytes]]:
    """A tty that answers nothing, say for diagnostics; what was written to it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    link.symlink_to(os.ttyname(slave))
    heard: list[bytes] = []
    try:
        yield heard
    finally:
        with suppress(BlockingIOError):
            while True:
                heard.append(os.read(master, 4096))
        os.close(master)
        os.close(slave)


def test_nothing_is_done_to_another_device_whose_port_fits_the_pattern(tmp_path: Path) -> None:
    ports, cut = [tmp_path / f"ttyUSB{i}" for i in range(3)], tmp_path / "cut"
    timing = replace(SOON, cure=(0.0,), cures_an_hour=99)
    with (
        silent_device(ports[0]) as first,
        silent_device(ports[1]) as second,
        SimulatedModem(ports[2], network_s=0.05) as modem,
        opened(str(tmp_path / "ttyUSB*"), timing=timing, power_cycle=f"touch {cut}") as driver,
    ):
        send(ready(driver), sms())
        assert not cut.exists()  # it was found before anything was done
        modem.hang(True, resettable=True)
        in_state(driver, DeviceState.ABSENT)
        send(ready(driver), sms())
    for heard in (first, second):
        assert b"AT\r" in b"".join(heard)
        assert b"CFUN" not in b"".join(heard)


def test_a_modem_that_was_never_seen_gets_its_power_cut_at_once(tmp_path: Path) -> None:
    cut, timing = tmp_path / "cut", replace(SOON, cure=(0.0,), cures_an_hour=1)
    pattern = str(tmp_path / "ttyUSB*")
    with silent_device(tmp_path / "ttyUSB0"), opened(pattern, timing=timing, power_cycle=f"touch {cut}"):
        until(cut.exists, "the power is cut", BOUND_S)


class States(News):
    """The reasons that a driver gives for each change of its state."""

    def __init__(self, port: Path, timing: Timing, **options: Any) -> None:
        super().__init__()
        self.driver = Driver("sim1", Options(port=str(port), **options), timing)
        self.reasons: list[str] = []

    def __call__(self, event: SmsEvent) -> Future[bool]:
        self.reasons.append(self.driver.status().detail)
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

    monkeypatch.setattr(cures, "ABSENT_TOO_LONG_S", 0.0)
    monkeypatch.setattr(serial, "Serial", Counted)
    states = States(tmp_path / pattern, replace(SOON, cure=(0.0,), absent=0.01), power_cycle=f"touch {cut}")
    with SimulatedModem(tmp_path / "ttyUSB0") as modem, Counted(modem.port, exclusive=True):
        states.driver.open(states)
        assert all(tries.acquire(timeout=BOUND_S) for _ in range(10))
        states.driver.close()
    assert not cut.exists()
    assert "in use by another program" in states.reasons[0]


def test_the_power_is_cut_for_a_modem_that_is_away_while_another_of_ours_holds_its_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cures, "ABSENT_TOO_LONG_S", 0.2)
    told, port = tmp_path / "told", tmp_path / "ttyUSB0"
    command = f"sh -c 'echo $PINWHEEL_PORT $PINWHEEL_IMEI > {told}.new; mv {told}.new {told}'"
    with SimulatedModem(port, imei="490154203237518"), opened(str(port)) as healthy:
        ready(healthy)
        timing, imei = replace(SOON, absent=0.05), "356938035643809"
        with opened(str(tmp_path / "ttyUSB*"), timing=timing, imei=imei, power_cycle=command) as lost:
            until(told.exists, "its power is cut", BOUND_S)
            assert lost.status().detail in ("", "another [[modem]] of this daemon has the port")
        assert told.read_text().split() == [imei]  # where it was is not known


def test_a_power_cycle_that_fails_leaves_the_reset(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=replace(SOON, cure=(0.05,)), power_cycle="false") as driver:
        ready(driver)
        modem.hang(True, resettable=True)
        until(lambda: modem.commands["+CNMI"] == 2, "it is back", BOUND_S)
        modem.hang(True, resettable=True)
        until(lambda: modem.commands["+CNMI"] == 3, "it is back again", BOUND_S)


def test_a_modem_that_restarts_is_looked_for_where_it_was(tmp_path: Path) -> None:
    with (
        silent_device(tmp_path / "ttyUSB1") as heard,
        SimulatedModem(tmp_path / "ttyUSB0", network_s=0.05) as modem,
        opened(str(tmp_path / "ttyUSB*")) as driver,
    ):
        ready(driver)
        modem.reboot()
        until(lambda: modem.commands["+CNMI"] == 2, "it is set up again", BOUND_S)
        send(ready(driver), sms())
    assert heard == []


def test_another_device_at_the_port_of_the_modem_is_not_reset(tmp_path: Path) -> None:
    port, other = tmp_path / "ttyUSB0", tmp_path / "other"
    timing = replace(SOON, cure=(0.0,), cures_an_hour=99)
    with (
        silent_device(other) as heard,
        opened(str(tmp_path / "ttyUSB*"), timing=timing) as driver,
        SimulatedModem(port) as modem,
    ):
        ready(driver)
        modem.unplug()
        in_state(driver, DeviceState.ABSENT)
        port.symlink_to(other.readlink())
        until(lambda: "does not answer" in driver.status().detail, "it is asked", BOUND_S)
        time.sleep(1.0)  # long enough for many cures
    assert b"AT\r" in b"".join(heard)
    assert b"CFUN" not in b"".join(heard)


def test_a_closed_driver_can_be_opened_again(modem: SimulatedModem) -> None:
    driver = Driver("sim1", Options(port=modem.port), FAST)
    for _ in range(2):
        driver.open(News())
        send(ready(driver), sms())
        driver.close()
        with pytest.raises(Unavailable):
            send(driver, sms())


# --- storage and questions ---------------------------------------------------------------------------------------


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
        time.sleep(0.1)
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


def test_chatter_is_not_an_answer_for_ever(modem: SimulatedModem) -> None:
    with opened(modem.port) as driver:
        ready(driver)
        modem.hang(True)
        future = driver.ask("ATI")
        for _ in range(100):
            modem.noise(b"\r\ntick\r\n")
            time.sleep(0.05)
            if future.done():
                return
    raise AssertionError("it still listens")


def test_a_question_to_an_absent_modem_is_declined(tmp_path: Path) -> None:
    with opened(str(tmp_path / "none")) as driver:
        in_state(driver, DeviceState.ABSENT)
        with pytest.raises(Unavailable, match="no such port"):
            driver.ask("AT").result(BOUND_S)
