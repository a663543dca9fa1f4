"""The words that stand in databases and answers, and what is so while nobody says otherwise."""

from daemon.core.model import AttemptState, Channel, Note, Status
from tests.daemon.core.story import request, started


def test_what_is_stored_keeps_its_word() -> None:
    """A database of an earlier version is read by these, and Verify's callers compare them."""
    assert list(Status) == ["IN PROGRESS", "SUCCESS", "FAILED", "EXPIRED", "CANCELLED"]
    states = "queued requeued sending sent delivered refused uncertain failed dropped"
    assert list(AttemptState) == states.split()
    assert list(Channel) == ["sms", "tts"]


def test_a_request_has_what_the_reference_says_where_its_caller_says_nothing() -> None:
    new = request(1)
    assert (new.sender_id, new.sealed_pin, new.own_pin) == ("VERIFY", "", False)
    assert (new.account, new.key_number, new.wrong, new.attempts) == ("", 1, 0, ())


def test_an_attempt_begins_without_a_device_and_a_line_of_the_history_is_logged() -> None:
    [attempt] = started(request(1)).attempts
    assert (attempt.device, attempt.reference, attempt.detail, attempt.tries) == ("", "", "", 0)
    assert Note("sent").logged
