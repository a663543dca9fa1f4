"""A modem that says nothing: mute, restarted, or waiting for a slow network?"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers import StatusReport, Uncertain
from drivers.serial import pdu
from drivers.serial.driver import Driver
from drivers.serial.mute_or_slow import ASKED, PATIENCE, SLOWEST_ANSWER_S, Attention, Meanwhile, Patience
from drivers.serial.timing import Timing
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, FAST, OTHER, News, opened, ready, send, sms
from tests.gateway import until

SLOWEST_NETWORK_S = 170.0  # a modem that answers nothing meanwhile is not reset before: the network may be slow

# --- what is known of a modem -------------------------------------------------------------------------------------


def waited(one: Attention, until_s: float, *, answers: bool = False) -> float | None:
    """One message of which the network says nothing for so long; when the modem counts as mute, if it does."""
    one.begin(0.0)
    while one.due <= until_s:
        now = one.due
        if one.mute(now):
            return now
        one.asked(now)
        if answers:
            one.answered(now)
    return None


def test_a_modem_that_answers_is_known_by_the_first_message() -> None:
    one = Attention(PATIENCE)
    one.begin(0.0)
    assert one.due == PATIENCE.first[0]
    one.asked(PATIENCE.first[0])
    one.answered(PATIENCE.first[0])
    one.over(1.0)
    assert one.meanwhile is Meanwhile.ANSWERS


def test_a_modem_that_answers_the_query_after_the_message_waits_for_the_network() -> None:
    one = Attention(PATIENCE)
    one.begin(0.0)
    one.asked(PATIENCE.first[0])
    one.over(1.0)
    assert one.meanwhile is Meanwhile.WAITS


@pytest.mark.parametrize(("after_s", "sure"), [(1.0, False), (SLOWEST_ANSWER_S, True)])
def test_a_modem_answers_in_order_for_sure_if_it_had_time_for_the_query(after_s: float, sure: bool) -> None:
    one = Attention(PATIENCE)
    one.begin(0.0)
    one.asked(0.5)
    one.over(0.5 + after_s)
    assert one.in_order == sure
    one.begin(10.0)
    one.answered(11.0)
    assert not one.in_order


def test_a_network_that_is_quicker_than_the_query_tells_nothing() -> None:
    one = Attention(PATIENCE)
    one.begin(0.0)
    one.over(1.0)
    assert one.meanwhile is Meanwhile.UNKNOWN


def test_a_modem_whose_answer_to_a_message_was_lost_is_not_taken_for_one_that_answers_meanwhile() -> None:
    """Such a modem used to be reset by the next slow network. It answers the query since it has nothing to do."""
    one = Attention(PATIENCE)
    one.begin(0.0)
    one.asked(PATIENCE.first[0])
    one.answered(1.0)
    assert one.mute(1000.0) is False
    assert one.meanwhile is Meanwhile.UNKNOWN
    assert (waited(one, 1000.0) or 0) > SLOWEST_NETWORK_S


def test_a_modem_that_answered_since_ctrl_z_and_then_falls_silent_is_mute() -> None:
    one = Attention(PATIENCE)
    one.begin(0.0)
    one.answered(1.0)
    for _ in range(ASKED):
        one.asked(1.0)
    assert not one.mute(PATIENCE.mute)
    assert one.mute(1.0 + PATIENCE.mute)


def test_several_unanswered_queries_make_a_modem_mute() -> None:
    one, unknown, waiting = (Attention(PATIENCE) for _ in range(3))
    one.meanwhile, waiting.meanwhile = Meanwhile.ANSWERS, Meanwhile.WAITS
    assert PATIENCE.mute <= (waited(one, 100) or 0) <= PATIENCE.mute + PATIENCE.every
    for one in (unknown, waiting):
        assert PATIENCE.never_answered <= (waited(one, 1000) or 0) <= PATIENCE.never_answered + PATIENCE.every
    assert SLOWEST_NETWORK_S < PATIENCE.never_answered < Timing().listen
    assert ASKED * PATIENCE.every <= PATIENCE.mute


@pytest.mark.parametrize("known", Meanwhile)
def test_a_slow_network_never_makes_a_modem_mute_that_answers(known: Meanwhile) -> None:
    one = Attention(PATIENCE)
    one.meanwhile = known
    assert waited(one, 1000, answers=True) is None


# --- on the wire -------------------------------------------------------------------------------------------------

ANSWERING = Dialect(meanwhile=True)
TIMING = replace(
    FAST,
    alive=0.1,
    alive_tries=2,
    probe=0.2,
    answer=3.0,
    listen=8.0,
    pulse=0.2,
    health=60.0,
    recovery=(0.3, 0.3),
    attention=Patience((0.1, 0.15, 0.4), 0.15, 0.8, 6.0),
)


@contextmanager
def working(
    tmp_path: Path, dialect: Dialect, news: News | None = None, timing: Timing = TIMING, **options: Any
) -> Iterator[tuple[SimulatedModem, Driver]]:
    """A modem by which a message has been sent."""
    with (
        SimulatedModem(tmp_path / "modem", network_s=0.3, report_s=0.02, dialect=dialect) as modem,
        opened(modem.port, news, timing, **options) as driver,
    ):
        send(ready(driver), sms())
        yield modem, driver


def test_a_modem_that_falls_mute_while_the_network_has_a_message_gets_its_power_cut_soon(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    with working(tmp_path, ANSWERING, power_cycle=f"touch {cut}") as (modem, driver):
        future = driver.send(sms(OTHER))
        until(lambda: modem.sending, "it is on the wire", BOUND_S)
        modem.hang(True)
        with pytest.raises(Uncertain):
            future.result(2.5)  # before it would have been uncertain for want of the network's answer
        until(cut.exists, "the power is cut", BOUND_S)
        modem.hang(False)
        modem.reboot()
        send(ready(driver), sms())


@pytest.mark.parametrize("dialect", [ANSWERING, Dialect()], ids=["answers", "waits"])
@pytest.mark.parametrize("slow_s", [2.0, 4.5])
def test_a_slow_network_is_no_mute_modem(tmp_path: Path, dialect: Dialect, slow_s: float) -> None:
    cut = tmp_path / "cut"
    with working(tmp_path, dialect, power_cycle=f"touch {cut}") as (modem, driver):
        modem.network_s = slow_s
        future = driver.send(sms(OTHER))
        until(lambda: len(modem.accepted) == 2, "the network takes it", BOUND_S)
        modem.network_s = 0.05
        assert isinstance(future.exception(BOUND_S), Uncertain | None)
        send(ready(driver), sms())
    assert modem.commands["+CFUN"] == 0
    assert not cut.exists()


@pytest.mark.parametrize("dialect", [ANSWERING, Dialect()], ids=["answers", "waits"])
def test_a_restart_without_a_banner_is_noticed_while_the_network_has_a_message(
    tmp_path: Path, dialect: Dialect
) -> None:
    with working(tmp_path, dialect) as (modem, driver):
        modem.network_s = 2.0  # it must not answer before the restart
        future = driver.send(sms(OTHER))
        until(lambda: modem.sending, "it is on the wire", BOUND_S)
        modem.reboot(banner=False, echo=False)
        modem.network_s = 0.05
        with pytest.raises(Uncertain, match="restarted"):
            future.result(2.5)
        until(lambda: modem.commands["+CNMI"] == 2, "it is set up again", BOUND_S)
        send(ready(driver), sms())


def test_a_mute_modem_and_a_restart_are_noticed_while_nothing_is_sent(tmp_path: Path) -> None:
    cut, news = tmp_path / "cut", News()
    with working(tmp_path, Dialect(), news, power_cycle=f"touch {cut}") as (modem, driver):
        modem.reboot(banner=False, echo=False)
        until(lambda: modem.commands["+CNMI"] == 2, "it is set up again", 5)
        send(ready(driver), sms(OTHER))
        news.first(StatusReport, lambda report: report.number == OTHER)
        modem.hang(True)
        until(cut.exists, "the power is cut", 5)


# A daemon that was killed used to find such a modem silent, and to restart it in the middle of the message.
def test_a_modem_that_is_busy_with_the_message_of_a_killed_daemon_is_not_reset(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=3.0) as modem:
        with serial.Serial(modem.port) as killed:
            (part,) = pdu.encode_submit(sms(), 0)
            killed.write(f"AT+CMGS={part.length}\r".encode())
            until(lambda: modem.prompted, "the prompt", BOUND_S)
            killed.write(part.hex.encode() + b"\x1a")
            until(lambda: modem.sending, "it is on the wire", BOUND_S)
        with opened(modem.port, timing=replace(TIMING, recovery=(0.0,))) as driver:
            assert ready(driver) is driver
    assert modem.commands["+CFUN"] == 0
