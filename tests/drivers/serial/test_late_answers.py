"""What a modem still owes an answer."""

import pytest

from drivers import Delivery, LateAnswer, Receipt, Refused, Sms, StatusReport
from drivers.serial.late_answers import Outstanding
from drivers.serial.reports import Message
from drivers.serial.whose_answer import Answer

OLDER, NEWER = Sms("447700900123", "a", 300), Sms("447700900145", "b", 300)
NO = Refused("CMS 1: unassigned number")


class Told:
    """What was told, and a modem that owes the answer to OLDER until 100."""

    def __init__(self, *sent: int, parts: int = 1) -> None:
        self.late: list[tuple[str, Answer | Receipt]] = []
        self.outstanding = Outstanding(self._hear)
        self.outstanding.add(OLDER, Message(OLDER.number, parts, list(sent)), 100.0)

    def _hear(self, late: LateAnswer) -> None:
        self.late.append((late.sms.text, late.answer))

    def disputed(self, first: Answer) -> Outstanding:
        """The first answer since NEWER went out has come, and no other in time."""
        self.outstanding.dispute(NEWER, first)
        assert self.outstanding.decide() is None
        self.outstanding.add(NEWER, Message(NEWER.number, 1), 200.0)
        return self.outstanding


def test_an_answer_settles_what_is_outstanding_once() -> None:
    one = Told()
    assert one.outstanding.is_for(OLDER)
    one.outstanding.answered(7)
    one.outstanding.answered(8)
    assert one.late == [("a", Receipt((7,)))]
    assert not one.outstanding.any(0.0)


def test_no_answer_is_expected_when_its_time_is_over() -> None:
    one = Told()
    assert one.outstanding.any(99.0)
    assert not one.outstanding.any(100.0)
    one.outstanding.answered(7)
    assert one.late == []


def test_a_result_that_says_nothing_ends_the_wait() -> None:
    one = Told()
    one.outstanding.answered(None)
    assert (one.late, one.outstanding.any(0.0)) == ([], False)


@pytest.mark.parametrize(
    ("sent", "answer", "late"),
    [
        ((1, 2), 3, [("a", Receipt((1, 2, 3)))]),  # its last part
        ((1,), 2, []),  # another part was still to be sent
        ((1,), NO, []),  # one part has gone out
        ((), NO, [("a", NO)]),
    ],
)
def test_of_several_parts_only_all_or_none_are_told(
    sent: tuple[int, ...], answer: Answer, late: list[tuple[str, Answer]]
) -> None:
    one = Told(*sent, parts=3)
    one.outstanding.answered(answer)
    assert one.late == late


@pytest.mark.parametrize(("first", "second"), [(7, 8), (NO, 8), (7, NO)])
def test_two_answers_go_out_in_their_order(first: Answer, second: Answer) -> None:
    one = Told()
    one.outstanding.dispute(NEWER, first)
    one.outstanding.answered(second)
    assert one.outstanding.decide() is second
    assert [text for text, _ in one.late] == ["a"]
    assert one.outstanding.doubt is None


def test_two_late_answers_settle_both_messages() -> None:
    one = Told()
    outstanding = one.disputed(7)
    assert outstanding.is_for(NEWER)
    assert outstanding.until == 200.0
    assert outstanding.any(150.0)  # the first answer came in time
    outstanding.answered(8)
    outstanding.give_up_doubt()
    assert one.late == [("a", Receipt((7,))), ("b", Receipt((8,)))]
    assert not outstanding.any(0.0)


def test_of_a_doubt_that_is_never_solved_nothing_is_told() -> None:
    one = Told()
    outstanding = one.disputed(7)
    outstanding.give_up_doubt()
    assert (one.late, outstanding.any(0.0), outstanding.doubt) == ([], False, None)


def test_a_report_solves_a_doubt_late() -> None:
    one = Told()
    outstanding = one.disputed(7)
    outstanding.reported(StatusReport(7, NEWER.number, Delivery.DELIVERED, 0))
    outstanding.give_up_doubt()
    assert one.late == [("b", Receipt((7,)))]


def test_a_late_reference_is_one_of_those_that_the_modem_counts() -> None:
    one = Told()
    one.outstanding.answered(7)
    one.outstanding.told(8)
    one.outstanding.add(OLDER, Message(OLDER.number, 1), 100.0)  # 9, if it counts
    one.outstanding.dispute(NEWER, 10)
    assert one.outstanding.decide() == 10


def test_a_modem_that_started_anew_owes_nothing() -> None:
    one = Told()
    outstanding = one.disputed(7)
    outstanding.forget()
    outstanding.answered(8)
    assert (one.late, outstanding.any(0.0), outstanding.doubt) == ([], False, None)
    assert outstanding.until == float("-inf")
