"""What Verify v1 says of each outcome."""

from typing import get_args

import pytest

from daemon.api.v1_statuses import OUTCOMES, Sentence, sentence
from daemon.core.milliseconds import seconds as s
from daemon.core.outcomes import (
    Accepted,
    Busy,
    CodeExpired,
    EventHasRun,
    Gone,
    NothingMore,
    Outcome,
    TooEarly,
    Unknown,
    WrongCode,
    WrongTooOften,
)

SAID: list[tuple[Outcome, int, str]] = [
    (Accepted(), 0, ""),
    (Unknown(), 6, "The requested verification was not found or it has been verified already"),
    (Gone(), 6, "The requested verification was not found or it has been verified already"),
    (WrongCode(), 16, "The code inserted does not match the expected value"),
    (WrongTooOften(), 17, "A wrong code was provided too many times"),
    (NothingMore(), 19, "there are no more events left to trigger for this verification"),
    (CodeExpired(), 19, "the code of this verification has expired"),
    (TooEarly(s(30)), 19, "cannot be cancelled within the first 30 seconds"),
    (TooEarly(s(2.5)), 19, "cannot be cancelled within the first 2.5 seconds"),
    (EventHasRun(2), 19, "cannot be cancelled once event 2 has run"),
    (Busy(None), 10, "Concurrent verifications to the same number are not allowed"),
    (Busy("1f"), 10, "Concurrent verifications to the same number are not allowed"),
]


@pytest.mark.parametrize(("outcome", "code", "text"), SAID, ids=[type(row[0]).__name__ for row in SAID])
def test_an_outcome_has_the_code_and_the_text_of_the_reference(outcome: Outcome, code: int, text: str) -> None:
    """There used to be codes of v1 in the core, and its sentences in the engine."""
    assert sentence(outcome) == Sentence(code, text)  # type: ignore[arg-type]


def test_every_outcome_is_in_the_table() -> None:
    assert set(OUTCOMES) == set(get_args(Outcome)) == {type(row[0]) for row in SAID}
