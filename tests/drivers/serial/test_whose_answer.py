"""Whose answer it is, when several messages are unanswered."""

import pytest

from drivers import Refused, Sms
from drivers.serial.reports import Message
from drivers.serial.whose_answer import (
    UNCOUNTED,
    Answer,
    Arrived,
    References,
    Unanswered,
    counted_from,
    possible,
    the_owner,
)

OLDER, NEWER = "447700900123", "447700900145"
NO = Refused("CMS 1: unassigned number")


def counted(*references: int) -> References:
    count = References()
    for place, reference in enumerate(references, 1):
        count.seen(place, reference)
    return count


def unanswered(place: int, *among: int, number: str = OLDER, overtaken: bool = False) -> Unanswered:
    message = Unanswered(place, Sms(number, "x", 300), Message(number, 1), 100.0, frozenset(among) or None)
    message.overtaken = overtaken
    return message


def places(arrived: list[Arrived], *owed: Unanswered, counted: bool = True) -> set[tuple[int, ...]]:
    return {tuple(owner.place for owner in owners) for owners in possible(arrived, owed, counted=counted)}


# --- how a modem counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("references", "among"),
    [((), None), ((7,), {8}), ((7, 8), {9}), ((254, 255), {0}), ((255, 0), {1}), ((7, 9), None), ((0, 0), None)],
)
def test_what_follows_is_known_until_a_modem_is_seen_to_count_otherwise(
    references: tuple[int, ...], among: set[int] | None
) -> None:
    assert counted(*references).of(len(references) + 1) == (None if among is None else frozenset(among))


def test_a_modem_that_counts_again_is_believed_again() -> None:
    assert counted(7, 9, 10).of(4) == frozenset({11})


# A modem used to be believed only after two messages, so that an answer that was lost early cost three minutes.
def test_each_message_without_a_reference_may_have_had_one() -> None:
    count = counted(7, 8)
    assert count.of(5) == frozenset({9, 10, 11})
    count.seen(5, 10)
    assert count.of(6) == frozenset({11})
    count.seen(8, 42)
    assert count.of(9) is None


def test_what_was_learned_late_changes_the_count_only_of_what_is_older() -> None:
    count = counted(7, 8)
    count.seen(1, 99)
    assert count.of(3) == frozenset({9})


def test_behind_many_messages_without_a_reference_the_count_is_not_known() -> None:
    assert counted(7).of(1 + UNCOUNTED) is not None
    assert counted(7).of(2 + UNCOUNTED) is None


@pytest.mark.parametrize(
    ("known", "reference", "place", "among"),
    [(3, 7, 4, {8}), (3, 254, 5, {255, 0}), (3, 7, 2, {6}), (3, 1, 1, {0, 255}), (3, 7, 3, set())],
)
def test_a_reference_says_what_those_of_the_messages_beside_it_can_be(
    known: int, reference: int, place: int, among: set[int]
) -> None:
    assert counted_from(known, reference, place) == among


# --- who may own what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "among", "overtaken", "may"),
    [
        (7, (), False, True),
        (7, (7, 8), False, True),
        (9, (7, 8), False, False),
        (NO, (7,), False, True),
        (NO, (7,), True, False),
        (None, (7,), True, False),
        (7, (7,), True, True),
    ],
)
def test_a_message_may_get_the_references_that_it_can_have(
    answer: Answer | None, among: tuple[int, ...], overtaken: bool, may: bool
) -> None:
    assert unanswered(1, *among, overtaken=overtaken).may_get(answer) == may


def test_a_reported_reference_is_that_of_a_message_to_the_recipient_if_there_is_one() -> None:
    older, newer = unanswered(1), unanswered(2, number=NEWER)
    assert Arrived(7, reported=NEWER).owners([older, newer]) == [newer]
    assert Arrived(7, reported="447700900199").owners([older, newer]) == [older, newer]
    assert Arrived(7, owner=older).owners([newer]) == [older]


@pytest.mark.parametrize(("first", "second"), [(7, 8), (NO, 8), (7, NO), (7, 7)])
def test_of_two_answers_the_first_is_the_older_messages(first: Answer, second: Answer) -> None:
    assert places([Arrived(first), Arrived(second)], unanswered(1), unanswered(2)) == {(1, 2)}


@pytest.mark.parametrize(("first", "second"), [(8, 7), (0, 255)])
def test_two_references_that_count_down_are_the_newer_messages_and_the_older_ones(first: int, second: int) -> None:
    """They used to be swapped, and with them the delivery reports."""
    arrived = [Arrived(first), Arrived(second)]
    assert places(arrived, unanswered(1), unanswered(2)) == {(2, 1)}
    assert places(arrived, unanswered(1), unanswered(2), counted=False) == {(1, 2)}


def test_of_two_answers_to_three_messages_no_owner_is_sure() -> None:
    arrived = [Arrived(7), Arrived(8)]
    owed = [unanswered(place) for place in (1, 2, 3)]
    assert places(arrived, *owed) == {(1, 2), (1, 3), (2, 3)}
    assert places([*arrived, Arrived(9)], *owed) == {(1, 2, 3)}


def test_what_was_overtaken_comes_at_any_time_but_once() -> None:
    owed = [unanswered(1, 5, overtaken=True), unanswered(2, 6, 7)]
    assert places([Arrived(NO), Arrived(5)], *owed) == {(2, 1)}
    assert places([Arrived(5), Arrived(6)], *owed) == {(1, 2)}
    assert places([Arrived(5), Arrived(5)], *owed) == set()


def test_an_answer_has_an_owner_where_only_one_is_possible() -> None:
    older, newer = unanswered(1), unanswered(2)
    assert the_owner(0, Arrived(7), [(older,)]) is older
    assert the_owner(0, Arrived(7), [(older,), (newer,)]) is None


def test_a_report_of_a_message_that_went_out_again_is_the_newer_ones() -> None:
    older, newer = unanswered(1), unanswered(2)
    assert the_owner(0, Arrived(7, reported=OLDER), [(older,), (newer,)]) is newer


def test_a_report_tells_nothing_of_two_messages_to_one_recipient() -> None:
    """The newer one used to count as sent: its PIN may be another."""
    older, newer = unanswered(1), unanswered(2)
    newer.sms = Sms(OLDER, "another PIN", 300)
    assert the_owner(0, Arrived(7, reported=OLDER), [(older,), (newer,)]) is None


def test_no_recipient_shows_in_a_repr() -> None:
    assert "4477" not in repr([Arrived(7, unanswered(1), OLDER), unanswered(2)])
