"""The core's `replace` does what the standard library's does."""

import dataclasses

import pytest

from daemon.core.fast_replace import replace
from daemon.core.model import AttemptState, Status
from tests.daemon.core.story import request, started

REQUEST = started(request(1))
ATTEMPT = REQUEST.attempts[0]


def test_some_fields_are_changed_and_the_others_stay() -> None:
    for changes in ({}, {"status": Status.FAILED}, {"wrong": 2, "attempts": ()}):
        assert replace(REQUEST, **changes) == dataclasses.replace(REQUEST, **changes)
    sent = replace(ATTEMPT, state=AttemptState.SENT, reference="7")
    assert sent == dataclasses.replace(ATTEMPT, state=AttemptState.SENT, reference="7")
    assert ATTEMPT.state is AttemptState.QUEUED


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError):
        replace(ATTEMPT, number="1")
    with pytest.raises(AttributeError):
        ATTEMPT.number = "1"  # type: ignore[attr-defined]
