"""Which message a report means, and one report for a message of several parts."""

import pytest

from drivers import REFERENCES, Delivery, StatusReport
from drivers.serial.reports import Reports

NUMBER = "447700900123"
DELIVERED, FAILED, TRYING = 0x00, 0x46, 0x30


def report(reference: int, status: int = DELIVERED, number: str = NUMBER) -> StatusReport:
    kinds = {DELIVERED: Delivery.DELIVERED, FAILED: Delivery.FAILED, TRYING: Delivery.TRYING}
    return StatusReport(reference, number, kinds[status], status)


def sent(reports: Reports, *references: int, of: int = 2) -> Reports:
    reports.begin(NUMBER, of).references.extend(references)
    return reports


def test_a_report_of_a_message_of_one_part_is_its_own() -> None:
    assert sent(Reports(), 7, of=1).whole(report(7)) == report(7)


def test_a_message_is_delivered_when_all_its_parts_are_in_any_order() -> None:
    reports = sent(Reports(), 255, 0)
    assert reports.whole(report(0)) is None
    assert reports.whole(report(0)) is None  # some networks say it twice
    assert reports.whole(report(255)) == report(0)


def test_a_message_has_failed_when_a_part_has() -> None:
    assert sent(Reports(), 1, 2).whole(report(1, FAILED)) == report(2, FAILED)


def test_a_part_of_a_message_that_was_not_sent_whole_says_nothing() -> None:
    reports = sent(Reports(), 1)
    assert reports.whole(report(1)) is None
    assert reports.whole(report(1, FAILED)) is None


@pytest.mark.parametrize(
    ("early", "whole"),
    [
        ([report(1), report(2)], report(2)),
        ([report(1, FAILED), report(2)], report(2, FAILED)),
        ([report(2)], None),
        ([], None),
    ],
)
def test_reports_that_are_quicker_than_the_last_answer_come_with_it(
    early: list[StatusReport], whole: StatusReport | None
) -> None:
    reports = Reports()
    message = reports.begin(NUMBER, 2)
    message.references.append(1)
    assert [reports.whole(each) for each in early] == [None] * len(early)
    message.references.append(2)
    assert reports.sent(message) == whole


def test_a_network_that_still_tries_is_passed_on() -> None:
    assert sent(Reports(), 1, 2).whole(report(1, TRYING)) == report(1, TRYING)


def test_a_report_belongs_to_its_number_and_to_the_newest_of_its_messages() -> None:
    reports = sent(sent(Reports(), 1, 2), 1, 2)
    assert reports.whole(report(1, number="447700900145")) == report(1, number="447700900145")
    assert [reports.whole(report(1)), reports.whole(report(2))] == [None, report(2)]


def test_only_so_many_messages_are_remembered() -> None:
    reports = sent(Reports(), 1, 2)
    for _ in range(REFERENCES):
        reports.begin("447700900145", 2)
    assert reports.whole(report(1)) == report(1)


@pytest.mark.parametrize("written", ["07700900123", "7700900123", "00447700900123", "87700900123", NUMBER])
def test_a_recipient_in_national_form_is_the_number_that_it_was_sent_to(written: str) -> None:
    assert sent(Reports(), 7, of=1).in_full(report(7, number=written)) == report(7)


@pytest.mark.parametrize("written", ["900123", "0", "", "07700900124", "14477009001230"])
def test_another_recipient_is_another_message(written: str) -> None:
    assert sent(Reports(), 7, of=1).in_full(report(7, number=written)) == report(7, number=written)


def test_of_two_numbers_that_end_alike_the_one_with_the_reference_is_meant() -> None:
    reports = Reports()
    for number, reference in (("3545551234", 5), ("12125551234", 6)):
        reports.begin(number, 1).references.append(reference)
    assert reports.in_full(report(5, number="5551234")).number == "3545551234"
    assert reports.in_full(report(6, number="5551234")).number == "12125551234"
    assert (
        reports.in_full(report(9, number="5551234")).number == "3545551234"
    )  # a number whose country code is left out
    assert reports.in_full(report(6, number="3545551234")).number == "3545551234"  # written in full


@pytest.mark.parametrize("written", ["447701900123", "447100900123", "18005900123"])
def test_without_a_reference_a_number_that_is_alike_at_the_end_is_another_one(written: str) -> None:
    """A message that was never sent used to be delivered by the report of another recipient."""
    reports = Reports()
    reports.begin(NUMBER, 1)
    assert reports.in_full(report(7, number=written)).number == written


@pytest.mark.parametrize("written", ["07700900123", "7700900123", "00447700900123", "87700900123"])
def test_without_a_reference_a_recipient_in_national_form_is_known(written: str) -> None:
    reports = Reports()
    reports.begin(NUMBER, 1)
    assert reports.in_full(report(7, number=written)).number == NUMBER


def test_a_report_with_an_unknown_reference_says_nothing_of_a_message_that_was_not_sent_whole() -> None:
    reports = sent(Reports(), 1, of=3)
    assert reports.whole(report(2)) is None
    reports.begin(NUMBER, 1)  # newer, unanswered too, and whole
    assert reports.whole(report(2)) == report(2)


def test_a_report_with_an_unknown_reference_says_nothing_of_a_newer_message_that_was_sent_whole() -> None:
    reports = sent(sent(Reports(), 1), 5, 6)
    assert reports.whole(report(2, FAILED)) is None


def test_a_report_that_overtakes_its_parts_answer_counts() -> None:
    reports = Reports()
    message = reports.begin(NUMBER, 2)
    assert reports.whole(report(1)) is None
    message.references.extend([1, 2])
    assert reports.whole(report(2)) == report(2)


def test_a_message_of_one_part_is_not_taken_for_a_part_of_an_older_one() -> None:
    reports = sent(sent(Reports(), 1, 2), 1, of=1)
    assert reports.whole(report(1)) == report(1)
