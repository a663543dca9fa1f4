"""What a modem is asked, and how its answers are read: the modem and the clock in the hand."""

import re
from collections.abc import Sequence
from dataclasses import astuple

import pytest

from drivers import Reason
from drivers.serial.modem import MOST_SHOWN, READ_ONLY, TRIES_LEFT, Identity, Modem
from drivers.serial.procedure import PinRead
from drivers.serial.session_ends import Blocked
from drivers.serial.timing import Timing
from tests.drivers.serial.hand import Answers, Hand

TIMING = Timing()
MARKS: dict[str, Sequence[Answers]] = {"AT+CMEE?": [["+CMEE: 1", "OK"]], "AT+CMGF?": [["+CMGF: 0", "OK"]]}


def met(**answers: Sequence[Answers]) -> tuple[Hand, Modem]:
    """answers: to AT+name."""
    return Hand(MARKS | {f"AT+{name}": each for name, each in answers.items()}), Modem(TIMING)


# --- who it is ---------------------------------------------------------------------------------------------------


def test_a_modem_is_known_by_its_model_and_imei_with_or_without_their_names() -> None:
    hand, modem = met(CGMM=[['+CGMM: "A modem"', "OK"]], CGSN=[["+CGSN: 35693803564380901", "OK"]])
    assert hand.run(modem.identify()) == Identity("A modem", "35693803564380901")
    hand, modem = met(CGMM=[["ERROR"]], CGSN=[["no number", "OK"]], CIMI=[["234150999999999", "OK"]])
    assert astuple(hand.run(modem.identify())) == ("", "", "")
    assert hand.run(modem.imsi()) == "234150999999999"


def test_a_name_loses_its_quotes_and_no_letter() -> None:
    hand, modem = met(CGMM=[['"XMM7360X"', "OK"]])
    assert hand.run(modem.identify()).model == "XMM7360X"


@pytest.mark.parametrize(
    ("said", "seen"),
    [("A" * 4000, "A" * MOST_SHOWN), ("Ac\x9b2Jme\x85", "Ac2Jme"), ("\x80" * 4000 + "x", ""), ("\xd8re", "\xd8re")],
)
def test_a_name_is_short_and_has_nothing_that_steers_a_terminal(said: str, seen: str) -> None:
    """There used to be models and operators of 4,096 characters in every status."""
    hand, modem = met(CGMM=[[said, "OK"]], CGSN=[[f"IMEI{'9' * 4000}", "OK"]])
    assert hand.run(modem.identify()) == Identity(seen, "9" * 17)


def test_the_name_of_a_network_is_short() -> None:
    hand, modem = met(**{"COPS?": [[f'+COPS: 0,0,"{"A" * 4000}"', "OK"]]})
    assert hand.run(modem.operator()) == "A" * MOST_SHOWN


def test_who_it_is_is_asked_once_more_where_no_answer_came_in_time() -> None:
    hand, modem = met(CIMI=[[], ["234150999999999", "OK"]])
    assert hand.run(modem.imsi()) == "234150999999999"
    hand, modem = met(CIMI=[["ERROR"]])
    assert hand.run(modem.imsi()) == ""
    assert hand.wrote == ["AT+CIMI"]


@pytest.mark.parametrize(
    ("answer", "takes"),
    [("OK", True), ("ERROR", False)]
    + [(f"+CME ERROR: {code}", 10 <= code <= 18) for code in (9, 10, 18, 19)]
    + [(f"+CMS ERROR: {code}", 310 <= code <= 318) for code in (309, 310, 318, 319)],
)
def test_a_port_that_takes_messages_says_so_also_without_a_sim(answer: str, *, takes: bool) -> None:
    hand, modem = met(**{"CMGS=?": [[answer]]})
    assert hand.run(modem.takes_messages()) is takes


@pytest.mark.parametrize(("answer", "asleep"), [("+CFUN: 4,0", True), ("+CFUN: 0", True), ("+CFUN: 1", False)])
def test_flight_mode_is_seen_and_left(answer: str, *, asleep: bool) -> None:
    hand, modem = met(**{"CFUN?": [[answer, "OK"]]})
    assert hand.run(modem.is_asleep()) is asleep
    assert hand.run(modem.wake()).ok
    assert hand.wrote == ["AT+CFUN?", "AT+CFUN=1"]


# --- the SIM -----------------------------------------------------------------------------------------------------


def test_a_sim_that_is_busy_is_asked_every_second_for_a_minute() -> None:
    hand, modem = met(**{"CPIN?": [["+CME ERROR: 14"], ["+CPIN: NOT READY", "OK"], ["+CPIN: READY", "OK"]]})
    hand.run(modem.unlock(has_pin=False))
    assert hand.now == 102.0
    hand, modem = met(**{"CPIN?": [["+CME ERROR: 14"]]})
    hand.run(modem.unlock(has_pin=False))  # whatever it is, messages are tried
    assert hand.now == 160.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("+CME ERROR: 10", Reason.NO_SIM),
        ("+CMS ERROR: 310", Reason.NO_SIM),
        ("+CPIN: NOT INSERTED", Reason.NO_SIM),
        ("+CPIN: SIM REMOVED", Reason.NO_SIM),
        ("+CPIN: SIM PUK", Reason.SIM_PUK),
        ("+CPIN: PH-SIM PIN", Reason.SIM_PIN),
        ("+CPIN: SIM PIN", Reason.SIM_PIN),
    ],
)
def test_what_only_a_person_can_unlock_blocks(answer: str, reason: Reason) -> None:
    hand, modem = met(**{"CPIN?": [[answer, "OK"]]})
    with pytest.raises(Blocked) as blocked:
        hand.run(modem.unlock(has_pin=False))
    assert blocked.value.reason is reason


def test_without_a_pin_file_the_operator_is_told_to_set_it_and_no_try_is_asked_for() -> None:
    hand, modem = met(**{"CPIN?": [ASKS]})
    with pytest.raises(Blocked, match="set pin_file"):
        hand.run(modem.unlock(has_pin=False))
    assert hand.wrote == ["AT+CPIN?"]


ASKS = ["+CPIN: SIM PIN", "OK"]


def entering(hand: Hand, modem: Modem) -> str:
    """Why the PIN did not help."""
    with pytest.raises(Blocked) as blocked:
        hand.run(modem.unlock(has_pin=True))
    assert blocked.value.reason is Reason.SIM_PIN
    return str(blocked.value)


def test_the_pin_is_entered_once_where_all_tries_are_left() -> None:
    left: Sequence[Answers] = [['+CPINR: "SIM PIN",3,3', "OK"]]
    hand, modem = met(**{"CPIN?": [ASKS, ["+CPIN: READY", "OK"]], 'CPINR="SIM PIN"': left})
    hand.run(modem.unlock(has_pin=True))
    assert hand.wrote.count('AT+CPIN="1234"') == 1
    hand, modem = met(**{"CPIN?": [ASKS], 'CPINR="SIM PIN"': left})
    assert "still locked" in entering(hand, modem)
    hand, modem = met(**{"CPIN?": [ASKS], 'CPINR="SIM PIN"': left, 'CPIN="1234"': [["+CME ERROR: 16"]]})
    assert "refuses the PIN" in entering(hand, modem)


def test_the_pin_is_not_entered_where_it_might_lock_the_sim() -> None:
    hand, modem = met(
        **{
            "CPIN?": [ASKS],
            'CPINR="SIM PIN"': [['+CPINR: "SIM PIN"', "OK"]],
            'QPINC="SC"': [['+QPINC: "SC",2,10', "OK"]],
        }
    )
    assert "2 tries left" in entering(hand, modem)
    hand, modem = met(**{"CPIN?": [ASKS]})
    assert "does not say how many tries" in entering(hand, modem)
    hand, modem = met(**{"CPIN?": [ASKS], 'CPINR="SIM PIN"': [['+CPINR: "SIM PIN",3,3', "OK"]]})
    hand.pin = PinRead(fault="/etc/pin does not hold a PIN")
    assert entering(hand, modem) == "cannot use pin_file: /etc/pin does not hold a PIN"
    assert not any("CPIN=" in command for command in hand.wrote)


@pytest.mark.parametrize("state", ["READY", "SIM PIN2", "SIM PUK2"])
def test_a_sim_whose_second_pin_is_wanted_is_open(state: str) -> None:
    hand, modem = met(**{"CPIN?": [[f"+CPIN: {state}", "OK"]]})
    hand.run(modem.unlock(has_pin=False))


@pytest.mark.parametrize(("command", "answer", "place"), TRIES_LEFT)
def test_the_tries_left_are_asked_for_in_each_makers_words(command: str, answer: str, place: int) -> None:
    said = f"{answer}: {','.join([*['x'] * place, '3', 'x'])}"
    hand, modem = met(**{"CPIN?": [ASKS, ["+CPIN: READY", "OK"]]})
    hand.answers[command] = [[said, "OK"]]
    hand.run(modem.unlock(has_pin=True))
    assert 'AT+CPIN="1234"' in hand.wrote


# --- how it is ---------------------------------------------------------------------------------------------------


def test_a_modem_has_changed_if_its_sim_or_one_of_its_settings_has() -> None:
    hand, modem = met(
        **{"CPIN?": [["+CPIN: READY", "OK"]], "CMEE?": [["+CMEE: 1", "OK"]], "CNMI?": [["+CNMI: 2,1", "OK"]]}
    )
    modem.settings.learn("+CMEE: 1")
    modem.settings.learn("+CNMI: 2,1")
    assert not hand.run(modem.has_changed())
    hand.answers["AT+CNMI?"] = [["+CNMI: 0,0", "OK"]]
    assert hand.run(modem.has_changed())
    for answer in ("+CME ERROR: 10", "+CPIN: SIM PIN"):
        hand, modem = met(**{"CPIN?": [[answer, "OK"]]})
        assert hand.run(modem.has_changed())


def test_what_is_asked_for_operators_may_be_missing() -> None:
    hand, modem = met(
        **{
            "CREG?": [["+CREG: 0,5", "OK"], ["ERROR"]],
            "CSMS?": [["+CSMS: 1,1,1,1", "OK"], ["ERROR"]],
            "CSQ": [["+CSQ: 21,0", "OK"], ["ERROR"]],
            "COPS?": [['+COPS: 0,0,"Acme",7', "OK"], ["+COPS: 0", "OK"]],
        }
    )
    registration = [hand.run(modem.registration("AT+CREG?", "+CREG")) for _ in range(2)]
    assert registration == [5, None]
    assert [hand.run(modem.acknowledges()) for _ in range(2)] == [True, None]
    assert [hand.run(modem.signal_dbm()) for _ in range(2)] == [-71, None]
    assert [hand.run(modem.operator()) for _ in range(2)] == ["Acme", ""]


@pytest.mark.parametrize(
    ("answers", "storages"),
    [
        (['+CPMS: "SM",2,30,"ME",0,99,"MT",5,129', "OK"], (True, "ME", "MT", 5)),
        (['+CPMS: "SM",2,30,"ME",0,99,"MT",5', "OK"], (True, "ME", "MT", 5)),
        (['+CPMS: "SM",2,30', "OK"], (True, "SM", "SM", 2)),
        (['+CPMS: "SM",2,30,"ME",0,99,"MT"', "OK"], (True, "SM", "SM", 2)),
        (['+CPMS: "SM"', "OK"], (True, "", "", None)),
        ([], (True, "", "", None)),
        (["ERROR"], (False, "", "", None)),
    ],
)
def test_storages_are_read_as_far_as_the_modem_tells_them(
    answers: Answers, storages: tuple[bool, str, str, int | None]
) -> None:
    hand, modem = met(**{"CPMS?": [answers]})
    assert astuple(hand.run(modem.storages())) == storages


# --- what an operator may ask --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["AT", "ATI", "AT+CSQ", "AT+CGMI", "AT+CPIN?", "AT+CMGF?", "AT^SMONI"])
def test_an_operator_may_ask_who_a_modem_is_and_how_it_is(command: str) -> None:
    assert command in READ_ONLY


def test_whatever_an_operator_may_ask_sets_nothing_and_lists_no_messages() -> None:
    """A command with a misspelt head could not be asked at all; one with a value would change the modem."""
    question = re.compile(r"ATI?|AT[+^#](?!CMG[LRDW]|CPB|CLIP)[A-Z]+(=?\?)?")
    assert [command for command in READ_ONLY if not question.fullmatch(command)] == []
