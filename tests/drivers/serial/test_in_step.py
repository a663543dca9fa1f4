"""Only its own answer counts for a command: the modem and the clock in the hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from drivers.serial import at
from drivers.serial.dialogue import LONGEST_PROMPT, MARKERS, Dialogue, ask
from drivers.serial.procedure import Escape, Unexpected
from drivers.serial.session_ends import Silent
from drivers.serial.timing import Timing
from tests.drivers.serial.hand import Answers, Hand

MARKS: dict[str, Sequence[Answers]] = {
    "AT+CMEE?": [["+CMEE: 1", "OK"]],
    "AT+CMGF?": [["+CMGF: 0", "OK"]],
    "AT+CSQ": [["+CSQ: 21,0", "OK"]],
}
TIMING = Timing()


def hand(answers: Mapping[str, Sequence[Answers]]) -> Hand:
    """answers: besides those to the markers; the name is what follows AT."""
    return Hand(MARKS | {f"AT{name}": each for name, each in answers.items()})


def wrote(modem: Hand) -> list[str]:
    written, modem.wrote = modem.wrote, []
    return written


# --- one command -------------------------------------------------------------------------------------------------


def test_each_line_of_an_answer_gives_a_command_time_again_but_not_for_ever() -> None:
    modem = Hand({"AT+CMGL=4": [[line for _ in range(100) for line in (9.0, "+CMGL: 1,1", "0791")]]})
    reply = modem.run(ask("AT+CMGL=4", "+CMGL", timeout_s=10.0))
    assert (reply.final.kind, len(reply.answers), modem.now) == ("NONE", 13, 220.0)


def test_chatter_is_not_an_answer_for_ever() -> None:
    """An operator's ATI used to take up whatever the modem went on to say."""
    modem, dialogue = hand({"I": [[0.5, *("tick", 0.5) * 100]]}), Dialogue(TIMING)
    reply = spoken(modem, dialogue, "ATI", "", free_text=True)
    assert (reply.final.kind, len(reply.answers), modem.now) == ("NONE", 20, 100.0 + TIMING.command)


def test_a_late_prompt_or_an_answer_to_a_query_beside_is_nothing_of_a_commands() -> None:
    modem = Hand({"AT+CSQ": [["+CMEE: 1", "OK", "+CSQ: 9,0", "OK"]]})
    assert modem.run(ask("AT+CSQ", "+CSQ", timeout_s=1.0)).answers == ["+CSQ: 9,0"]


def test_a_command_without_a_final_result_raises_silent() -> None:
    modem = Hand({"AT": [[]]})
    with pytest.raises(Silent):
        modem.run(ask("AT", timeout_s=3.0))
    assert modem.now == 103.0


# --- waking it ---------------------------------------------------------------------------------------------------


def test_a_modem_that_answers_is_awake_once_it_has_answered_a_marker() -> None:
    modem = hand({})
    modem.run(Dialogue(TIMING).wake())
    assert (modem.wrote, modem.now) == (["AT", "AT+CMEE?"], 100.0)


def test_a_modem_at_a_prompt_or_with_results_in_digits_is_woken_by_other_means() -> None:
    modem = hand({"": [[], [], ["OK"]], "Q0V1": [[]]})
    modem.run(Dialogue(TIMING).wake())
    assert (modem.wrote, modem.now) == (["AT", "ATQ0V1", "AT", "ATQ0V1", "AT", "AT+CMEE?"], 106.5)
    assert [place for place, order in enumerate(modem.did) if order == Escape()] == [4, 7, 10]


def test_a_port_at_which_nothing_answers_is_silent_after_all_tries() -> None:
    modem = hand({"": [[]], "Q0V1": [[]]})
    with pytest.raises(Silent, match="no answer to AT"):
        modem.run(Dialogue(TIMING).wake())
    assert modem.now == 108.5


# --- back into step ----------------------------------------------------------------------------------------------


def spoken(modem: Hand, dialogue: Dialogue, command: str, answer: str, **how: Any) -> at.Reply:
    return modem.run(dialogue.ask(command, answer, **how))


def test_after_a_time_out_the_next_command_waits_for_a_marker() -> None:
    modem, dialogue = hand({"+CGMM": [[10.5, "a modem", "OK"]]}), Dialogue(TIMING)
    with pytest.raises(Silent):
        spoken(modem, dialogue, "AT+CGMM", "", free_text=True)
    assert spoken(modem, dialogue, "AT+CREG?", "+CREG", timeout_s=1.0).final.kind == "OK"
    assert modem.wrote == ["AT+CGMM", "AT+CMEE?", "AT+CREG?", "AT+CMEE?", "AT+CREG?"]


def test_ok_without_its_line_is_asked_once_more_and_then_believed() -> None:
    modem, dialogue = hand({}), Dialogue(TIMING)
    spoken(modem, dialogue, "AT+CEREG?", "+CEREG")
    assert wrote(modem) == ["AT+CEREG?", "AT+CMEE?", "AT+CEREG?"]
    spoken(modem, dialogue, "AT+CEREG?", "+CEREG")
    assert wrote(modem) == ["AT+CEREG?"]
    for _ in range(2):  # the first OK was an older command's
        modem.answers["AT+CGREG?"] = [["OK"], ["+CGREG: 0,1", "OK"]]
        assert spoken(modem, dialogue, "AT+CGREG?", "+CGREG").answers == ["+CGREG: 0,1"]
    wrote(modem)
    assert spoken(modem, dialogue, "AT+CGREG?", "+CGREG").answers == ["+CGREG: 0,1"]
    assert wrote(modem) == ["AT+CGREG?"]


def test_an_answer_without_its_end_may_still_get_it() -> None:
    modem, dialogue = hand({"+CPIN?": [["+CPIN: READY"]]}), Dialogue(TIMING)
    assert spoken(modem, dialogue, "AT+CPIN?", "+CPIN").final.kind == "NONE"
    modem.run(dialogue.in_step())
    assert modem.wrote == ["AT+CPIN?", "AT+CMEE?"]
    modem.run(dialogue.in_step())
    assert modem.wrote == ["AT+CPIN?", "AT+CMEE?"]


def test_a_marker_whose_own_answer_may_still_come_is_not_the_first() -> None:
    modem, dialogue = hand({"+CMEE?": [[11.0, "+CMEE: 1", "OK"]]}), Dialogue(TIMING)
    with pytest.raises(Silent):
        spoken(modem, dialogue, "AT+CMEE?", "+CMEE")
    modem.run(dialogue.in_step())
    assert modem.wrote == ["AT+CMEE?", "AT+CMGF?"]


def test_a_marker_that_is_answered_once_too_often_is_waited_for_as_often() -> None:
    modem = hand({"+CMEE?": [[4.5, "+CMEE: 1", "OK"]], "+CMGF?": [[]], "+CSQ": [[]]})
    dialogue = Dialogue(TIMING)
    assert [modem.run(dialogue.probe()) for _ in range(2)] == [False, False]  # the first answer comes to another marker
    modem.answers = dict(MARKS)
    assert modem.run(dialogue.probe())


def test_as_many_answers_of_a_marker_are_waited_for_as_it_was_asked() -> None:
    late: Answers = ["+CMEE: 1", "OK", 0.5, "+CMEE: 1", "OK"]
    modem, dialogue = hand({"+CMEE?": [[], late], "+CMGF?": [[]], "+CSQ": [[]]}), Dialogue(TIMING)
    assert [modem.run(dialogue.probe()) for _ in range(4)] == [False, False, False, True]
    assert modem.now == 112.5


def test_a_marker_may_lack_its_final_result() -> None:
    modem = hand({"+CMEE?": [["+CMEE: 1"]]})
    assert modem.run(Dialogue(TIMING).probe())
    assert modem.now == 104.0


def test_an_error_to_a_marker_brings_the_next_one() -> None:
    modem, dialogue = hand({"+CMEE?": [["ERROR"]]}), Dialogue(TIMING)
    modem.run(dialogue.regain())
    assert modem.wrote == ["AT+CMEE?", "AT+CMGF?"]


@pytest.mark.parametrize("late", ["+CMS ERROR: 38", "+CMS ERROR: 500"])
def test_a_late_error_of_a_message_is_handed_on(late: str) -> None:
    modem = hand({"+CMEE?": [[late, "+CMEE: 1", "OK"]]})
    modem.run(Dialogue(TIMING).regain())
    assert modem.wrote == ["AT+CMEE?"]
    assert [order for order in modem.did if isinstance(order, Unexpected)] == [
        Unexpected(at.Notice("+CMS ERROR", late))
    ]


def test_an_error_that_many_a_command_ends_in_is_the_markers() -> None:
    modem = hand({"+CMEE?": [["+CMS ERROR: 302"]]})
    modem.run(Dialogue(TIMING).regain())
    assert modem.wrote == ["AT+CMEE?", "AT+CMGF?"]


def test_a_modem_that_answers_no_marker_at_all_is_silent() -> None:
    modem = Hand({command: [[]] for command, _ in MARKERS})
    with pytest.raises(Silent, match="no answer to any marker"):
        modem.run(Dialogue(TIMING).regain())
    assert (modem.wrote, modem.now) == ([command for command, _ in MARKERS], 112.0)


def test_of_a_modem_that_knows_no_marker_it_is_enough_that_it_is_quiet() -> None:
    modem, dialogue = Hand({command: [["ERROR"]] for command, _ in MARKERS}), Dialogue(TIMING)
    modem.run(dialogue.regain())
    assert wrote(modem) == [*[command for command, _ in MARKERS], "AT"]
    assert modem.now == 101.0
    assert not spoken(modem, dialogue, "AT+CEREG?", "+CEREG").answers
    assert wrote(modem) == ["AT+CEREG?"]


def test_a_modem_that_is_never_quiet_is_waited_for_only_so_long() -> None:
    modem, dialogue = Hand({command: [["ERROR"]] for command, _ in MARKERS}), Dialogue(TIMING)
    modem.answers["AT"] = [["OK", *("tick", 0.1) * 100]]
    modem.run(dialogue.regain())
    assert modem.now == pytest.approx(102.3)


def test_a_modem_that_answers_anything_but_markers_is_silent_in_the_end() -> None:
    modem = hand({"+CMEE?": [["+CMEE: 1", "OK"], ["OK"]], "+CMGF?": [["OK"]], "+CSQ": [["OK"]]})
    dialogue = Dialogue(TIMING)
    modem.run(dialogue.regain())
    with pytest.raises(Silent):
        modem.run(dialogue.regain())
    assert len(modem.wrote) == 13


# --- messages ----------------------------------------------------------------------------------------------------


def test_where_a_prompt_may_stand_it_is_left_before_a_marker() -> None:
    modem, dialogue = hand({"+CMGS=9": [[]]}), Dialogue(TIMING)
    modem.run(dialogue.offer("AT+CMGS=9", "+CMGS"))
    modem.run(dialogue.synchronise(always=True, no_prompt=False))
    modem.run(dialogue.synchronise(always=True, no_prompt=False))
    assert modem.did.count(Escape()) == 1
    assert modem.wrote == ["AT+CMGS=9", "AT+CMEE?", "AT+CMEE?"]


def test_a_prompt_is_given_longer_after_each_that_came_too_late_up_to_a_bound() -> None:
    modem, dialogue = hand({}), Dialogue(TIMING)
    waited = [dialogue.prompt_s]
    for _ in range(3):
        modem.run(dialogue.synchronise(always=False, no_prompt=True))
        waited.append(dialogue.prompt_s)
    assert waited == [TIMING.prompt * times for times in (1, 2, LONGEST_PROMPT, LONGEST_PROMPT)]
    modem.run(dialogue.offer("AT+CMGS=9", "+CMGS"))
    modem.now += TIMING.prompt
    modem.run(dialogue.submit())
    assert dialogue.prompt_s == LONGEST_PROMPT * TIMING.prompt
    modem.run(dialogue.offer("AT+CMGS=9", "+CMGS"))
    modem.run(dialogue.submit())
    assert dialogue.prompt_s == TIMING.prompt


def test_a_slow_modem_gets_longer_for_its_prompt() -> None:
    modem, dialogue = hand({"+CSQ": [[4.0, "+CSQ: 9,0", "OK"]]}), Dialogue(TIMING)
    spoken(modem, dialogue, "AT+CSQ", "+CSQ")
    assert dialogue.prompt_s == 8.0


def test_an_answer_that_was_given_up_is_waited_for_before_the_next_command() -> None:
    modem, dialogue = hand({}), Dialogue(TIMING)
    modem.run(dialogue.give_up("+CMGS"))
    modem.run(dialogue.offer("AT+CMGS=9", "+CMGS"))
    assert modem.wrote == ["AT+CMEE?", "AT+CMGS=9"]


@pytest.mark.parametrize("answered", [True, False])
def test_a_query_beside_a_message_is_owed_until_it_is_answered(*, answered: bool) -> None:
    modem, dialogue = hand({}), Dialogue(TIMING)
    modem.run(dialogue.ask_beside("AT+CNMI?", "+CNMI"))
    if answered:
        dialogue.answered_beside("+CNMI")
    modem.run(dialogue.in_step())
    assert modem.wrote == ["AT+CNMI?"] + ["AT+CMEE?"] * (not answered)
