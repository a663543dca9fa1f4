"""Several chores read a modem's storages in turn: each finds what is its own. Modem and clock are in the hand."""

from collections.abc import Mapping, Sequence

import pytest

from drivers.serial import message_storage
from drivers.serial.message_storage import MOST, MOST_STORAGES, Storage
from drivers.serial.modem import Modem
from drivers.serial.procedure import GiveWay, HandOver, Order, Procedure, Warn
from drivers.serial.timing import Timing
from drivers.simulated.pdus import status_report
from tests.drivers.serial.driving import NUMBER
from tests.drivers.serial.hand import Answers, Hand

TIMING = Timing()
FIRST, SECOND = (f"00{status_report(reference, NUMBER, 0).hex().upper()}" for reference in (1, 2))
WHERE = '+CPMS: "SM",1,30,"SM",1,30,"SM",1,30'
ONE_IN_EACH: Mapping[str, Sequence[Answers]] = {
    "AT+CPMS?": [[WHERE, "OK"]],
    'AT+CPMS="SR"': [["+CPMS: 1,30,1,30,1,30", "OK"]],
    'AT+CPMS="SM"': [["+CPMS: 1,30,1,30,1,30", "OK"]],
    "AT+CMGL=4": [[f"+CMGL: 3,0,,{len(FIRST) // 2}", FIRST, "OK"]],
    "AT+CMGR=3": [[f"+CMGR: 0,,{len(SECOND) // 2}", SECOND, "OK"]],
}


def opened(answers: Mapping[str, Sequence[Answers]]) -> tuple[Hand, Modem, Storage]:
    hand, modem, storage = Hand(answers), Modem(TIMING), Storage()
    hand.run(storage.first_look(modem))
    hand.wrote.clear()
    return hand, modem, storage


def interrupted(hand: Hand, steps: Procedure[None], at_turn: int, other: Procedure[None]) -> bool:
    """Other work is done where the steps give way for that time; whether they did so often."""
    turns: list[Order] = []

    def carry_out(steps: Procedure[None]) -> Procedure[None]:
        try:
            order = next(steps)
            while True:
                if isinstance(order, GiveWay):
                    turns.append(order)
                    if len(turns) == at_turn:
                        yield from other
                order = steps.send((yield order))
        except StopIteration:
            return

    hand.run(carry_out(steps))
    return len(turns) >= at_turn


@pytest.mark.parametrize("announced_in", ["SM", "SR"])
def test_what_another_chore_selects_in_between_is_not_taken_for_ones_own(announced_in: str) -> None:
    """There used to be a look at "SR" that listed, and then deleted, in a storage that an announced message was in."""
    at_turn, goes_on = 0, True
    while goes_on:
        at_turn += 1
        hand, modem, storage = opened(ONE_IN_EACH)
        storage.announced(announced_in, 3)
        goes_on = interrupted(hand, storage.look(modem), at_turn, storage.read_announced(modem))
        selected, listed = "SM", []
        for command in hand.wrote:
            if command.startswith("AT+CPMS="):
                selected = command.split('"')[1]
            elif command == "AT+CMGL=4":
                listed.append(selected)
            elif command == "AT+CMGR=3":
                assert selected == announced_in
        assert listed == ["SR", "SM"]
    assert at_turn > 4


def test_nothing_is_asked_of_a_storage_that_cannot_be_selected_again() -> None:
    """What lies at the same index of the other storage must not be deleted in its place."""
    forms = [f'AT+CPMS="SR"{rest}' for rest in ("", ',"SM"', ',"SM","SM"')]
    counted, refused = ["+CPMS: 1,30,1,30,1,30", "OK"], ["+CMS ERROR: 500"]
    at_turn, goes_on, unselected = 0, True, 0
    while goes_on:
        at_turn += 1
        hand, modem, storage = opened(ONE_IN_EACH)
        hand.answers |= {form: [counted, refused] if form == forms[0] else [refused] for form in forms}
        storage.announced("SM", 3)
        goes_on = interrupted(hand, storage.look(modem), at_turn, storage.read_announced(modem))
        unselected += hand.wrote.count(forms[0]) > 1
        selected, known, seen = "SM", set[str](), list[str]()
        for command in hand.wrote:
            if command in (forms[0], 'AT+CPMS="SM"'):
                again = command == forms[0] and command in seen
                seen.append(command)
                selected = selected if again else command.split('"')[1]
            elif command in ("AT+CMGL=4", "AT+CMGR=3"):
                known.add(selected)
            elif command == "AT+CMGD=3":
                assert selected in known
    assert unselected


def test_what_another_chore_has_deleted_is_not_deleted_once_more() -> None:
    """Another message may lie in its place by then."""
    lying = f"+CMGL: 3,0,,{len(FIRST) // 2}", FIRST, f"+CMGL: 4,0,,{len(SECOND) // 2}", SECOND, "OK"
    at_turn, goes_on = 0, True
    while goes_on:
        at_turn += 1
        hand, modem, storage = opened({"AT+CPMS?": [[WHERE, "OK"]], 'AT+CPMS="SR"': [["+CPMS: 0,9,0,9", "OK"]]})
        hand.answers |= {"AT+CMGL=4": [lying], "AT+CMGR=4": [[f"+CMGR: 0,,{len(SECOND) // 2}", SECOND, "OK"]]}
        storage.announced("SM", 4)
        goes_on = interrupted(hand, storage.look(modem), at_turn, storage.read_announced(modem))
        known = False
        for command in hand.wrote:
            known = known or command in ("AT+CMGL=4", "AT+CMGR=4")
            if command == "AT+CMGD=4":
                assert known
                known = False
    assert at_turn > 4


@pytest.mark.parametrize(("refused_s", "reads"), [(0.0, True), (TIMING.starting, False)])
def test_a_storage_that_is_refused_while_the_modem_starts_is_tried_again(refused_s: float, reads: bool) -> None:
    """There used to be a modem that was still starting, whose messages nobody read until its next restart."""
    refusal = ["+CMS ERROR: 500"]
    forms = [f'AT+CPMS="{name}"{rest}' for name in ("SM", "SR") for rest in ("", ',"SM"', ',"SM","SM"')]
    hand, modem, storage = opened({"AT+CPMS?": [[WHERE, "OK"]]} | {form: [refusal] for form in forms})
    hand.now += refused_s
    hand.run(storage.look(modem))
    hand.answers = dict(ONE_IN_EACH)
    hand.run(storage.look(modem))
    assert ("AT+CMGD=3" in hand.wrote) is reads


def test_where_messages_are_is_asked_until_the_modem_says_it() -> None:
    hand, modem, storage = opened({"AT+CPMS?": [["ERROR"]]})
    hand.answers = dict(ONE_IN_EACH)
    hand.run(storage.look(modem))
    hand.run(storage.look(modem))
    assert 'AT+CPMS="SR"' in hand.wrote


def test_notices_without_end_are_no_memory_without_end() -> None:
    hand, modem, storage = opened(ONE_IN_EACH)
    for index in range(MOST + 5):
        storage.announced("SM", index)
        storage.announced("SM", index)
    hand.run(storage.read_announced(modem))
    assert sum(command.startswith("AT+CMGR=") for command in hand.wrote) == MOST


def test_storages_without_end_are_not_looked_through_without_end() -> None:
    """There used to be looks through each storage that a line of noise had named, until the session's end."""
    hand, modem, storage = opened(ONE_IN_EACH)
    for number in range(3 * MOST_STORAGES):
        storage.announced("X" * 2 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number], 1)
    hand.run(storage.look(modem))
    assert len([command for command in hand.wrote if command.startswith('AT+CPMS="XX')]) == MOST_STORAGES


def test_what_is_remembered_of_messages_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """There used to be a set of all that a SIM had not deleted, and one of all that nobody could read."""
    monkeypatch.setattr(message_storage, "MOST", 3)
    hand, modem, storage = opened(ONE_IN_EACH)
    hand.answers["AT+CMGD=0"] = hand.answers["AT+CMGD=0,0"] = [["ERROR"]]

    def told(lines: Sequence[str], kind: type[Order]) -> int:
        hand.answers["AT+CMGL=4"], hand.did = [[*lines, "OK"]], []
        hand.run(storage.look(modem, always=True))
        return sum(isinstance(order, kind) for order in hand.did)

    readable = [f"00{status_report(reference, NUMBER, 0).hex().upper()}" for reference in range(5)]
    first = ["+CMGL: 0,0,,20", readable[0]]
    assert told(first, HandOver) == 1
    assert told(first, HandOver) == 0
    for other in readable[1:4]:
        assert told(["+CMGL: 0,0,,20", other], HandOver) == 1
    assert told(first, HandOver) == 1  # it was forgotten
    assert told(["+CMGL: 1,0,,2", "00FF"], Warn) == 1
    assert told(["+CMGL: 1,0,,2", "00FF"], Warn) == 0
    for index in range(2, 5):
        told([f"+CMGL: {index},0,,2", "00FF"], Warn)
    assert told(["+CMGL: 1,0,,2", "00FF"], Warn) == 1
