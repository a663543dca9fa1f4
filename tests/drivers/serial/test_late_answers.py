"""What a modem owes, and the answers that come late."""

import pytest

from drivers import Delivery, LateAnswer, Receipt, Refused, Sms, StatusReport
from drivers.serial.late_answers import MOST, OVERTAKEN, LateAnswers
from drivers.serial.reports import Message
from drivers.serial.whose_answer import Answer

OLDER, NEWER, NEWEST = Sms("447700900123", "a", 300), Sms("447700900145", "b", 300), Sms("447700900167", "c", 300)
NO = Refused("CMS 1: unassigned number")


def submits(
    late: LateAnswers,
    sms: Sms,
    until: float = 100.0,
    parts: int = 1,
    sent: tuple[int, ...] = (),
    *,
    alone: bool = False,
) -> None:
    late.submitted(sms, Message(sms.number, parts, list(sent)), until, alone=alone)


def sends(late: LateAnswers, *references: int) -> None:
    for reference in references:
        submits(late, OLDER)
        assert late.answered(reference, 0.0) == []
        assert late.own == reference


def loses(late: LateAnswers, *messages: Sms, until: float = 100.0) -> None:
    for sms in messages:
        submits(late, sms, until)
        late.unanswered()


def owing(*messages: Sms) -> LateAnswers:
    late = LateAnswers()
    loses(late, *messages)
    return late


def receipt(sms: Sms, reference: int) -> LateAnswer:
    return LateAnswer(sms, Receipt((reference,)))


def report(reference: int, sms: Sms) -> StatusReport:
    return StatusReport(reference, sms.number, Delivery.DELIVERED, 0)


# --- one message ------------------------------------------------------------------------------------------------------


def test_an_answer_settles_an_unanswered_message_once() -> None:
    late = owing(OLDER)
    assert late.late(7, 0.0) == [receipt(OLDER, 7)]
    assert late.late(8, 0.0) == []
    assert not late.expected(0.0)


def test_no_answer_is_expected_when_its_time_is_over() -> None:
    late = owing(OLDER)
    assert late.expected(99.0)
    assert not late.expected(100.0)
    assert late.late(7, 100.0) == []


def test_a_result_that_says_nothing_ends_the_wait() -> None:
    late = owing(OLDER)
    assert late.late(None, 0.0) == []
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
    late = LateAnswers()
    submits(late, OLDER, parts=3, sent=sent)
    late.unanswered()
    assert late.late(answer, 0.0) == settled


def test_a_modem_that_answers_in_order_owes_nothing_that_it_has_passed() -> None:
    late = owing(OLDER)
    late.in_order()
    assert late.expected(0.0)
    late.passed()
    assert late.expected(0.0)
    late.in_order()
    assert not late.expected(0.0)


def test_a_modem_that_restarted_owes_nothing() -> None:
    late = owing(OLDER, NEWER)
    late.late(7, 0.0)
    late.forget()
    assert late.late(8, 0.0) == []
    assert (late.expected(0.0), late.undecided, late.until) == (0, False, float("-inf"))


def test_a_reference_that_cannot_be_the_messages_is_not_and_holds_the_next_one() -> None:
    """Either an answer was said twice, or the modem does not count, and this is the message's."""
    late = LateAnswers()
    sends(late, 4)
    loses(late, OLDER)
    assert late.late(4, 0.0) == []
    assert late.late(5, 0.0) == []
    assert late.reported(report(5, OLDER)) == []
    assert late.holds(99.0)
    assert not late.holds(100.0)


def test_of_a_modem_that_does_not_count_a_report_is_no_evidence() -> None:
    late = LateAnswers()
    sends(late, 0, 0)
    loses(late, OLDER, NEWER)
    late.late(0, 0.0)
    assert late.reported(report(0, NEWER)) == []
    assert late.late(0, 0.0) == [receipt(OLDER, 0), receipt(NEWER, 0)]


# --- an older message and the one on the wire -------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(7, 8), (NO, 8), (7, NO)])
def test_two_answers_belong_to_the_messages_in_their_order(first: Answer, second: Answer) -> None:
    late = owing(OLDER)
    submits(late, NEWER)
    assert late.answered(first, 0.0) == []
    assert (late.own, late.undecided) == (None, True)
    assert late.late(second, 0.0) == [receipt(OLDER, first) if isinstance(first, int) else LateAnswer(OLDER, first)]
    assert (late.own, late.undecided) == (second, False)


def test_two_late_answers_settle_both_messages() -> None:
    late = owing(OLDER)
    submits(late, NEWER, 200.0)
    late.answered(7, 99.0)
    late.unanswered()
    assert late.until == 200.0
    assert late.expected(150.0) == 2  # the first answer came in time for both
    assert late.late(8, 150.0) == [receipt(OLDER, 7), receipt(NEWER, 8)]


def test_an_answer_that_stays_undecided_is_given_up_with_the_last_that_can_come() -> None:
    late = owing(OLDER)
    submits(late, NEWER, 200.0)
    late.answered(7, 0.0)
    late.unanswered()
    assert late.holds(199.0)
    assert not late.holds(200.0)
    assert (late.expected(200.0), late.undecided, late.late(8, 200.0)) == (0, False, [])


def test_a_report_decides_also_if_it_came_before_the_answer() -> None:
    for early in (False, True):
        late = owing(OLDER)
        submits(late, NEWER)
        if early:
            late.reported(report(7, NEWER))
        late.answered(7, 0.0)
        assert late.reported(report(8, OLDER)) == []  # of another one
        assert late.reported(report(7, NEWER)) == []
        assert (late.own, late.expected(0.0)) == (7, 0)


def test_a_report_is_no_evidence_once_nothing_is_owed() -> None:
    late = owing(OLDER)
    late.reported(report(8, OLDER))
    assert not late.expected(100.0)
    loses(late, OLDER, until=200.0)
    submits(late, NEWER)
    assert not late.is_anothers(8)


def test_a_modem_that_counts_is_believed_in_what_skips_a_message() -> None:
    late = LateAnswers()
    sends(late, 6)
    loses(late, OLDER)  # 7
    submits(late, NEWER)
    assert late.answered(8, 0.0) == []
    assert (late.own, late.expected(0.0)) == (8, 0)


def test_a_modem_that_does_not_count_as_it_seemed_is_not_believed() -> None:
    late = LateAnswers()
    sends(late, 6)
    loses(late, OLDER)
    submits(late, NEWER)
    late.answered(42, 0.0)
    assert late.undecided
    assert late.late(99, 0.0) == [receipt(OLDER, 42)]
    assert late.own == 99


# --- a reference that was held back -----------------------------------------------------------------------------------


def overtaking() -> LateAnswers:
    """The older message, with the reference 5, is owed, though the next one has been answered."""
    late = LateAnswers()
    sends(late, 4)
    loses(late, OLDER)
    submits(late, NEWER)
    late.answered(6, 0.0)
    submits(late, NEWEST)
    return late


def test_a_reference_that_was_held_back_is_not_that_of_the_message_on_the_wire() -> None:
    late = overtaking()
    assert not late.expected(0.0)
    assert late.is_anothers(5)
    assert not late.is_anothers(7)
    assert late.late(5, 0.0) == [receipt(OLDER, 5)]
    assert not late.is_anothers(5)
    late.answered(7, 0.0)
    assert late.own == 7


def test_without_a_message_on_the_wire_no_reference_is_anothers() -> None:
    assert not owing(OLDER).is_anothers(5)


def test_an_error_is_never_that_of_a_message_that_was_overtaken() -> None:
    late = overtaking()
    assert late.answered(NO, 0.0) == []
    assert late.own is NO
    assert late.late(5, 0.0) == [receipt(OLDER, 5)]


def test_a_modem_that_stops_counting_has_held_nothing_back() -> None:
    late = overtaking()
    assert late.late(42, 0.0) == []  # nobody's
    assert late.is_anothers(5)
    late.answered(42, 0.0)
    submits(late, OLDER)
    assert not late.is_anothers(5)


def test_a_reference_that_may_be_one_of_two_overtaken_messages_is_nobodys_and_holds_nothing() -> None:
    late = LateAnswers()
    sends(late, 4)
    loses(late, OLDER, NEWER)
    submits(late, NEWEST)
    late.answered(6, 0.0)  # so one of the two had none
    assert late.undecided
    late.reported(report(6, NEWEST))
    assert late.own == 6
    assert late.late(5, 0.0) == []
    assert not late.undecided


def test_only_so_many_overtaken_messages_are_remembered() -> None:
    late = LateAnswers()
    sends(late, 0)
    for reference in range(2, 20, 2):
        loses(late, OLDER)
        submits(late, NEWER)
        late.answered(reference, 0.0)
    submits(late, NEWEST)
    assert [each for each in range(20) if late.is_anothers(each)] == [*range(17 - 2 * (OVERTAKEN - 1), 18, 2)]


# --- several messages -------------------------------------------------------------------------------------------------


def test_the_late_answer_of_the_first_of_two_unanswered_messages_is_not_the_seconds() -> None:
    """The first one used to be forgotten: its answer was the second one's, and so on."""
    late = owing(OLDER, NEWER)
    assert late.late(7, 0.0) == []
    assert late.late(8, 0.0) == [receipt(OLDER, 7), receipt(NEWER, 8)]


@pytest.mark.parametrize("whose", [OLDER, NEWER])
def test_a_report_tells_which_of_two_messages_was_answered(whose: Sms) -> None:
    late = owing(OLDER, NEWER)
    late.late(7, 0.0)
    assert late.holds(0.0)
    assert late.reported(report(7, whose)) == [receipt(whose, 7)]
    assert not late.holds(0.0)
    assert late.expected(0.0) == (whose is OLDER)


def test_what_is_known_of_one_answer_may_decide_others() -> None:
    late = LateAnswers()
    sends(late, 4)
    loses(late, OLDER, NEWER)
    submits(late, NEWEST)
    late.answered(5, 0.0)
    late.late(6, 0.0)
    assert late.undecided
    assert late.reported(report(5, OLDER)) == [receipt(OLDER, 5)]
    assert late.undecided  # the second or the third
    assert late.late(7, 0.0) == [receipt(NEWER, 6)]
    assert late.own == 7


def test_a_modem_that_does_not_count_gets_no_third_message_before_one_of_two_is_settled() -> None:
    late = owing(OLDER)
    assert not late.holds(0.0)
    loses(late, NEWER, until=200.0)
    assert late.holds(99.0)
    assert not late.holds(100.0)


def test_a_modem_that_counts_gets_another_message_until_there_are_too_many() -> None:
    late = LateAnswers()
    sends(late, 4)
    for _ in range(MOST):
        assert not late.holds(0.0)
        loses(late, OLDER)
    assert late.holds(0.0)


def test_what_is_undecided_is_kept_though_the_modem_answers_in_order() -> None:
    late = owing(OLDER, NEWER)
    late.late(7, 0.0)
    late.passed()
    late.in_order()
    assert late.expected(0.0) == 2


def test_a_report_that_contradicts_the_order_is_no_evidence() -> None:
    late = LateAnswers()
    loses(late, OLDER, NEWER, NEWEST)
    late.late(7, 0.0)
    late.late(8, 0.0)
    assert late.reported(report(7, NEWEST)) == []
    assert late.late(NO, 0.0) == [receipt(OLDER, 7), receipt(NEWER, 8), LateAnswer(NEWEST, NO)]


# --- what an earlier run left -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [True, False])
def test_a_report_says_the_reference_of_the_only_message_to_its_recipient(*, alone: bool) -> None:
    """The answer to the next message used to be open for as long as the older one might still be answered."""
    late = LateAnswers()
    submits(late, OLDER, alone=alone)
    late.unanswered()
    assert late.reported(report(7, OLDER)) == []
    assert late.reported(report(7, OLDER)) == []  # on its way, and then delivered
    assert late.expected(0.0) == (not alone)
    submits(late, NEWER)
    assert late.answered(8, 0.0) == []
    assert late.own == (8 if alone else None)


def test_what_a_report_has_named_may_still_be_answered() -> None:
    late = LateAnswers()
    submits(late, OLDER, alone=True)
    late.unanswered()
    late.reported(report(7, OLDER))
    submits(late, NEWER)
    assert late.is_anothers(7)
    assert late.late(7, 0.0) == [receipt(OLDER, 7)]


def test_a_report_that_comes_behind_an_open_answer_decides_it() -> None:
    late = LateAnswers()
    submits(late, OLDER, alone=True)
    late.unanswered()
    submits(late, NEWER)
    assert late.answered(8, 0.0) == []
    assert late.own is None
    assert late.reported(report(7, OLDER)) == []
    assert late.own == 8


def test_a_report_is_not_the_older_messages_if_another_has_gone_to_its_recipient() -> None:
    late = LateAnswers()
    submits(late, OLDER, alone=True)
    late.unanswered()
    submits(late, OLDER)
    late.reported(report(8, OLDER))
    assert late.expected(0.0)
