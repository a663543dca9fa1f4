"""What is left on a SIM is asked of its network, in a pause between messages. Modem and clock are in the hand."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from drivers import Balance
from drivers.serial import at
from drivers.serial.balance_check import QUIET_S, BalanceSchedule
from drivers.serial.chores import PATIENCE_S
from drivers.serial.procedure import Warn
from drivers.simulated.modem import SimulatedModem
from tests.drivers.serial.driving import BOUND_S, opened, ready, sms
from tests.drivers.serial.hand import Answers
from tests.drivers.serial.test_session_chores import ANY, Session
from tests.gateway import until

EVERY_S, AGAIN_S, ANSWER_S = 3600.0, 900.0, 60.0
ASKED = 'AT+CUSD=1,"*100#",15'
CSCS = {"AT+CSCS?": [['+CSCS: "GSM"', "OK"]]}
SAID = '+CUSD: 0,"Your credit is 12.34 EUR",15'


def modem_due(
    answers: Mapping[str, Sequence[Answers]] | None = None, balance: BalanceSchedule | None = None
) -> Session:
    """A modem that is set up, and whose balance is due."""
    session = Session({**CSCS, **(answers or {})}, balance=balance or BalanceSchedule("*100#", EVERY_S))
    session.initialise(ANY)
    session.hand.now += QUIET_S
    return session


def asks(session: Session, *said: str, silent_s: float = 0.0) -> list[str]:
    """The commands of one question. said: by the modem then, if it says something; silent_s: until that."""
    begun = session.does(session.chores.balance.chore)
    for line in said:
        session.chores.balance.take(line)
    session.hand.now += silent_s
    assert session.chores.balance.chore.ready_at(session.hand.now) <= session.hand.now
    return begun + session.does(session.chores.balance.chore)


def warnings(session: Session) -> list[str]:
    return [order.text for order in session.hand.did if isinstance(order, Warn)]


def test_messages_that_waited_for_the_modem_come_before_the_question() -> None:
    """It used to be asked behind the set-up, at once: a slow answer held up the first PIN of each start."""
    session = Session(CSCS, balance=BalanceSchedule("*100#", EVERY_S))
    session.initialise(ANY)
    assert session.chores.balance.chore.ready_at(session.hand.now) == session.hand.now + QUIET_S


def test_what_the_network_says_is_known_and_asked_again_in_time() -> None:
    session = modem_due()
    begun = session.hand.now
    assert asks(session, SAID) == ["AT+CSCS?", ASKED]
    assert session.known["balance"] == Balance(Decimal("12.34"), "EUR", session.hand.now)
    assert session.chores.balance.chore.ready_at(session.hand.now) == begun + EVERY_S
    session.chores.balance.take(SAID)  # nobody has asked now
    assert warnings(session) == []


def test_only_the_first_answer_counts_and_a_late_one_not_at_all() -> None:
    session = modem_due()
    asks(session, SAID, '+CUSD: 0,"Credit 0.01 EUR",15')
    session.hand.now = session.chores.balance.chore.due
    asks(session, silent_s=ANSWER_S)
    session.chores.balance.take('+CUSD: 0,"Credit 0.02 EUR",15')
    session.chores.balance.take("+CUSD: x")
    session.hand.now = session.chores.balance.chore.due
    session.does(session.chores.balance.chore)
    assert not session.chores.balance.chore.under_way
    balance = session.known["balance"]
    assert isinstance(balance, Balance)
    assert balance.amount == Decimal("12.34")


def test_a_modem_with_another_character_set_is_asked_in_it() -> None:
    session = modem_due({"AT+CSCS?": [['+CSCS: "UCS2"', "OK"]]})
    written = "Credit: 5.00".encode("utf-16-be").hex()
    assert asks(session, f'+CUSD: 0,"{written}",72')[1] == 'AT+CUSD=1,"002A0031003000300023",15'
    assert session.known["balance"] == Balance(Decimal("5.00"), "", session.hand.now)
    assert asks(modem_due({"AT+CSCS?": [["ERROR"]]}), SAID)[1] == ASKED


def test_other_lines_are_no_answer_but_those_that_continue_it() -> None:
    session = modem_due()
    assert asks(session, "12.99 EUR", "+CIEV: 1,2", '+CUSD: 0,"Credit:', '7.50 EUR",15')[1:] == [ASKED]
    assert session.known["balance"] == Balance(Decimal("7.50"), "EUR", session.hand.now)


def test_a_menu_is_left_at_once_also_where_it_says_the_amount() -> None:
    session = modem_due()
    assert asks(session, '+CUSD: 1,"Credit 3.20 EUR. 1 Top up 2 Help",15')[1:] == [ASKED, "AT+CUSD=2"]
    assert session.known["balance"] == Balance(Decimal("3.20"), "EUR", session.hand.now)


def test_an_unreadable_line_is_no_answer() -> None:
    session = modem_due()
    session.does(session.chores.balance.chore)
    with pytest.raises(at.Malformed):
        session.chores.balance.take("+CUSD: x")
    session.chores.balance.take(SAID)
    session.does(session.chores.balance.chore)
    assert "balance" in session.known


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("+CUSD: 3", "another program of the modem got the answer"),
        ("+CUSD: 4", "the network does not know the code"),
        ("+CUSD: 5", "the network has not answered"),
        ('+CUSD: 2,"Try again later",15', "no amount is in the answer to *100#: set balance_pattern"),
    ],
)
def test_what_is_no_amount_is_a_remark_that_says_why(said: str, why: str) -> None:
    session = modem_due()
    begun = session.hand.now
    asks(session, said)
    assert warnings(session) == [f"the balance is not known: {why}"]
    assert session.chores.balance.chore.ready_at(session.hand.now) == begun + AGAIN_S
    session.goes_on(session.hand.now + 60)
    assert session.known["remarks"] == (f"the balance is not known: {why}",)


def test_a_network_that_says_nothing_is_left_alone_and_what_was_known_gets_too_old() -> None:
    session = modem_due()
    asks(session, SAID)
    for failures in (1, 2, 3):
        session.hand.now = session.chores.balance.chore.due
        assert asks(session, silent_s=ANSWER_S)[1:] == [ASKED, "AT+CUSD=2"]
        assert (session.known["balance"] is None) is (failures == 3)
        pause_s = session.chores.balance.chore.due - session.hand.now + ANSWER_S
        assert pause_s == pytest.approx(EVERY_S if failures == 3 else AGAIN_S, abs=ANSWER_S)
    assert warnings(session) == ["the balance is not known: no answer to *100#"]
    session.hand.now = session.chores.balance.chore.due
    asks(session, SAID)
    session.goes_on(session.hand.now + 60)
    assert session.known["remarks"] == ()


def test_a_modem_that_knows_no_ussd_is_not_waited_for() -> None:
    session = modem_due({ASKED: [["+CME ERROR: 4"]]})
    assert session.does(session.chores.balance.chore) == ["AT+CSCS?", ASKED]
    assert warnings(session) == ["the balance is not known: the modem refuses AT+CUSD (CME 4: operation not supported)"]


def test_a_modem_that_says_ok_too_late_may_still_bring_the_answer() -> None:
    session = modem_due({ASKED: [[11.0, "OK"]]})
    asks(session, SAID)
    assert "balance" in session.known


def test_without_a_network_nothing_is_asked() -> None:
    session = modem_due({"AT+CREG?": [["+CREG: 1,2", "OK"]]})
    assert session.does(session.chores.balance.chore) == []
    assert session.chores.balance.chore.due == session.hand.now + 60.0


def test_without_a_code_nothing_is_asked() -> None:
    assert BalanceSchedule() == BalanceSchedule("", float("inf"), "", "", float("-inf"), 0, "")
    session = modem_due(balance=BalanceSchedule())
    assert session.chores.balance.chore.due == float("inf")


def test_another_session_asks_no_earlier_but_for_another_sim() -> None:
    """A modem that restarts because it was asked is not asked again and again."""
    schedule = BalanceSchedule("*100#", EVERY_S)
    session = modem_due(balance=schedule)
    session.does(session.chores.balance.chore)
    due = schedule.due
    again = modem_due(balance=schedule)
    assert (again.chores.balance.chore.due, "balance" in again.known) == (due, False)
    schedule.want()
    assert modem_due(balance=schedule).chores.balance.chore.due <= session.hand.now
    schedule.failed("no answer", 0.0)
    other = modem_due({"AT+CIMI": [["234159999999999", "OK"]]}, schedule)
    assert (other.known["balance"], schedule.failures, schedule.remark) == (None, 0, "")
    assert other.chores.balance.chore.due <= other.hand.now


def test_messages_come_first_however_long_they_take() -> None:
    session = modem_due()
    session.goes_on(session.hand.now)  # all but what waits for an answer of the network
    session.chores.balance.take(SAID)
    session.goes_on(session.hand.now)
    balance, now = session.chores.balance.chore, session.hand.now
    balance.want(now)
    assert not any(session.chores.chores.starving(at_s) for at_s in (now, now + PATIENCE_S))
    session.chores.balance.give_way(now)
    assert balance.due == now + 2.0
    session.chores.network.chore.want(now)
    assert any(session.chores.chores.starving(at_s) for at_s in (now, now + 2 * PATIENCE_S))


# --- on a real port ----------------------------------------------------------------------------------------------


def test_messages_go_out_while_the_network_thinks_and_no_log_has_what_it_says(
    modem: SimulatedModem, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    modem.ussd["*100#"] = ()
    modem.say('+CUSD: 1,"Win a car! Dial 1",15')
    with opened(modem.port, balance_ussd="*100#") as driver:
        ready(driver)
        until(lambda: modem.commands["+CUSD"], "it asks", BOUND_S)
        assert driver.send(sms()).result(BOUND_S).references == (0,)
        assert driver.status().balance is None
        for line in ('+CUSD: 0,"Credit of 447700900001:', '12.34 EUR",15'):
            modem.say(line)
        found = until(lambda: driver.status().balance, "it is known", BOUND_S)
        assert (found.amount, found.currency) == (Decimal("12.34"), "EUR")
    assert "447700900001" not in caplog.text + repr(found)
