"""Messages that ended uncertain, and the answers that come late."""

import pytest

from drivers import Delivery, LateAnswer, Receipt, Refused, Sms, StatusReport
from drivers.serial.late_answers import LateAnswers
from drivers.serial.reports import Message
from drivers.serial.whose_answer import Answer

OLDER, NEWER = Sms("447700900123", "a", 300), Sms("447700900145", "b", 300)
NO = Refused("CMS 1: unassigned number")


def unanswered(*sent: int, parts: int = 1) -> LateAnswers:
    """Of a modem that owes the answer to OLDER until 100."""
    late = LateAnswers()
    late.unanswered(OLDER, Message(OLDER.number, parts, list(sent)), 100.0)
    return late


def disputed(first: Answer) -> LateAnswers:
    """The first answer since NEWER was sent has come, and no other in time."""
    late = unanswered()
    late.dispute(NEWER, first)
    assert late.decide() == (None, [])
    late.unanswered(NEWER, Message(NEWER.number, 1), 200.0)
    return late


def test_an_answer_settles_an_unanswered_message_once() -> None:
    late = unanswered()
    assert late.late(7) == [LateAnswer(OLDER, Receipt((7,)))]
    assert late.late(8) == []
    assert not late.expected(0.0)


def test_no_answer_is_expected_when_its_time_is_over() -> None:
    late = unanswered()
    assert late.expected(99.0)
    assert not late.expected(100.0)
    assert late.late(7) == []


def test_a_result_that_says_nothing_ends_the_wait() -> None:
    late = unanswered()
    assert late.late(None) == []
    assert not late.expected(0.0)


@pytest.mark.parametrize(
    ("sent", "answer", "settled"),
    [
        ((1, 2), 3, [LateAnswer(OLDER, Receipt((1, 2, 3)))]),  # its last part
        ((1,), 2, []),  # another part was still to be sent
        ((1,), NO, []),  # one part has been sent
        ((), NO, [LateAnswer(OLDER, NO)]),
    ],
)
def test_of_several_parts_only_all_or_none_are_settled(
    sent: tuple[int, ...], answer: Answer, settled: list[LateAnswer]
) -> None:
    assert unanswered(*sent, parts=3).late(answer) == settled


@pytest.mark.parametrize(("first", "second"), [(7, 8), (NO, 8), (7, NO)])
def test_two_answers_belong_to_the_messages_in_their_order(first: Answer, second: Answer) -> None:
    late = unanswered()
    late.dispute(NEWER, first)
    assert late.undecided
    assert late.late(second) == []
    assert not late.undecided
    own, settled = late.decide()
    assert own is second
    assert [each.sms for each in settled] == [OLDER]
    assert not late.ambiguous


def test_two_late_answers_settle_both_messages() -> None:
    late = disputed(7)
    assert late.until == 200.0
    assert late.expected(150.0)  # the first answer came in time
    late.late(8)
    assert late.give_up() == [LateAnswer(OLDER, Receipt((7,))), LateAnswer(NEWER, Receipt((8,)))]
    assert not late.expected(0.0)


def test_of_an_answer_that_stays_ambiguous_nothing_is_settled() -> None:
    late = disputed(7)
    assert late.give_up() == []
    assert (late.expected(0.0), late.ambiguous) == (False, False)


def test_a_report_decides_late() -> None:
    late = disputed(7)
    late.reported(StatusReport(7, NEWER.number, Delivery.DELIVERED, 0))
    assert late.give_up() == [LateAnswer(NEWER, Receipt((7,)))]


def test_a_late_reference_is_one_of_those_that_the_modem_counts() -> None:
    late = unanswered()
    late.late(7)
    late.answered(8)
    late.unanswered(OLDER, Message(OLDER.number, 1), 100.0)  # 9, if it counts
    late.dispute(NEWER, 10)
    assert late.decide() == (10, [])


def test_a_modem_that_answers_in_order_owes_nothing_that_it_has_passed() -> None:
    late = unanswered()
    late.in_order()
    assert late.expected(0.0)
    late.passed()
    assert late.expected(0.0)
    late.in_order()
    assert not late.expected(0.0)
    late.passed()
    late.in_order()
    assert not late.expected(0.0)


def test_a_modem_that_restarted_owes_nothing() -> None:
    late = disputed(7)
    late.forget()
    assert late.late(8) == []
    assert (late.expected(0.0), late.ambiguous, late.until) == (False, False, float("-inf"))
