"""Rates of the last minute, on decisions with a clock in the hand."""

from dataclasses import replace

from daemon.core.commands import NOTHING, Decision
from daemon.core.milliseconds import seconds as s
from daemon.core.model import Status
from daemon.operations.last_minute import LastMinute, Rates
from tests.daemon.core.story import request

NEW = request(1)
VERIFIED, EXPIRED = replace(NEW, status=Status.SUCCESS), replace(NEW, status=Status.EXPIRED)
STARTED = Decision(before=None, after=NEW)


def test_a_request_counts_for_a_minute_from_its_start_and_from_its_end() -> None:
    recent = LastMinute()
    recent.see(STARTED, s(0))
    recent.see(STARTED, s(0.9))
    recent.see(Decision(before=NEW, after=NEW), s(1))
    recent.see(NOTHING, s(1))
    recent.see(Decision(before=NEW, after=VERIFIED), s(30))
    recent.see(Decision(before=NEW, after=EXPIRED), s(30))
    recent.see(Decision(before=VERIFIED, after=VERIFIED), s(31))
    assert recent.per_minute(s(59)) == Rates(started=2, verified=1, ended=2)
    assert recent.per_minute(s(60)) == Rates(started=0, verified=1, ended=2)
    assert recent.per_minute(s(90)) == Rates()


def test_what_is_kept_does_not_grow() -> None:
    recent = LastMinute()
    for second in range(1000):
        recent.see(STARTED, s(second))
        recent.see(STARTED, s(second))
    assert recent.per_minute(s(999)) == Rates(started=120)
    assert repr(recent).count("at=") == 60
