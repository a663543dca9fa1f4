"""The lanes: what stands between the engine's deliveries and the devices of one channel.

A lane holds copies; rows are the truth. It asks the engine to make `sending` durable before a device is used, and
tells it what came of that: sent, delivered, refused, uncertain, failed, or queued again because nothing went out.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from daemon.config import Modem
from daemon.core.model import Attempt, AttemptState, Request
from daemon.core.phrases import speakable
from daemon.engine import Engine, Job
from daemon.prompts import PromptLibrary, PromptsUnusable
from drivers import (
    Call,
    CallHandle,
    CallOutcome,
    CallPhase,
    CallResult,
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
    StateChanged,
    StatusReport,
    Unavailable,
    Uncertain,
    VoiceDriver,
)

log = logging.getLogger("pinwheel.lanes")

HOUR_S, DAY_S, MONTH_S = 3600, 86_400, 30 * 86_400
REPORT_WINDOW_S = 2 * DAY_S  # TP-MR wraps at 256, so a report is matched only with recent messages
PAUSE_S = (0.5, 1, 2, 5, 10, 30)  # after one Unavailable, two in a row, ...
QUOTA_PAUSE_S = 10.0
GUARD_PAUSE_S = 1.0

SmsText = Callable[[Request, str], str]
"""The text of a request's SMS with this PIN in it."""


ERROR_STATES: dict[type[DriverError], AttemptState] = {
    Refused: AttemptState.REFUSED,
    Unavailable: AttemptState.QUEUED,
    Uncertain: AttemptState.UNCERTAIN,
}

# --- SMS ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ModemSlot:
    """A modem and what the lane knows of it."""

    driver: SmsDriver
    settings: Modem
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unsettled: tuple[Sms, Job] | None = None  # the last uncertain one: only that can still be answered


Told = tuple[AttemptState, str, str]
"""A driver's answer as the attempt's state, the message reference, and what an operator should know."""


def _told(answer: Receipt | DriverError) -> Told:
    if isinstance(answer, Receipt):
        return AttemptState.SENT, str(answer.references[-1]), ""
    return next(state for kind, state in ERROR_STATES.items() if isinstance(answer, kind)), "", str(answer)


class SmsLane:
    """One queue, earliest deadline first, and one worker a modem."""

    def __init__(self, engine: Engine, modems: Sequence[tuple[SmsDriver, Modem]], text: SmsText) -> None:
        self.slots = [ModemSlot(driver, settings) for driver, settings in modems]
        self._engine = engine
        self._text = text
        self._queue: asyncio.PriorityQueue[tuple[float, int, Job]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        loop = asyncio.get_running_loop()
        for slot in self.slots:
            slot.driver.open(self._listener(loop, slot))
            self._update(slot)
            self._tasks.append(loop.create_task(self._work(slot), name=f"sms-{slot.settings.name}"))

    def _listener(self, loop: asyncio.AbstractEventLoop, slot: ModemSlot) -> Callable[[SmsEvent], None]:
        """What a driver's thread calls: the news is handled in the loop."""

        def listen(event: SmsEvent) -> None:
            loop.call_soon_threadsafe(self._heard, slot, event)

        return listen

    async def close(self) -> None:
        """Let the message on the wire finish, and its result be recorded."""
        await asyncio.gather(*(asyncio.to_thread(slot.driver.close) for slot in self.slots))
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, job: Job) -> None:
        self._queue.put_nowait((job.not_after, next(self._order), job))

    def stop(self, request_id: str) -> None:
        """Nothing to do: `begin` finds that the attempt was dropped; a message on the wire cannot be taken back."""

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def _work(self, slot: ModemSlot) -> None:
        while True:
            await slot.ready.wait()
            if self._over_quota(slot):
                await asyncio.sleep(QUOTA_PAUSE_S)
                continue
            _, _, job = await self._queue.get()
            try:
                await self._deliver(slot, job)
            except Exception:
                log.exception("modem=%s request=%s lane=failed", slot.settings.name, job.request_id)
                await asyncio.sleep(GUARD_PAUSE_S)

    async def _deliver(self, slot: ModemSlot, job: Job) -> None:
        if not slot.ready.is_set():  # it was lost while we waited for work
            self.put(job)
            return
        begun = await self._engine.begin(job.request_id, job.step, slot.settings.name)
        if begun is None:
            return
        state, reference, detail = await self._send(slot, job, *begun)
        slot.outcomes[state] += 1
        self._engine.settle(job.request_id, job.step, state, reference=reference, detail=detail)
        slot.failures = slot.failures + 1 if state is AttemptState.QUEUED else 0
        if slot.failures:
            await asyncio.sleep(PAUSE_S[min(slot.failures, len(PAUSE_S)) - 1])

    async def _send(
        self, slot: ModemSlot, job: Job, request: Request, attempt: Attempt
    ) -> tuple[AttemptState, str, str]:
        pin = self._engine.pin(request, attempt.generation)
        validity_s = int(attempt.not_after - self._engine.clock.now())
        sms = Sms(request.number, self._text(request, pin), max(validity_s, 1))
        try:
            answer: Receipt | DriverError = await asyncio.wrap_future(slot.driver.send(sms))
        except DriverError as exc:
            answer = exc
        if isinstance(answer, Uncertain):
            slot.unsettled = (sms, job)
        return _told(answer)

    def _over_quota(self, slot: ModemSlot) -> bool:
        limits = (
            (slot.settings.hourly_limit, HOUR_S, 0),
            (slot.settings.daily_limit, DAY_S, 0),
            (slot.settings.monthly_recipients, MONTH_S, 1),
        )
        now = self._engine.clock.now()
        sent_by = self._engine.store.reading.sent_by
        return any(limit and sent_by(slot.settings.name, now - span_s)[what] >= limit for limit, span_s, what in limits)

    # --- news from the modem ---

    def _heard(self, slot: ModemSlot, event: SmsEvent) -> None:
        if isinstance(event, StatusReport):
            self._report(event)
        elif isinstance(event, LateAnswer):
            self._answered_late(slot, event)
        elif isinstance(event, IncomingSms):
            log.info("modem=%s incoming=sms", slot.settings.name)
        else:
            self._update(slot)

    def _update(self, slot: ModemSlot) -> None:
        status = slot.driver.status()
        log.info("modem=%s state=%s detail=%r", slot.settings.name, status.state, status.detail)
        if status.state is DeviceState.READY:
            slot.ready.set()
        else:
            slot.ready.clear()

    def _answered_late(self, slot: ModemSlot, late: LateAnswer) -> None:
        """Only good news changes an uncertain attempt: after a late refusal it has already been judged by policy."""
        state, reference, detail = _told(late.answer)
        if slot.unsettled is None or slot.unsettled[0] is not late.sms:
            return
        _, job = slot.unsettled
        slot.unsettled = None
        if state is AttemptState.SENT:
            self._engine.settle(job.request_id, job.step, state, reference=reference, detail=detail)

    def _report(self, report: StatusReport) -> None:
        """Credit a delivery report to the newest message that it can mean."""
        since = self._engine.clock.now() - REPORT_WINDOW_S
        found = self._engine.store.reading.attempt_by_reference(report.number, str(report.reference), since)
        states = {Delivery.DELIVERED: AttemptState.DELIVERED, Delivery.FAILED: AttemptState.FAILED}
        if found is None or report.delivery not in states:
            return
        detail = "" if report.delivery is Delivery.DELIVERED else f"delivery report 0x{report.status:02x}"
        self._engine.settle(*found, states[report.delivery], detail=detail)


# --- voice -------------------------------------------------------------------------------------------------

CALL_STATES: dict[CallOutcome, AttemptState] = {
    CallOutcome.ANSWERED: AttemptState.DELIVERED,
    CallOutcome.BUSY: AttemptState.FAILED,
    CallOutcome.DECLINED: AttemptState.FAILED,
    CallOutcome.NO_ANSWER: AttemptState.FAILED,
    CallOutcome.NOT_FOUND: AttemptState.REFUSED,
    CallOutcome.UNREACHABLE: AttemptState.FAILED,
    CallOutcome.REJECTED: AttemptState.REFUSED,
    CallOutcome.CANCELLED: AttemptState.DROPPED,
    CallOutcome.FAILED: AttemptState.FAILED,
}


class VoiceLane:
    """Up to max_calls calls at a time, in the order in which they came."""

    def __init__(
        self, engine: Engine, driver: VoiceDriver, prompts: PromptLibrary, *, ring_s: float, max_calls: int
    ) -> None:
        self.driver = driver
        self.outcomes: Counter[str] = Counter()
        self._engine = engine
        self._prompts = prompts
        self._ring_s = ring_s
        self._free = asyncio.Semaphore(max_calls)
        self._ready = asyncio.Event()
        self._wanted: set[str] = set()  # being prepared or under way; `stop` takes a request out
        self._calls: dict[str, CallHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting = 0

    def open(self) -> None:
        loop = asyncio.get_running_loop()

        def listen(_: StateChanged) -> None:
            loop.call_soon_threadsafe(self._update)

        self.driver.open(listen)
        self._update()

    async def close(self) -> None:
        """Hang up what is under way, and let the results be recorded."""
        await asyncio.to_thread(self.driver.close)
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(self._work(job), name=f"call-{job.request_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, request_id: str) -> None:
        self._wanted.discard(request_id)
        handle = self._calls.get(request_id)
        if handle is not None:
            handle.hang_up()

    async def _work(self, job: Job) -> None:
        self.waiting += 1
        try:
            await self._until_ready(job)
            await self._free.acquire()
        finally:
            self.waiting -= 1
        try:
            await self._deliver(job)
        except Exception:
            log.exception("request=%s lane=failed", job.request_id)
        finally:
            self._free.release()

    async def _until_ready(self, job: Job) -> None:
        left_s = self._engine.clock.real_s(job.not_after - self._engine.clock.now())
        try:
            await asyncio.wait_for(self._ready.wait(), max(left_s, 0))
        except TimeoutError:
            return  # begin() will find that the PIN has died

    async def _deliver(self, job: Job) -> None:
        self._wanted.add(job.request_id)
        try:
            begun = await self._engine.begin(job.request_id, job.step, "voice")
            if begun is None:
                return
            state, detail = await self._speak(job, *begun)
        finally:
            self._wanted.discard(job.request_id)
        self.outcomes[state] += 1
        if state is AttemptState.QUEUED:
            await asyncio.sleep(GUARD_PAUSE_S)
        self._engine.settle(job.request_id, job.step, state, detail=detail)

    async def _speak(self, job: Job, request: Request, attempt: Attempt) -> tuple[AttemptState, str]:
        if job.request_id not in self._wanted:
            return AttemptState.DROPPED, "stopped before it was dialled"
        pin = self._engine.pin(request, attempt.generation)
        if not speakable(pin):
            return AttemptState.REFUSED, "a code with letters cannot be spoken"
        try:
            speech = self._prompts.speech(request.locale, pin, request.brand)
        except PromptsUnusable as exc:
            return AttemptState.REFUSED, str(exc)
        loop = asyncio.get_running_loop()

        def progress(phase: CallPhase) -> None:
            loop.call_soon_threadsafe(self._engine.note, job.request_id, job.step, str(phase))

        handle = self.driver.call(Call(request.number, speech.audio, self._ring_s), progress)
        self._calls[job.request_id] = handle
        try:
            result = await asyncio.wrap_future(handle.result)
        except Unavailable as exc:
            return AttemptState.QUEUED, str(exc)
        finally:
            self._calls.pop(job.request_id, None)
        return _judged(result, speech.first_end_s)

    def _update(self) -> None:
        status = self.driver.status()
        log.info("voice=%s state=%s detail=%r", self.driver.name, status.state, status.detail)
        if status.state is DeviceState.READY:
            self._ready.set()
        else:
            self._ready.clear()


def _judged(result: CallResult, pin_spoken_s: float) -> tuple[AttemptState, str]:
    """The attempt's state and the story of the call; a call counts once the PIN was spoken."""
    state = CALL_STATES[result.outcome]
    told = f"{result.outcome}"
    if result.sip_code is not None and result.outcome is not CallOutcome.ANSWERED:
        told += f" ({result.sip_code} {result.reason})".replace(" )", ")")
    told += f", rang {result.ring_s:.1f} s"
    if result.outcome is CallOutcome.ANSWERED:
        told += f", talked {result.talk_s:.1f} s"
        if result.played_s < pin_spoken_s:
            return AttemptState.FAILED, told + ", hung up before the PIN was spoken"
    return state, told
