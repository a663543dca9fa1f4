"""What the log says of devices."""

import logging

import pytest

from daemon.lanes.state_log import StateLog
from drivers import DeviceState, TrunkStatus


def test_a_state_is_logged_when_it_changes_and_not_each_time_it_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """There used to be the same line two or three times in the journal of each start."""
    caplog.set_level(logging.INFO)
    states = StateLog("voice", "pyvoip")
    starting, ready = TrunkStatus(DeviceState.STARTING), TrunkStatus(DeviceState.READY)
    for status in (starting, starting, ready, ready, TrunkStatus(DeviceState.WAITING, "a"), ready):
        states.see(status)
    assert [record.getMessage().partition("state=")[2] for record in caplog.records] == [
        "starting detail=''",
        "ready detail=''",
        "waiting detail='a'",
        "ready detail=''",
    ]
