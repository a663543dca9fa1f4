"""From Ctrl-Z to what the network says of one message: events in, orders out, the clock in the hand."""

from itertools import pairwise

import pytest

from drivers import Deferred, DriverError, Uncertain
from drivers.serial import at
from drivers.serial.error_causes import ResultKind
from drivers.serial.network_answer import QUIET_S, NetworkAnswer, Result
from drivers.serial.restart_signs import Settings
from drivers.serial.sending_interface import Due, GiveUp, Mute, Query
from drivers.serial.timing import Timing

TIMING = Timing()
OK, ERROR, CMS = at.Final(ResultKind.OK), at.Final(ResultKind.ERROR), at.Final(ResultKind.CMS, 42)
REFERENCE = at.Answer("+CMGS: 7")
QUERY = Query("AT+CMEE?", "+CMEE")


class Network:
    """One modem's answers, and its message's time in seconds since Ctrl-Z."""

    def __init__(self, *settings: str) -> None:
        self.answer = NetworkAnswer(TIMING, lambda _: Deferred("the network is busy"))
        self.settings = Settings()
        for line in settings:
            self.settings.learn(line)
        self.begins()

    def begins(self) -> None:
        """The next message."""
        self.began_at = self.now = 1000.0
        self.answer.begin(self.settings, self.now)

    def says(self, *events: at.Event | Due) -> list[Query | GiveUp | Mute | Result]:
        return [each for event in events for each in self.answer.handle(event, self.now)]

    def waits(self, *, until_s: float | None = None) -> list[Query | GiveUp | Mute | Result]:
        """Until it is due, or so long after Ctrl-Z."""
        self.now = self.answer.due if until_s is None else self.began_at + until_s
        return self.says(Due())

    @property
    def due_s(self) -> float:
        return self.answer.due - self.began_at


def only(outputs: list[Query | GiveUp | Mute | Result]) -> int | DriverError | None:
    """The answer, where the result is all that came."""
    (result,) = outputs
    assert isinstance(result, Result)
    assert not isinstance(result.answer, str)
    return result.answer


def test_before_the_first_message_nothing_is_due_and_nothing_is_an_answer() -> None:
    answer = NetworkAnswer(TIMING, lambda _: Deferred("the network is busy"))
    assert (answer.due, answer.missing, answer.reference) == (float("inf"), "", None)
    assert [answer.handle(event, 1000.0) for event in (Due(), REFERENCE, OK)] == [[], [], []]


def test_a_message_has_one_result() -> None:
    """A second OK, a late error and the time that comes once more say nothing of the next message."""
    network = Network()
    assert network.says(REFERENCE, OK) == [Result(7)]
    assert network.says(OK, CMS, REFERENCE, Due()) == []


def test_what_comes_after_a_lost_session_is_no_result() -> None:
    network = Network()
    network.answer.over()
    assert network.says(REFERENCE, OK, Due()) == []


# --- ERROR, and what a modem says as a rule ---------------------------------------------------------------------


def test_error_is_the_networks_only_of_a_modem_that_has_numbered_its_errors_in_this_session() -> None:
    """Another modem may be behind the port in the next one: its ERROR may be about the command."""
    network = Network()
    network.answer.new_session()
    assert str(only(network.says(ERROR))) == "the modem said ERROR, which may be about the message or not"
    network.begins()
    assert isinstance(only(network.says(CMS)), Deferred)
    network.begins()
    assert isinstance(only(network.says(ERROR)), Deferred)
    network.answer.new_session()
    network.begins()
    assert isinstance(only(network.says(ERROR)), Uncertain)


# --- OK without a reference --------------------------------------------------------------------------------------


def test_ok_alone_is_no_success_and_is_said_after_seconds() -> None:
    """A Siemens MC35i says OK alone when it has failed."""
    network = Network()
    network.now += 10.0
    assert network.says(OK) == []
    assert network.due_s == 10.0 + TIMING.prompt
    assert str(only(network.waits())) == "the modem said OK without a message reference"


@pytest.mark.parametrize("asked", [0, 1])
def test_behind_ok_the_modem_is_not_asked_whether_it_is_there(asked: int) -> None:
    """It has just shown it; a query would be in the way of the reference."""
    network = Network("+CMEE: 1")
    assert [network.waits() for _ in range(asked)] == [[QUERY]] * asked
    network.says(OK)
    assert network.answer.due == network.now + TIMING.prompt
    assert isinstance(only(network.waits()), Uncertain)


def test_a_modem_that_says_ok_first_has_all_the_time_for_the_reference_of_its_next_message() -> None:
    network = Network()
    network.says(OK)
    assert network.answer.unasked(7, network.now) is True
    assert network.answer.due == network.now + QUIET_S
    assert only(network.waits()) == 7
    network.begins()
    network.says(OK)
    assert network.due_s == TIMING.answer


def test_a_reference_long_behind_ok_is_the_last_messages_but_ends_no_wait() -> None:
    network = Network()
    network.says(OK)
    network.waits()
    assert network.answer.unasked(7, network.now) is True
    assert network.answer.reference is None
    assert network.says(Due()) == []
    assert network.answer.unasked(8, network.now) is False


def test_a_reference_that_nobody_asked_for_is_not_the_messages_whose_answer_is_awaited() -> None:
    network = Network()
    assert network.answer.unasked(7, network.now) is False
    assert network.answer.reference is None
    assert network.due_s == TIMING.answer


# --- silence -----------------------------------------------------------------------------------------------------


def test_a_modem_that_answers_no_query_is_waited_for_and_then_given_up() -> None:
    network = Network()
    assert network.due_s == TIMING.answer
    assert network.waits() == [GiveUp(), Result(None)]
    assert network.answer.missing == "no answer from the network within 30 s"


def test_a_modem_that_is_silent_is_asked_every_few_seconds_and_given_up_in_time() -> None:
    """Asked without a pause it would have no time to take the network's answer."""
    network, asked_at = Network("+CMEE: 1"), []
    while (outputs := network.waits()) == [QUERY]:
        asked_at.append(network.now - network.began_at)
    assert outputs == [GiveUp(), Result(None)]
    assert network.now - network.began_at == TIMING.answer
    assert all(later - earlier == TIMING.attention.every for earlier, later in pairwise(asked_at))


def test_a_modem_that_has_said_the_reference_is_not_asked_any_more() -> None:
    network = Network("+CMEE: 1")
    network.says(REFERENCE)
    assert network.due_s == TIMING.probe
    assert network.waits() == [GiveUp(), Result(7)]


def test_a_reference_is_believed_of_a_modem_that_then_falls_silent() -> None:
    """It would be reset for nothing, and its message be uncertain, though the network has it."""
    network = Network("+CMEE: 1")
    network.waits()
    network.says(at.Aside("+CMEE: 1"))
    for _ in range(4):
        assert network.waits() == [QUERY]
    network.says(REFERENCE)
    assert network.waits(until_s=TIMING.answer) == [GiveUp(), Result(7)]


def test_a_restart_is_the_reason_that_is_told() -> None:
    network = Network("+CMEE: 1")
    network.waits()
    assert network.says(at.Aside("+CMEE: 0")) == [GiveUp(), Result(None)]
    assert network.answer.missing == "the modem seems to have restarted before the network answered"
