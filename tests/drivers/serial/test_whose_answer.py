"""Whose answer it is, when an older message is unanswered."""

import pytest

from drivers import Delivery, Refused, StatusReport
from drivers.serial.whose_answer import Ambiguity, References

OLDER, NEWER = "447700900123", "447700900145"
NO = Refused("CMS 1: unassigned number")


def counted(*references: int) -> References:
    count = References()
    for reference in references:
        count.seen(reference)
    return count


def report(reference: int, number: str) -> StatusReport:
    return StatusReport(reference, number, Delivery.DELIVERED, 0)


def ambiguity(first: int | Refused = 7, expected: int | None = None) -> Ambiguity:
    return Ambiguity(OLDER, NEWER, first, expected)


@pytest.mark.parametrize(
    ("references", "following"),
    [((), None), ((7,), 8), ((7, 8), 9), ((254, 255), 0), ((255, 0), 1), ((7, 9), None), ((0, 0), None)],
)
def test_what_follows_is_known_until_a_modem_is_seen_to_count_otherwise(
    references: tuple[int, ...], following: int | None
) -> None:
    assert counted(*references).following == following


@pytest.mark.parametrize(("first", "second"), [(7, 8), (NO, 8), (7, NO)])
def test_of_two_answers_the_first_is_the_older_messages(first: int | Refused, second: int | Refused) -> None:
    found = ambiguity(first)
    assert found.open
    found.second = second
    assert not found.open
    assert found.answers() == (first, second)


@pytest.mark.parametrize(("first", "second"), [(8, 7), (0, 255)])
def test_two_references_that_count_down_are_the_newer_messages_and_the_older_ones(first: int, second: int) -> None:
    """They used to be swapped, and with them the delivery reports."""
    found = ambiguity(first)
    found.second = second
    assert found.answers() == (second, first)


@pytest.mark.parametrize(("first", "expected"), [(8, 7), (0, 255)])
def test_a_reference_that_skips_the_older_messages_is_the_newer_ones(first: int, expected: int) -> None:
    found = ambiguity(first, expected)
    assert not found.open
    assert found.answers() == (None, first)


@pytest.mark.parametrize(("first", "expected"), [(7, 7), (9, 7), (7, None), (NO, 7)])
def test_any_other_reference_leaves_it_open(first: int | Refused, expected: int | None) -> None:
    assert ambiguity(first, expected).open


def test_a_report_tells_whose_reference_it_is() -> None:
    found = ambiguity()
    found.reported(report(7, NEWER))
    assert not found.open
    assert found.answers() == (None, 7)


def test_once_a_report_gives_it_to_the_older_message_the_newer_one_is_waited_for() -> None:
    found = ambiguity()
    found.reported(report(7, OLDER))
    assert found.open
    assert found.answers() == (7, None)
    found.second = 8
    assert found.answers() == (7, 8)


def test_reports_of_other_messages_tell_nothing() -> None:
    found = ambiguity()
    found.reported(report(8, NEWER))
    found.reported(report(7, "447700900199"))
    assert found.open
    assert found.answers() == (None, None)


def test_a_report_of_a_message_that_went_out_again_is_the_newer_ones() -> None:
    same = Ambiguity(OLDER, OLDER, 7)
    assert same.open
    same.reported(report(7, OLDER))
    assert same.answers() == (None, 7)


@pytest.mark.parametrize("first", [7, NO])
def test_an_answer_that_stays_alone_proves_nothing(first: int | Refused) -> None:
    assert ambiguity(first).answers() == (None, None)


# A modem used to be believed only after two messages, so that an answer that was lost early cost three minutes.
@pytest.mark.parametrize(("before", "following"), [((7, 8), 11), ((7, 9), None)])
def test_after_a_message_without_a_reference_the_count_begins_with_the_next(
    before: tuple[int, ...], following: int | None
) -> None:
    count = counted(*before)
    count.lose_count()
    assert count.following is None
    count.seen(10)
    assert count.following == following


def test_no_recipient_shows_in_a_repr() -> None:
    found = ambiguity()
    found.reported(report(7, NEWER))
    assert "4477" not in repr(found)
