"""Which attempt a status report may mean; which of several it means is asked of a batch, in test_working_set.py."""

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.batch import ReportKey
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Attempt, AttemptState, Channel
from daemon.core.report_match import may_mean
from tests.daemon.core.story import ABROAD as NUMBER

KEY = ReportKey(NUMBER, NUMBER[-7:], "7", "sim1", s(1))
ATTEMPT = Attempt(0, Channel.SMS, 1, s(300), s(2), AttemptState.SENT, 1, "sim1", "7")
UNANSWERED = replace(ATTEMPT, state=AttemptState.SENDING, reference="")


@pytest.mark.parametrize(
    ("number", "attempt", "key", "meant"),
    [
        (NUMBER, ATTEMPT, {}, True),
        (NUMBER, UNANSWERED, {}, True),
        (NUMBER, replace(UNANSWERED, state=AttemptState.REQUEUED), {}, True),
        (NUMBER, replace(UNANSWERED, state=AttemptState.UNCERTAIN), {}, True),
        (NUMBER, replace(UNANSWERED, state=AttemptState.QUEUED), {}, False),
        (NUMBER, replace(UNANSWERED, state=AttemptState.FAILED), {}, False),
        (NUMBER, replace(ATTEMPT, reference="8"), {}, False),
        (NUMBER, replace(UNANSWERED, reference="8"), {}, False),  # of an earlier try
        (NUMBER, replace(ATTEMPT, device="sim2"), {}, False),
        (NUMBER, replace(ATTEMPT, queued_at=s(1)), {}, True),
        (NUMBER, replace(ATTEMPT, queued_at=s(1) - s(0.001)), {}, False),
        (NUMBER, replace(ATTEMPT, device=""), {"device": ""}, False),
        ("99" + NUMBER[-7:], ATTEMPT, {}, True),  # in the network's form
        ("99" + NUMBER[-7:], UNANSWERED, {}, False),
        ("99" + NUMBER[-7:], UNANSWERED, {"reference": ""}, False),
        ("99" + NUMBER[-7:], ATTEMPT, {"ending": ""}, False),
        ("99" + NUMBER[-7:], replace(ATTEMPT, reference="8"), {}, False),
        ("447700900999", ATTEMPT, {}, False),
        ("447700900999", UNANSWERED, {}, False),
    ],
)
def test_which_attempt_a_report_may_mean(number: str, attempt: Attempt, key: dict[str, Any], *, meant: bool) -> None:
    assert may_mean(KEY._replace(**key), number, attempt) is meant
