"""What the SIM has stored: where it is read, when it is deleted, and what is left there. The modem is in the hand."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import pytest

from drivers import IncomingSms
from drivers.serial.message_storage import Storage
from drivers.serial.modem import Modem
from drivers.serial.procedure import Await, HandedOver, HandOver, Warn
from drivers.serial.timing import Timing
from drivers.simulated.pdus import deliver
from tests.drivers.serial.driving import safe
from tests.drivers.serial.hand import Answers, Hand

PDU, OTHER = (deliver("447700900999", text).hex().upper() for text in ("hello", "again"))
HERE = '+CPMS: "SM",1,30,"SM",1,30,"SM",1,30'
EMPTY = '+CPMS: "SM",0,30,"SM",0,30,"SM",0,30'
NO_REPORTS: dict[str, Sequence[Answers]] = {'AT+CPMS="SR"': [["+CPMS: 0,10,0,30,0,30", "OK"]]}


class Kept:
    """A storage, and the modem, in the hand. kept: of each message that is handed over."""

    def __init__(self, answers: Mapping[str, Sequence[Answers]], *kept: Future[bool] | None) -> None:
        marks: dict[str, Sequence[Answers]] = {"AT+CMEE?": [["+CMEE: 1", "OK"]], "AT+CMGL=4": [["OK"]]}
        self.hand = Hand(marks | NO_REPORTS | dict(answers))
        self.modem, self.storage = Modem(Timing()), Storage()
        answered = iter(kept)
        self.hand.handed_over = lambda _: HandedOver(next(answered))

    def begin(self) -> list[str]:
        self.hand.run(self.storage.first_look(self.modem))
        return self.wrote()

    def look(self) -> list[str]:
        self.hand.run(self.storage.look(self.modem))
        return self.wrote()

    def read(self, *announced: tuple[str, int]) -> list[str]:
        for storage, index in announced:
            self.storage.announced(storage, index)
        self.hand.run(self.storage.read_announced(self.modem))
        return self.wrote()

    def wrote(self) -> list[str]:
        written, self.hand.wrote = self.hand.wrote, []
        return written

    @property
    def messages(self) -> list[str]:
        handed = [order.message for order in self.hand.did if isinstance(order, HandOver)]
        return [message.text for message in handed if isinstance(message, IncomingSms) and message.stored]

    @property
    def warnings(self) -> list[str]:
        return [order.text for order in self.hand.did if isinstance(order, Warn)]


def listed(*stored: tuple[int, str]) -> Answers:
    return [*(line for index, pdu in stored for line in (f"+CMGL: {index},1,,24", pdu)), "OK"]


ONE: dict[str, Sequence[Answers]] = {"AT+CPMS?": [[HERE, "OK"]], "AT+CMGL=4": [listed((3, PDU)), ["OK"]]}


def test_what_lies_there_at_the_begin_is_handed_over_and_then_deleted() -> None:
    kept = Kept(ONE, None)
    wrote = kept.begin()
    assert wrote == ["AT+CPMS?", 'AT+CPMS="SM"', 'AT+CPMS="SR"', 'AT+CPMS="SM"', "AT+CMGL=4", "AT+CMGD=3"]
    assert kept.messages == ["hello"]


def test_nothing_is_listed_where_the_modem_says_that_nothing_is_there() -> None:
    kept = Kept({"AT+CPMS?": [[EMPTY, "OK"]]})
    kept.begin()
    assert kept.look() == ['AT+CPMS="SR"', 'AT+CPMS="SM"', "AT+CPMS?"]


def test_a_modem_without_storages_to_choose_from_is_read_as_it_is() -> None:
    kept = Kept({"AT+CPMS?": [["ERROR"]], "AT+CMGL=4": [listed((3, PDU))]}, None)
    assert kept.begin() == ["AT+CPMS?", "AT+CMGL=4", "AT+CMGD=3"]
    kept.hand.answers["AT+CMGR=7"] = [["ERROR"]]
    assert kept.read(("SM", 7)) == ["AT+CMGR=7"]


def test_where_the_modem_does_not_say_where_it_writes_all_is_where_it_is_read() -> None:
    kept = Kept({"AT+CPMS?": [['+CPMS: "SM"', "OK"]], 'AT+CPMS="ME"': [["ERROR"]], "AT+CMGR=7": [["ERROR"]]})
    kept.begin()
    assert kept.read(("ME", 7)) == ['AT+CPMS="ME"', 'AT+CPMS="ME","ME","ME"', "AT+CMGR=7"]


def test_reports_may_have_a_storage_of_their_own() -> None:
    kept = Kept(ONE | {'AT+CPMS="SR"': [["+CPMS: 1,10,1,30,1,30", "OK"]]}, None)
    assert kept.begin()[2:5] == ['AT+CPMS="SR"', "AT+CMGL=4", "AT+CMGD=3"]
    kept = Kept(ONE | {'AT+CPMS="SR"': [["OK"]]}, None)  # it does not say how many
    assert kept.begin()[2:4] == ['AT+CPMS="SR"', "AT+CMGL=4"]


def test_a_storage_that_a_started_modem_refuses_is_not_tried_again() -> None:
    kept = Kept(ONE | {'AT+CPMS="SR"': [["+CME ERROR: 3"]]}, None)
    assert kept.begin() == ["AT+CPMS?", 'AT+CPMS="SM"', 'AT+CPMS="SR"', "AT+CMGL=4", "AT+CMGD=3"]
    kept.hand.now += Timing().starting
    assert 'AT+CPMS="SR"' in kept.look()
    assert 'AT+CPMS="SR"' not in kept.look()
    assert kept.read(("SR", 1)) == []
    assert kept.warnings == ["storage='SR' cannot be selected: what came there is not read"]


def test_what_is_announced_is_read_where_it_is_and_looked_for_there_later() -> None:
    kept = Kept({"AT+CPMS?": [[EMPTY, "OK"]], "AT+CMGR=7": [["+CMGR: 1,,24", PDU, "OK"]]}, None, None)
    kept.begin()
    assert kept.read(("ME", 7)) == ['AT+CPMS="ME"', "AT+CMGR=7", "AT+CMGD=7"]
    assert kept.read(("SM", 7))[1:] == ["AT+CMGR=7", "AT+CMGD=7"]
    assert kept.look()[:3] == ['AT+CPMS="SR"', 'AT+CPMS="ME"', "AT+CMGL=4"]


def test_what_cannot_be_read_is_left_in_the_sim_and_told_once() -> None:
    kept = Kept(ONE | {"AT+CMGL=4": [listed((2, "00"), (3, PDU))] * 2}, None, None)
    assert kept.begin()[-2:] == ["AT+CMGL=4", "AT+CMGD=3"]
    assert len(kept.warnings) == 1
    kept.look()
    assert len(kept.warnings) == 1
    assert kept.warnings[0].startswith("stored=2 unreadable")


def test_a_line_without_an_index_is_passed_over() -> None:
    kept = Kept(ONE | {"AT+CMGL=4": [["+CMGL: x,1,,24", PDU, *listed((3, PDU))]]}, None)
    assert kept.begin()[-1] == "AT+CMGD=3"


@pytest.mark.parametrize("kept", [Future(), safe(False)])
def test_what_cannot_be_kept_stays_and_no_more_is_handed_over(kept: Future[bool]) -> None:
    both = Kept(ONE | {"AT+CMGL=4": [listed((3, PDU), (4, OTHER))]}, kept, kept)
    assert both.begin()[-1] == "AT+CMGL=4"
    assert both.hand.did[-1] == Await(kept)
    both.hand.answers["AT+CMGR=9"] = [["+CMGR: 1,,24", PDU, "OK"]]
    assert both.read(("SM", 9)) == ["AT+CMGR=9"]
    assert both.messages == ["hello"] * 2


def test_what_the_sim_does_not_delete_is_not_handed_over_again() -> None:
    kept = Kept(
        ONE
        | {"AT+CMGL=4": [listed((3, PDU))], "AT+CMGD=3": [["ERROR"], ["ERROR"], ["OK"]], "AT+CMGD=3,0": [["ERROR"]]},
        safe(),
        None,
    )
    kept.begin()
    assert [kept.look()[-1] for _ in range(2)] == ["AT+CMGD=3,0", "AT+CMGD=3"]
    assert kept.messages == ["hello"]
    kept.look()
    assert kept.messages == ["hello"] * 2  # it came once more


@pytest.mark.parametrize(("listing", "made"), [(listed((3, PDU)), True), (listed((3, "00")), False), (["OK"], False)])
def test_room_is_made_by_taking_what_can_be_read(listing: Answers, *, made: bool) -> None:
    kept = Kept(ONE | {"AT+CMGL=4": [["OK"], listing]}, None)
    kept.begin()
    assert kept.hand.run(kept.storage.make_room(kept.modem)) is made


def test_waiting_helps_where_what_is_there_cannot_be_kept_now() -> None:
    kept = Kept(ONE | {"AT+CMGL=4": [["OK"], listed((3, PDU))]}, safe(False))
    kept.begin()
    assert kept.hand.run(kept.storage.make_room(kept.modem))


def test_no_room_is_made_in_a_storage_that_cannot_be_selected() -> None:
    kept = Kept({"AT+CPMS?": [[HERE, "OK"]]})
    kept.hand.answers |= {f'AT+CPMS="SM"{more}': [["ERROR"]] for more in ("", ',"SM","SM"', ',"SM"')}
    kept.begin()
    assert not kept.hand.run(kept.storage.make_room(kept.modem))


def test_another_session_selects_and_reads_anew() -> None:
    kept = Kept(ONE | {"AT+CMGL=4": [["OK"]]})
    first = kept.begin()
    kept.storage.forget()
    kept.modem = Modem(Timing())
    assert kept.begin() == first
