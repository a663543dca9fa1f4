"""A message whose answer is late or lost, and the next one, by a modem that takes it meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from drivers import (
    Deferred,
    DeviceState,
    DriverError,
    LateAnswer,
    Receipt,
    Refused,
    Sms,
    StatusReport,
    Unavailable,
    Uncertain,
)
from drivers.serial.driver import Driver
from drivers.serial.mute_or_slow import Patience
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from drivers.simulated.pdus import status_report
from tests.drivers.serial.driving import (
    BOUND_S,
    FAST,
    NUMBER,
    OTHER,
    PATIENT,
    SILENT_HANDSET,
    News,
    opened,
    ready,
    send,
    sms,
)
from tests.gateway import until


def lost(driver: Driver, message: Sms) -> None:
    with pytest.raises(Uncertain, match="no answer"):
        send(driver, message)
    ready(driver)


def owed(driver: Driver, modem: SimulatedModem, message: Sms) -> None:
    """A message that the network keeps until it is no longer stalled."""
    modem.stall(True)
    lost(ready(driver), message)


def send_behind(driver: Driver, modem: SimulatedModem, message: Sms) -> Receipt:
    """The network answers the older ones once this one is on the wire, too."""
    older = modem.sending
    future = driver.send(message)
    until(lambda: modem.sending > older, "it is on the wire", BOUND_S)
    modem.stall(False)
    return future.result(BOUND_S)


def test_a_late_answer_is_not_taken_for_the_next_messages(eager: SimulatedModem) -> None:
    news, older = News(), sms()
    with opened(eager.port, news) as driver:
        owed(driver, eager, older)
        assert send_behind(driver, eager, sms(OTHER)) == Receipt((1,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((0,)))
    assert [number for number, _ in eager.accepted] == [NUMBER, OTHER]


def test_a_late_refusal_is_not_taken_for_the_next_messages(eager: SimulatedModem) -> None:
    eager.refuse(350)
    news, older = News(), sms()
    with opened(eager.port, news) as driver:
        owed(driver, eager, older)
        assert send_behind(driver, eager, sms(OTHER)) == Receipt((1,))
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
        for number, reference in ((OTHER, 3), (SILENT_HANDSET, 4)):  # the second is held up by no other
            started = time.monotonic()
            assert send(driver, sms(number)) == Receipt((reference if accepted else reference - 1,))
            assert time.monotonic() - started < PATIENT.answer  # else it waits for as long as an answer may take
    assert not any(isinstance(event, LateAnswer) for event in news.events)


def of(message: Sms, late: LateAnswer) -> bool:
    return late.sms is message


def test_of_two_messages_in_a_row_without_an_answer_each_gets_its_own(eager: SimulatedModem) -> None:
    """The first one used to be forgotten: its answer was the second one's, and so on."""
    news, messages = News(), [sms(text="the first"), sms(OTHER, "the second"), sms(SILENT_HANDSET, "the third")]
    with opened(eager.port, news) as driver:
        send(ready(driver), sms())  # 0
        for message in messages[:2]:
            owed(driver, eager, message)
        assert send_behind(driver, eager, messages[2]) == Receipt((3,))
        answers = [news.first(LateAnswer, partial(of, each)) for each in messages[:2]]
        assert [late.answer for late in answers] == [Receipt((1,)), Receipt((2,))]


def test_a_slow_network_that_is_slow_again_answers_both_in_order(eager: SimulatedModem) -> None:
    eager.network_s = 1.5
    news, older, newer = News(), sms(SILENT_HANDSET), sms(SILENT_HANDSET)
    with opened(eager.port, news, PATIENT) as driver:
        lost(ready(driver), older)
        with pytest.raises(Uncertain, match="older message"):
            send(driver, newer)
        ready(driver)
        late = [event for event in news.events if isinstance(event, LateAnswer)]
        assert [(event.sms is older, event.answer) for event in late] == [(True, Receipt((0,))), (False, Receipt((1,)))]


@pytest.mark.parametrize("error", [None, 21])
def test_an_answer_that_no_other_follows_proves_nothing(eager: SimulatedModem, error: int | None) -> None:
    news = News()
    with opened(eager.port, news, replace(FAST, listen=2.4)) as driver:
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
    with opened(eager.port, news) as driver:
        for _ in range(2):  # it counts: 0, 1
            send(ready(driver), sms())
        with pytest.raises(Refused):
            send(driver, sms("447700900180"))
        owed(driver, eager, older)
        assert send_behind(driver, eager, sms(OTHER)) == Receipt((4,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((3,)))


@pytest.mark.parametrize("code", [None, 21])
def test_an_older_messages_answer_before_the_prompt_does_not_stop_the_new_one(
    eager: SimulatedModem, code: int | None
) -> None:
    news, older = News(), sms()
    with opened(eager.port, news, replace(FAST, prompt=2.0)) as driver:
        if code is not None:
            eager.refuse(code)
        owed(driver, eager, older)
        eager.delay_prompt(0.5)
        future = driver.send(sms(OTHER))
        until(lambda: eager.commands["+CMGS"] == 2, "it is offered", BOUND_S)
        eager.stall(False)
        assert future.result(BOUND_S) == Receipt((1,))
        late = news.first(LateAnswer)
    assert late.sms is older
    assert isinstance(late.answer, Receipt if code is None else DriverError)


def test_a_modem_that_refuses_the_next_command_says_nothing_of_the_older_message(eager: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(eager.port, news) as driver:
        owed(driver, eager, older)
        eager.delay_prompt(None)
        future = driver.send(sms(OTHER))
        until(lambda: eager.commands["+CMGS"] == 2, "it is offered", BOUND_S)
        eager.say("+CMS ERROR: 500")
        assert type(future.exception(BOUND_S)) is Unavailable  # and the recipient is not held
        eager.stall(False)
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
    hurried = replace(FAST, answer=0.3, listen=60.0, attention=Patience(every=0.3))
    with opened(modem.port, timing=hurried) as driver:
        for _ in range(2):  # its references tell nothing, so it gets no third one
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
    """The older one's answer used to come 0.5 s after its time-out, which a busy machine needed for the next prompt."""
    news, older = News(), sms()
    with opened(glued.port, news, PATIENT) as driver:
        glued.stall(True)
        lost(ready(driver), older)
        future = driver.send(sms(OTHER))
        until(lambda: glued.commands["+CMGS"] == 2 and glued.sending == 2, "it is on the wire", BOUND_S)
        glued.gather(True)
        glued.stall(False)
        until(lambda: len(glued.accepted) == 2 and not glued.sending, "both are answered", BOUND_S)
        glued.gather(False)
        assert future.result(BOUND_S) == Receipt((1,))
        assert news.first(LateAnswer) == LateAnswer(older, Receipt((0,)))


def test_a_prompt_in_one_read_with_an_older_answer_is_seen(glued: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(glued.port, news, replace(FAST, prompt=3.0, health=60.0)) as driver:  # no chore meets the silence
        owed(driver, glued, older)
        glued.gather(True)
        glued.delay_prompt(0.5)
        future = driver.send(sms(OTHER))
        until(lambda: glued.commands["+CMGS"] == 2, "it is offered", BOUND_S)
        glued.stall(False)
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


def test_a_modem_that_is_busy_with_an_older_message_is_not_taken_for_stuck(eager: SimulatedModem) -> None:
    news, older = News(), sms(SILENT_HANDSET)
    with opened(eager.port, news, replace(FAST, prompt=0.2, listen=60.0)) as driver:
        owed(driver, eager, older)
        for _ in range(3):
            eager.delay_prompt(None)
            with pytest.raises(Unavailable, match="no prompt"):
                send(ready(driver), sms())
        eager.stall(False)
        assert news.first(LateAnswer).sms is older
        send(ready(driver), sms())
    assert eager.commands["+CFUN"] == 0


def test_closing_while_an_answer_is_ambiguous_lets_go_of_the_port(eager: SimulatedModem) -> None:
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
