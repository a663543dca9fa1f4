"""The lane of messages: one queue, earliest deadline first, in front of a pool of modems.

A message goes to the healthy modem that has been idle longest. What its modem could not send goes back and on to the
next; what the network did not take for one recipient holds only that recipient, until several in a row fail alike.
All decisions are taken in `_dispatch`, which runs whenever something may have changed.
"""

import asyncio
import bisect
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from daemon.config import Modem
from daemon.core.holds import HOLD_S, SEVERAL, Holds
from daemon.core.model import Attempt, AttemptState, Request
from daemon.core.quota import MONTH_S, Quota
from daemon.engine import STORE_AGAIN_S, Engine, Job, Outcome
from daemon.lanes.news import log_state
from daemon.lanes.sms.slots import REST_S, Duty, ModemSlot, NoSuchModem, duty_key, limits
from daemon.store import StoreUnusable
from drivers import (
    REFERENCES,
    Deferred,
    Delivery,
    DeviceState,
    DriverError,
    IncomingSms,
    LateAnswer,
    Receipt,
    Refused,
    Sms,
    SmsDriver,
    SmsEvent,
    SmsListener,
    StatusReport,
    Unavailable,
    Uncertain,
)

log = logging.getLogger("pinwheel.lanes")

REPORT_WINDOW_S = 2 * 86_400  # TP-MR wraps at 256, so a report is matched only with recent messages
LOOK_AGAIN_S = 5.0  # at a queue that a quota or a rest holds up
SCANNED = 100  # messages from the front of the queue, where quotas pass some over
FINISH_S = 2.0  # at the end, to record what the drivers gave back

SmsText = Callable[[Request, str], str]
"""The text of a request's SMS with this PIN in it."""

ERROR_STATES: dict[type[DriverError], AttemptState] = {
    Refused: AttemptState.REFUSED,
    Unavailable: AttemptState.QUEUED,
    Uncertain: AttemptState.UNCERTAIN,
}

REPORTED = {Delivery.DELIVERED: AttemptState.DELIVERED, Delivery.FAILED: AttemptState.FAILED}
"""A network that still tries is no news."""

Told = tuple[AttemptState, str, str]
"""A driver's answer as the attempt's state, the message reference, and what an operator should know."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of a test message. report: the last that came in time."""

    sent_s: float
    references: tuple[int, ...]
    report: Delivery | None
    report_s: float | None


def _told(answer: Receipt | DriverError) -> Told:
    if isinstance(answer, Receipt):
        return AttemptState.SENT, str(answer.references[-1]), ""
    return next(state for kind, state in ERROR_STATES.items() if isinstance(answer, kind)), "", str(answer)


class SmsLane:
    """Every method is for the event loop's thread."""

    def __init__(
        self, engine: Engine, modems: Sequence[tuple[SmsDriver, Modem]], text: SmsText, *, flash: bool = False
    ) -> None:
        self.slots = [ModemSlot(driver, modem, Quota(limits(modem))) for driver, modem in modems]
        self._engine = engine
        self._text = text
        self._flash = flash
        self._queue: list[tuple[float, int, Job]] = []  # sorted
        self._order = itertools.count()
        self._holds = Holds()
        self._tests: dict[tuple[str, str], asyncio.Queue[StatusReport]] = {}  # by modem and number
        self._tested: deque[tuple[str, str, int]] = deque(maxlen=REFERENCES)  # modem, number and TP-MR
        self._long: set[tuple[str, str]] = set()  # locale and brand whose text takes several parts
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None

    def open(self) -> None:
        now, reading = self._engine.clock.now(), self._engine.store.reading
        for slot in self.slots:
            for at, number in reading.sent_by(slot.name, now - MONTH_S):
                slot.quota.sent(min(at, now), number)  # a clock may have been ahead
            slot.duty = Duty(reading.meta(duty_key(slot)) or Duty.WORKING)
            if slot.duty is not Duty.DRAINED:
                slot.driver.open(self._listener(slot))

    async def close(self) -> None:
        """Let the message on the wire finish, and its result be recorded."""
        await asyncio.gather(*(asyncio.to_thread(slot.driver.close) for slot in self.slots))
        if self._look is not None:
            self._look.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_S)
        for task in self._tasks:
            task.cancel()

    def put(self, job: Job) -> None:
        wait_s = self._holds.wait_s(job.number, time.monotonic())
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._enqueue, job)
        else:
            self._enqueue(job)

    def stop(self, request_id: str) -> None:
        """Nothing to do: `begin` finds that the attempt was dropped; a message on the wire cannot be taken back."""

    @property
    def waiting(self) -> int:
        return len(self._queue)

    # --- who sends what ---

    def _enqueue(self, job: Job) -> None:
        self._insert(job)
        self._dispatch()

    def _insert(self, job: Job) -> None:
        bisect.insort(self._queue, (job.not_after, next(self._order), job))

    def _dispatch(self) -> None:
        """Give every free modem the first message that it may send."""
        self._drop_dead()
        now = time.monotonic()
        ready = [slot for slot in self.slots if slot.ready and not slot.busy]
        rested = (slot for slot in ready if slot.rest_until <= now)
        free = sorted(rested, key=lambda slot: (slot.last_choice_until > now, slot.idle_since))
        while free and self._queue:
            choice = self._choose(free)
            if choice is None:
                break
            place, slot = choice
            _, _, job = self._queue.pop(place)
            free.remove(slot)
            slot.busy = True
            slot.quota.begin(job.number)
            beginning = self._engine.begin(job.request_id, job.step, slot.name)  # in one commit with the last result
            task = asyncio.get_running_loop().create_task(self._deliver(slot, job, beginning), name=f"sms-{slot.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._queue:
            rests = (slot.rest_until - now for slot in ready if slot.rest_until > now)
            self._look_again(min([LOOK_AGAIN_S, *rests]))

    def _drop_dead(self) -> None:
        """Messages whose PIN has died while they waited, so that no queue grows and nothing stale bursts out."""
        now = self._engine.clock.now()
        while self._queue and self._queue[0][0] <= now:
            _, _, job = self._queue.pop(0)
            why = next((full for slot in self.slots if slot.ready and (full := slot.quota.full(now))), "")
            detail = "the PIN expired before a modem was free" + (why and f": {why} is reached")
            self._engine.settle(job.request_id, job.step, AttemptState.DROPPED, detail=detail)

    def _choose(self, free: list[ModemSlot]) -> tuple[int, ModemSlot] | None:
        """The place in the queue, and the modem, of what goes out next."""
        now = self._engine.clock.now()
        for slot in free:
            self._watch_quota(slot, now)
        for place, (_, _, job) in enumerate(self._queue[:SCANNED]):
            for slot in sorted(free, key=lambda slot: job.number in slot.deferred):  # another first, if there is one
                if slot.quota.allows(now, job.number):
                    return place, slot
        return None

    def _watch_quota(self, slot: ModemSlot, now: float) -> None:
        """Say once that a limit is reached, and once that it is not any more."""
        full = slot.quota.full(now)
        if full != slot.full:
            slot.full = full
            log.warning("modem=%s quota=%r", slot.name, f"{full} is reached" if full else "messages go out again")

    def _look_again(self, seconds: float) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = asyncio.get_running_loop().call_later(seconds, self._dispatch)

    # --- one message ---

    async def _deliver(self, slot: ModemSlot, job: Job, beginning: "asyncio.Future[Outcome]") -> None:
        parts, begun = 0, None
        try:
            begun = (await beginning).begun(job.step)
            if begun is not None:
                parts = await self._send(slot, job, *begun)
        except StoreUnusable:  # told by the store; nothing was sent
            slot.rest(STORE_AGAIN_S)
            self._insert(job)
        except Exception:
            log.exception("modem=%s request=%s lane=failed", slot.name, job.request_id)
            slot.rest(REST_S[-1])
            if begun is not None:
                self._settle(slot, job, (AttemptState.FAILED, "", "a defect: report the log"), parts=0)
        finally:
            slot.quota.end(self._engine.clock.now(), job.number, parts)
            slot.busy = False
            slot.idle_since = time.monotonic()
            self._dispatch()

    async def _send(self, slot: ModemSlot, job: Job, request: Request, attempt: Attempt) -> int:
        """The parts of it that may have gone out."""
        now = self._engine.clock.now()
        pin = self._engine.pin(request, attempt.generation)
        sms = Sms(request.number, self._text(request, pin), max(int(attempt.not_after - now), 1), self._flash)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()

        def answered(answer: Future[Receipt]) -> None:
            """On the driver's thread. What it tells later, say a late answer, is handled later, too."""
            loop.call_soon_threadsafe(self._answered, slot, (sms, job), request, answer, done)

        slot.driver.send(sms).add_done_callback(answered)
        return await done

    def _answered(
        self,
        slot: ModemSlot,
        asked: tuple[Sms, Job],
        request: Request,
        future: Future[Receipt],
        done: "asyncio.Future[int]",
    ) -> None:
        _, job = asked
        failure = future.exception()
        if failure is not None and not isinstance(failure, DriverError):
            log.error("modem=%s request=%s driver=failed", slot.name, job.request_id, exc_info=failure)
            failure = Uncertain("a defect of the driver: report the log")
        answer = future.result() if failure is None else failure
        parts = _parts(answer)
        if isinstance(answer, Receipt):
            self._forget_test(slot, request.number, answer.references[-1])
        if not done.done():
            done.set_result(parts)  # first, so that the next message begins in the commit that settles this one
        if isinstance(answer, Uncertain):
            slot.unsettled.append(asked)
        told = self._judged(slot, request, answer)
        slot.outcomes[told[0]] += 1
        self._settle(slot, job, told, parts)

    def _forget_test(self, slot: ModemSlot, number: str, reference: int) -> None:
        """TP-MR has wrapped: from now on it means another message to this number."""
        with contextlib.suppress(ValueError):
            self._tested.remove((slot.name, number, reference))

    def _settle(
        self, slot: ModemSlot, job: Job, told: Told, parts: int = 1, only: AttemptState | None = None
    ) -> "asyncio.Future[Outcome]":
        state, reference, detail = told
        return self._engine.settle(
            job.request_id,
            job.step,
            state,
            device=slot.name,
            reference=reference,
            detail=detail,
            parts=parts,
            only=only,
        )

    def _judged(self, slot: ModemSlot, request: Request, answer: Receipt | DriverError) -> Told:
        """The answer as the attempt's state; and what it says of the modem and of the recipient."""
        state, reference, detail = _told(answer)
        if isinstance(answer, DriverError):
            slot.last_error = (self._engine.clock.now(), detail)
        if isinstance(answer, Deferred):
            return self._deferred(slot, request, detail)
        if isinstance(answer, Unavailable | Uncertain):
            slot.fails()
        else:
            slot.works()
        if isinstance(answer, Unavailable):
            return state, reference, detail
        self._holds.taken(request.number)
        if isinstance(answer, Receipt):
            slot.deferred.clear()
            self._measure(request, answer)
        return state, reference, detail

    def _deferred(self, slot: ModemSlot, request: Request, detail: str) -> Told:
        """The network did not take it: that is the recipient's fault, or, of several in a row, the SIM's."""
        if len(slot.deferred) < SEVERAL:
            slot.deferred.add(request.number)
        sims = len(slot.deferred) == SEVERAL
        if sims:
            slot.fails()
        if self._holds.deferred(request.number, time.monotonic(), give_up=not sims) is None:
            detail = f"given up, the network did not take it {len(HOLD_S) + 1} times: {detail}"
            return AttemptState.FAILED, "", detail
        return AttemptState.QUEUED, "", detail

    def _measure(self, request: Request, receipt: Receipt) -> None:
        """Tell once what costs more than one SMS."""
        what = (request.locale, request.brand)
        if len(receipt.references) > 1 and what not in self._long:
            self._long.add(what)
            log.warning("locale=%s brand=%r parts=%s: each PIN costs so many SMS", *what, len(receipt.references))

    # --- news from the modem ---

    def _listener(self, slot: ModemSlot) -> SmsListener:
        """What a driver's thread calls: the news is handled in the loop."""
        loop = asyncio.get_running_loop()

        def listen(event: SmsEvent) -> Future[bool]:
            safe: Future[bool] = Future()
            loop.call_soon_threadsafe(self._heard, slot, event, safe)
            return safe

        return listen

    def _heard(self, slot: ModemSlot, event: SmsEvent, safe: Future[bool]) -> None:
        """safe: ends once the news is durable, if it has to be."""
        if isinstance(event, IncomingSms):
            log.info("modem=%s incoming=sms", slot.name)
            text = f"{slot.name} from {event.sender}: {event.text}"
            _when_durable(safe, self._engine.note("", None, "incoming", text, insist=not event.stored))
        elif isinstance(event, StatusReport):
            _when_durable(safe, self._report(slot, event))
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
        self._dispatch()

    def _answered_late(self, slot: ModemSlot, late: LateAnswer) -> None:
        """A late refusal changes only what policy has left uncertain; of what goes out again it is no news."""
        job = next((job for sms, job in slot.unsettled if sms is late.sms), None)
        if job is None:  # a test's
            if isinstance(late.answer, Receipt):
                self._tested.append((slot.name, late.sms.number, late.answer.references[-1]))
            return
        if isinstance(late.answer, Receipt):
            slot.works()
            self._settle(slot, job, _told(late.answer))
        elif not isinstance(late.answer, Uncertain):
            state, reference, detail = _told(late.answer)
            if state is AttemptState.QUEUED:  # by now another event may be under way
                state = AttemptState.FAILED
            settled = self._settle(slot, job, (state, reference, detail), 0, only=AttemptState.UNCERTAIN)
            settled.add_done_callback(partial(_take_back, slot))

    def _report(self, slot: ModemSlot, report: StatusReport) -> "asyncio.Future[Outcome] | None":
        """Give a delivery report to the test that waits for one, or credit it."""
        test = self._tests.get((slot.name, report.number))
        if test is not None:
            test.put_nowait(report)
        elif (slot.name, report.number, report.reference) not in self._tested:
            return self._credit(slot, report)
        return None

    def _credit(self, slot: ModemSlot, report: StatusReport) -> "asyncio.Future[Outcome] | None":
        """Credit a delivery report to the newest message that it can mean."""
        state = REPORTED.get(report.delivery)
        if state is None:
            return None
        since = self._engine.clock.now() - REPORT_WINDOW_S
        detail = "" if report.delivery is Delivery.DELIVERED else f"delivery report 0x{report.status:02x}"
        credited = self._engine.credit(
            report.number, str(report.reference), slot.name, since, state, detail, insist=not report.stored
        )
        credited.add_done_callback(lambda done: self._count(slot, state, done))
        return credited

    def _count(self, slot: ModemSlot, state: AttemptState, credited: "asyncio.Future[Outcome]") -> None:
        if credited.exception() is None and credited.result().actions:
            slot.outcomes[state] += 1

    # --- what operators ask ---

    def slot(self, name: str) -> ModemSlot:
        """Raises NoSuchModem."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise NoSuchModem(f"there is no modem {name!r}; there are: {', '.join(s.name for s in self.slots)}")

    async def set_duty(self, slot: ModemSlot, duty: Duty) -> None:
        """Pause, drain or resume; it lasts over a restart. Ends once a drained modem has let go of its port."""
        async with slot.turn:
            await self._engine.remember(duty_key(slot), duty)
            before, slot.duty = slot.duty, duty
            log.info("modem=%s duty=%s", slot.name, duty)
            if duty is Duty.DRAINED and before is not Duty.DRAINED:
                while slot.quota.under_way:
                    await asyncio.sleep(0.05)
                await asyncio.to_thread(slot.driver.close)
            elif duty is not Duty.DRAINED and (
                before is Duty.DRAINED or slot.driver.status().state is DeviceState.CLOSED
            ):
                slot.driver.open(self._listener(slot))
        self._dispatch()

    async def test(self, slot: ModemSlot, number: str, report_s: float) -> TestResult:
        """Send a message that belongs to no request, and wait so long for its report. Raises DriverError."""
        started, now = time.monotonic(), self._engine.clock.now()
        _insist_on_port(slot)
        if not slot.quota.allows(now, number):
            raise Unavailable(f"{slot.quota.full(now)} is reached")
        if (slot.name, number) in self._tests:
            raise Unavailable("a test to this number is under way: wait for its end")
        sms = Sms(number, f"Pinwheel: a test of the modem {slot.name}.", 300)
        reports = self._tests[slot.name, number] = asyncio.Queue()  # before it is sent: a report can be quick
        try:
            references = await self._send_test(slot, sms)
            self._tested.append((slot.name, number, references[-1]))
            sent_s = time.monotonic() - started
            delivery = await self._reported(slot, reports, references[-1], report_s)
        except Uncertain as exc:
            raise Uncertain(f"{exc}; the message may have been sent") from None
        finally:
            del self._tests[slot.name, number]
            while not reports.empty():
                self._report(slot, reports.get_nowait())
        return TestResult(sent_s, references, delivery, None if delivery is None else time.monotonic() - started)

    async def _reported(
        self, slot: ModemSlot, reports: asyncio.Queue[StatusReport], reference: int, within_s: float
    ) -> Delivery | None:
        """What the last report of a test says, once it is final or the time is over."""
        delivery: Delivery | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while delivery in (None, Delivery.TRYING):
                    report = await reports.get()
                    if report.reference == reference:
                        delivery = report.delivery
                    else:
                        self._credit(slot, report)  # it is another message's
        return delivery

    async def _send_test(self, slot: ModemSlot, sms: Sms) -> tuple[int, ...]:
        parts = 0
        slot.quota.begin(sms.number)
        try:
            await self._engine.count(slot.name, sms.number, sent=True)
            parts = 1  # unless the driver knows better
            receipt = await asyncio.wrap_future(slot.driver.send(sms))
        except DriverError as exc:
            slot.last_error = (self._engine.clock.now(), str(exc))
            parts = _parts(exc)
            if not parts:
                self._engine.count(slot.name, sms.number, sent=False)
            raise
        finally:
            slot.quota.end(self._engine.clock.now(), sms.number, parts)
        return receipt.references

    async def ask(self, slot: ModemSlot, command: str, timeout_s: float) -> tuple[str, ...]:
        """The modem's answer to a command of the driver's list. Raises DriverError."""
        _insist_on_port(slot)
        future = slot.driver.ask(command)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
        except TimeoutError:
            raise Unavailable("the modem is busy with a message: ask again later") from None


def _parts(answer: Receipt | DriverError) -> int:
    """How many SMS it may have been."""
    if isinstance(answer, Receipt):
        return len(answer.references)
    return answer.parts if isinstance(answer, Uncertain) else 0


def _take_back(slot: ModemSlot, settled: "asyncio.Future[Outcome]") -> None:
    """What was not sent after all does not count."""
    if not settled.cancelled() and settled.exception() is None and settled.result().actions:
        slot.quota.take_back()


def _when_durable(safe: Future[bool], committed: "asyncio.Future[Outcome] | None") -> None:
    if committed is None:
        safe.set_result(True)
    else:
        committed.add_done_callback(lambda done: safe.set_result(not done.cancelled() and done.exception() is None))


def _insist_on_port(slot: ModemSlot) -> None:
    """Raises Unavailable."""
    if slot.duty is Duty.DRAINED:
        raise Unavailable(f"it is drained: pinwheel modems resume {slot.name}")
