"""What a modem says by itself: incoming messages, delivery reports, late answers, changes of its state."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from daemon.core.model import AttemptState
from daemon.engine import Engine, Result
from daemon.lanes.news import log_state
from daemon.lanes.sms.answers import Settlement, settle, settlement
from daemon.lanes.sms.reports import credit
from daemon.lanes.sms.slots import ModemSlot
from daemon.lanes.sms.testing import Tests
from drivers import DeviceState, IncomingSms, LateAnswer, Receipt, SmsEvent, SmsListener, StatusReport, Uncertain

log = logging.getLogger("pinwheel.lanes")


class News:
    """look: called when a modem may have become able to send."""

    def __init__(self, engine: Engine, tests: Tests, look: Callable[[], None]) -> None:
        self._engine = engine
        self._tests = tests
        self._look = look

    def listener(self, slot: ModemSlot) -> SmsListener:
        """What a driver's thread calls: the news is handled in the loop."""
        loop = asyncio.get_running_loop()

        def listen(event: SmsEvent) -> Future[bool]:
            safe: Future[bool] = Future()
            loop.call_soon_threadsafe(self._handle, slot, event, safe)
            return safe

        return listen

    def _handle(self, slot: ModemSlot, event: SmsEvent, safe: Future[bool]) -> None:
        """safe: ends once the news is durable, if it has to be."""
        if isinstance(event, IncomingSms):
            log.info("modem=%s incoming=sms", slot.name)
            text = f"{slot.name} from {event.sender}: {event.text}"
            _when_durable(safe, self._engine.note("", None, "incoming", text, insist=not event.stored))
        elif isinstance(event, StatusReport):
            slot.reporting.reported()
            slot.watch_reports()
            _when_durable(safe, None if self._tests.takes(slot, event) else credit(self._engine, slot, event))
        elif isinstance(event, LateAnswer):
            self._answered_late(slot, event)
        else:
            self._changed(slot)

    def _changed(self, slot: ModemSlot) -> None:
        status = slot.driver.status()
        log_state("modem", slot.name, status)
        if status.detail:
            slot.last_error = (self._engine.clock.now(), status.detail)
        if status.state is DeviceState.READY:
            slot.is_ready_again()
        self._look()

    def _answered_late(self, slot: ModemSlot, late: LateAnswer) -> None:
        """A late refusal changes only what policy has left uncertain; of what goes out again it is no news."""
        job = next((job for sms, job in slot.unsettled if sms is late.sms), None)
        if job is None:  # a test's
            self._tests.answered_late(slot, late)
            return
        if isinstance(late.answer, Receipt):
            slot.works()
            settle(self._engine, slot, job, settlement(late.answer))
        elif not isinstance(late.answer, Uncertain):
            refused = settlement(late.answer)
            if refused.state is AttemptState.QUEUED:  # by now another event may be under way
                refused = Settlement(AttemptState.FAILED, detail=refused.detail)
            recorded = settle(self._engine, slot, job, refused, 0, only=AttemptState.UNCERTAIN)
            recorded.add_done_callback(partial(_take_back, slot))


def _take_back(slot: ModemSlot, settled: "asyncio.Future[Result]") -> None:
    """What was not sent after all does not count."""
    if not settled.cancelled() and settled.exception() is None and settled.result().actions:
        slot.quota.take_back()


def _when_durable(safe: Future[bool], committed: "asyncio.Future[Result] | None") -> None:
    if committed is None:
        safe.set_result(True)
    else:
        committed.add_done_callback(lambda done: safe.set_result(not done.cancelled() and done.exception() is None))
