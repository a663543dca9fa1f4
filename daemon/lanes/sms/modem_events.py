"""What a modem says by itself: incoming messages, delivery reports, late answers, changes of its state."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future

from daemon.core.commands import AddNote, Decision
from daemon.engine import Engine
from daemon.lanes.sms.driver_answers import Unsettled, judged, settle_late
from daemon.lanes.sms.modem_slot import ModemSlot
from daemon.lanes.sms.reports import assign
from daemon.lanes.sms.trial_messages import TrialMessages
from daemon.lanes.state_log import StateLog
from drivers import DeviceState, IncomingSms, LateAnswer, Receipt, SmsEvent, SmsListener, StatusReport

log = logging.getLogger("pinwheel.lanes")


class ModemEvents:
    """look: called when a modem may have become able to send."""

    def __init__(self, engine: Engine, tests: TrialMessages, unsettled: Unsettled, look: Callable[[], None]) -> None:
        self._engine = engine
        self._tests = tests
        self._unsettled = unsettled
        self._look = look

    def listener(self, slot: ModemSlot) -> SmsListener:
        """What a driver's thread calls: the news is handled in the loop."""
        loop = asyncio.get_running_loop()
        states = StateLog("modem", slot.name, self._engine.clock)

        def listen(event: SmsEvent) -> Future[bool]:
            safe: Future[bool] = Future()
            loop.call_soon_threadsafe(self._handle, slot, states, event, safe)
            return safe

        return listen

    def _handle(self, slot: ModemSlot, states: StateLog, event: SmsEvent, safe: Future[bool]) -> None:
        """safe: ends once the news is durable, if it has to be."""
        if isinstance(event, IncomingSms) and self._tests.take_text(event.text):
            safe.set_result(True)
        elif isinstance(event, IncomingSms):
            log.info("modem=%s incoming=sms", slot.name)
            text = f"{slot.name} from {event.sender}: {event.text}"
            _when_durable(safe, self._engine.do(AddNote("", None, "incoming", text, insist=not event.stored)))
        elif isinstance(event, StatusReport):
            slot.reporting.reported()
            slot.watch_reports(self._engine.clock.monotonic())
            _when_durable(safe, None if self._tests.takes(slot, event) else assign(self._engine, slot, event))
        elif isinstance(event, LateAnswer):
            self._answered_late(slot, event)
        else:
            self._changed(slot, states)

    def _changed(self, slot: ModemSlot, states: StateLog) -> None:
        status = slot.driver.status()
        states.see(status)
        if status.detail:
            slot.last_error = (self._engine.clock.now(), status.detail)
        if status.state is DeviceState.READY:
            slot.resting.ready_again(self._engine.clock.monotonic())
        self._look()

    def _answered_late(self, slot: ModemSlot, late: LateAnswer) -> None:
        """What a late answer means for its message, the core knows; here it says that the modem works."""
        job = self._unsettled.job(slot, late.sms)
        if job is None:  # a test's
            self._tests.answered_late(slot, late)
            return
        if isinstance(late.answer, Receipt):
            slot.resting.works()
        self._engine.do(settle_late(slot, job, judged(late.answer)))


def _when_durable(safe: Future[bool], committed: "asyncio.Future[Decision] | None") -> None:
    if committed is None:
        safe.set_result(True)
    else:
        committed.add_done_callback(lambda done: safe.set_result(not done.cancelled() and done.exception() is None))
