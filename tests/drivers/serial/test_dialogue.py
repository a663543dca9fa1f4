"""Which command an answer belongs to, with slow modems, late answers and prompts, on a pseudo-terminal."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from drivers import Deferred, DeviceState, DriverError, Receipt, Unavailable, Uncertain
from drivers.serial.timing import Timing
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, FAST, OTHER, in_state, opened, ready, send, sms
from tests.gateway import until

IMEI = "356938035643809"
HURRIED = replace(FAST, alive=0.1, probe=0.35, command=0.6, prompt=0.5, setup=30.0)


def spoken(
    tmp_path: Path, timing: Timing, dialect: Dialect, script: Callable[[SimulatedModem], None] = lambda _: None
) -> SimulatedModem:
    """The modem, after two messages; each answer went to its own command."""
    with SimulatedModem(tmp_path / "modem", network_s=0.02, dialect=dialect) as modem:
        script(modem)
        with opened(modem.port, timing=timing) as driver:
            assert [send(ready(driver), sms(to)) for to in ("447700900123", OTHER)] == [Receipt((0,)), Receipt((1,))]
            status = driver.status()
    assert (status.model, status.imei, status.imsi) == ("simulated modem", IMEI, "234150999999999")
    assert [number for number, _ in modem.accepted] == ["447700900123", OTHER]
    return modem


# There used to be no step back into step: the late OK of the first AT ended the second one, and every answer after it
# was taken for that of the next command. The IMEI was "7600", out of the model's name.
@pytest.mark.parametrize("first_s", [0.15, 0.25, 0.45])
def test_an_answer_that_comes_after_the_time_out_is_not_the_next_commands(tmp_path: Path, first_s: float) -> None:
    spoken(tmp_path, HURRIED, Dialect(first_s=first_s, command_s=0.03))


@pytest.mark.parametrize("command_s", [0.15])
def test_a_slow_modem_is_used_at_its_own_pace(tmp_path: Path, command_s: float) -> None:
    spoken(tmp_path, HURRIED, Dialect(command_s=command_s))


@pytest.mark.parametrize("unknown", [{"+CMEE?"}, {"+CMEE?", "+CMGF?"}, {"+CMEE?", "+CMGF?", "+CSQ"}])
def test_a_modem_that_knows_few_queries_is_in_step_all_the_same(tmp_path: Path, unknown: set[str]) -> None:
    spoken(tmp_path, HURRIED, Dialect(first_s=0.25, unknown=frozenset(unknown)))


@pytest.mark.parametrize("query", ["+CGMM", "+CGSN", "+CREG=1", "+CPIN?", "+CNMI?", "+COPS?"])
def test_one_late_answer_in_the_middle_shifts_no_other(tmp_path: Path, query: str) -> None:
    spoken(tmp_path, HURRIED, Dialect(late=((query.partition("=")[0], HURRIED.command + 0.1),)))


@pytest.mark.parametrize("seed", range(3))
def test_whichever_answers_are_late_each_goes_to_its_own_command(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    commands = ("", "E", "+CMEE", "+CMEE?", "+CMGF?", "+CSQ", "+CGMM", "+CGSN", "+CIMI", "+CNMI", "+CREG?", "+CMMS")
    late = tuple((command, rng.uniform(0.05, 1.0)) for command in rng.sample(commands, 4))
    spoken(tmp_path, HURRIED, Dialect(command_s=0.01, late=late))


def test_an_ok_too_many_shifts_no_answer(tmp_path: Path) -> None:
    spoken(tmp_path, HURRIED, Dialect(), lambda modem: modem.answer("+CGSN", "OK", IMEI, "OK", times=1))


# Each probe used to be ESC AT CR, which ofono's phonesim takes for an unknown command, and is mute from then on.
def test_no_command_begins_with_escape(tmp_path: Path) -> None:
    spoken(tmp_path, HURRIED, Dialect(muted_by_escape=True, first_s=0.15))


def test_a_prompt_at_which_a_killed_daemon_left_the_modem_is_left(tmp_path: Path) -> None:
    with SimulatedModem(tmp_path / "modem", network_s=0.02) as modem:
        with serial.Serial(modem.port) as killed:
            killed.write(b"AT+CMGS=20\r")
            until(lambda: modem.prompted, "the prompt", BOUND_S)
        with opened(modem.port, timing=HURRIED) as driver:
            assert send(ready(driver), sms()) == Receipt((0,))


def test_ok_instead_of_a_prompt_again_and_again_is_the_modems_own_failure(tmp_path: Path) -> None:
    with (
        SimulatedModem(tmp_path / "modem") as modem,
        opened(modem.port, timing=replace(HURRIED, recovery=(0.1,))) as driver,
    ):
        modem.answer("+CMGS", "OK")
        for _ in range(3):
            with pytest.raises(Unavailable, match="OK instead of a prompt"):
                send(ready(driver), sms())
        in_state(driver, DeviceState.STARTING)


# Each message used to be given up after the same few seconds, and such a modem restarted for ever.
def test_a_modem_whose_prompts_always_come_late_is_given_longer(tmp_path: Path) -> None:
    dialect = Dialect(prompt_s=1.5 * HURRIED.prompt)
    with (
        SimulatedModem(tmp_path / "modem", network_s=0.02, dialect=dialect) as modem,
        opened(modem.port, timing=HURRIED) as driver,
    ):
        with pytest.raises(Unavailable, match="no prompt"):
            send(ready(driver), sms())
        assert [send(ready(driver), sms()) for _ in range(2)] == [Receipt((0,)), Receipt((1,))]


# --- what follows Ctrl-Z -----------------------------------------------------------------------------------------


# A modem that says OK before +CMGS used to have each message uncertain, and each second OK ended the next command.
@pytest.mark.parametrize("sent", [("OK", "+CMGS: {mr}"), ("OK", "+CMGS: {mr}", "OK")])
def test_ok_may_come_before_the_reference(tmp_path: Path, sent: tuple[str, ...]) -> None:
    modem = spoken(tmp_path, HURRIED, Dialect(sent=sent))
    assert modem.commands["+CMGS"] == 2


# A message whose reference came without the OK behind it used to be uncertain, so that it was sent once more.
def test_the_reference_alone_says_that_the_message_was_sent(tmp_path: Path) -> None:
    spoken(tmp_path, replace(HURRIED, answer=5.0), Dialect(sent=("+CMGS: {mr}",)))


@pytest.mark.parametrize(("known", "kind"), [(False, Uncertain), (True, Unavailable)])
def test_a_bare_error_after_the_body_is_uncertain_unless_the_modem_tells_the_networks_errors(
    tmp_path: Path, *, known: bool, kind: type[DriverError]
) -> None:
    with (
        SimulatedModem(tmp_path / "modem", network_s=0.02) as modem,
        opened(modem.port, timing=HURRIED) as driver,
    ):
        ready(driver)
        if known:
            modem.refuse(42)
            with pytest.raises(Deferred):
                send(driver, sms(OTHER))
        modem.refuse(0, kind="ERROR")
        assert type(ready(driver).send(sms()).exception(BOUND_S)) is kind
        send(ready(driver), sms(OTHER))
