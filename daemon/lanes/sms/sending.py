"""One message: its text, its way through a driver, and what the answer says of the modem and of the recipient."""

import asyncio
import logging
import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from daemon.core.attempt_states import STATES
from daemon.core.held_recipients import SEVERAL, Holds
from daemon.core.model import Attempt, Request, Verdict
from daemon.core.overload import Load
from daemon.engine import Engine, Job
from daemon.lanes.sms.driver_answers import Judgement, Unsettled, judged, settle
from daemon.lanes.sms.modem_slot import ModemSlot
from daemon.lanes.sms.trial_messages import TrialMessages
from drivers import Deferred, DriverError, Receipt, Sms, Unavailable, Uncertain

log = logging.getLogger("pinwheel.lanes")

TOO_LATE = "too late"  # among a modem's outcomes: the network took the message after its PIN's death

SmsText = Callable[[Request, str], str]
"""The text of a request's SMS with this PIN in it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a driver has."""

    slot: ModemSlot
    job: Job
    sms: Sms
    request: Request


class Sender:
    """Every method is for the event loop's thread. text, flash: may be replaced at any time."""

    def __init__(
        self, engine: Engine, tests: TrialMessages, holds: Holds, load: Load, text: SmsText, *, flash: bool
    ) -> None:
        self._engine = engine
        self.unsettled = Unsettled()
        self._tests = tests
        self._holds = holds
        self._load = load
        self.text = text
        self.flash = flash
        self._long: set[tuple[str, str]] = set()  # locale and brand whose text takes several parts

    def message(self, request: Request, attempt: Attempt) -> Sms:
        """What a modem gets; the network keeps trying as long as the PIN is valid."""
        pin = self._engine.pins.of(request, attempt.generation)
        validity_s = math.ceil(self._engine.clock.real_s(attempt.not_after - self._engine.clock.now()))
        return Sms(request.number, self.text(request, pin), validity_s, self.flash)

    async def send(self, slot: ModemSlot, job: Job, request: Request, attempt: Attempt) -> None:
        """Until the driver has answered, and the answer is on its way to the store."""
        sent = Sent(slot, job, self.message(request, attempt), request)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def answered(answer: Future[Receipt]) -> None:
            """On the driver's thread. What comes after it, say a late answer, is handled after it."""
            loop.call_soon_threadsafe(self._answered, sent, answer, done)

        slot.driver.send(sent.sms).add_done_callback(answered)
        await done

    def _answered(self, sent: Sent, future: Future[Receipt], done: "asyncio.Future[None]") -> None:
        slot, failure = sent.slot, future.exception()
        if failure is not None and not isinstance(failure, DriverError):
            log.error("modem=%s request=%s driver=failed", slot.name, sent.job.request_id, exc_info=failure)
            failure = Uncertain("a defect of the driver: report the log")
        answer = future.result() if failure is None else failure
        if not done.done():
            done.set_result(None)  # first, so that the next message begins in the commit that settles this one
        if isinstance(answer, Uncertain):
            self.unsettled.add(slot, sent.sms, sent.job)
        self._engine.do(settle(slot, sent.job, self._judged(sent, answer)))

    def _judged(self, sent: Sent, answer: Receipt | DriverError) -> Judgement:
        """The answer as a verdict; and what it says of the modem and of the recipient."""
        if isinstance(answer, Receipt):
            self._taken(sent, answer)
        else:
            sent.slot.last_error = (self._engine.clock.now(), str(answer))
            self._not_taken(sent, answer)
        result = judged(answer)
        late = result.verdict is Verdict.TAKEN and self._engine.clock.now() >= sent.job.not_after
        sent.slot.record.outcomes[TOO_LATE if late else STATES[result.verdict]] += 1
        return result

    def _taken(self, sent: Sent, receipt: Receipt) -> None:
        slot, now = sent.slot, self._engine.clock.monotonic()
        slot.pace.took(now, now - slot.turned_at, len(receipt.references))
        slot.record.durations.observe(now - slot.turned_at)
        slot.reporting.taken(now)
        slot.watch_reports(now)
        slot.resting.works()
        slot.deferred.clear()
        self._holds.taken(sent.request.number)
        self._tests.forget(slot, sent.request.number, receipt.references[-1])
        if self._engine.clock.now() < sent.job.not_after:
            self._load.sent(now)
        self._measure(sent.request, receipt)

    def _not_taken(self, sent: Sent, failure: DriverError) -> None:
        slot, now = sent.slot, self._engine.clock.monotonic()
        if isinstance(failure, Deferred | Uncertain):
            slot.pace.took_in_vain(now, now - slot.turned_at)
        if isinstance(failure, Deferred):
            self._deferred(slot, sent.request.number, failure, now)
        elif isinstance(failure, Unavailable | Uncertain):
            slot.fails(failure, now)
        else:
            slot.resting.works()
        if not isinstance(failure, Unavailable):
            self._holds.taken(sent.request.number)

    def _deferred(self, slot: ModemSlot, number: str, failure: Deferred, now: float) -> None:
        """The network did not take it: that is the recipient's fault, or, of several in a row, the SIM's."""
        if len(slot.deferred) < SEVERAL:
            slot.deferred.add(number)
        if len(slot.deferred) == SEVERAL:
            slot.fails(failure, now)
        self._holds.deferred(number, now, str(failure))

    def _measure(self, request: Request, receipt: Receipt) -> None:
        """Log once what costs more than one SMS."""
        what = (request.locale, request.brand)
        if len(receipt.references) > 1 and what not in self._long:
            self._long.add(what)
            log.warning("locale=%s brand=%r parts=%s: each PIN costs so many SMS", *what, len(receipt.references))
