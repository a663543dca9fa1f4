"""When a session is refreshed, on its own: see test_agent.py for what is sent."""

from drivers.sip.call import State
from drivers.sip.session_timers import GLARE_S, SessionTimers
from tests.drivers.sip.test_agent import agent, answered


def test_only_a_call_that_stands_is_tried_again() -> None:
    call, _ = answered(agent())
    timers = SessionTimers()
    timers.try_again(call, 10.0)
    assert (timers.deadline(), timers.due(10.0 + GLARE_S)) == (10.0 + GLARE_S, [call.call_id])
    timers.forget(call)
    call.state = State.ENDED
    timers.try_again(call, 20.0)
    assert (timers.deadline(), timers.due(100.0)) == (float("inf"), [])


def test_a_session_that_is_not_ours_to_keep_is_not_planned() -> None:
    call, _ = answered(agent())
    timers = SessionTimers()
    timers.plan(call, 1.0)
    assert call.dialog is not None
    call.dialog.refresh_s = 45.0
    timers.plan(call, 1.0)
    timers.plan(call, 2.0)
    assert timers.deadline() == 46.0
    timers.begin_again(call, 10.0)
    assert timers.deadline() == 55.0
    call.dialog.refresh_s = None
    timers.plan(call, 11.0)
    assert timers.deadline() == float("inf")
