"""A modem that fails is set up again, reset, or has its power cut."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import DeviceState, StatusReport, Unavailable
from drivers.figures import Trouble
from drivers.serial import pdu
from drivers.serial.driver import SIGNS_AN_HOUR
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, FAST, SOON, News, in_state, opened, ready, send, sms
from tests.gateway import until


def test_closing_ends_the_command_that_cuts_the_power(modem: SimulatedModem, tmp_path: Path) -> None:
    command = f"sh -c 'touch {tmp_path}/cut; exec sleep 20'"
    with opened(modem.port, timing=SOON, power_cycle=command) as driver:
        ready(driver)
        modem.hang(True)
        until((tmp_path / "cut").exists, "the command runs", BOUND_S)
        driver.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "modem-sim1"]


def test_a_modem_that_hears_but_says_nothing_is_restarted(modem: SimulatedModem) -> None:
    with opened(modem.port, timing=SOON) as driver:
        ready(driver)
        modem.hang(True, resettable=True)
        in_state(driver, DeviceState.ABSENT)
        send(ready(driver), sms())
        counts = driver.status().counts
    assert counts.errors[Trouble.SILENT] > 0 < counts.restarts[Trouble.SILENT]


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
        assert driver.status().counts.power_cycles[Trouble.SILENT] > 0
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
        assert driver.status().counts.restarts[Trouble.ITSELF] > 0


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
    with opened(modem.port, timing=replace(SOON, command=0.2, health=0.1)) as driver:
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


def test_a_power_cycle_that_fails_leaves_the_reset(modem: SimulatedModem, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    command = f"sh -c 'touch {tried}; exit 1'"
    with opened(modem.port, timing=replace(SOON, recovery=(0.05,)), power_cycle=command) as driver:
        ready(driver)
        modem.hang(True, resettable=True)
        until(lambda: modem.commands["+CNMI"] == 2, "it is back", BOUND_S)
        modem.hang(True, resettable=True)
        until(lambda: modem.commands["+CNMI"] == 3, "it is back again", BOUND_S)
    assert tried.exists()
