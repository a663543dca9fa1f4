"""The lane of calls: many at a time on one trunk."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from daemon.core.commands import AddNote, Begin, Settle
from daemon.core.delivery import STATES
from daemon.core.model import Attempt, Channel, Request, Verdict
from daemon.core.speech import speakable
from daemon.engine import Engine, Job
from daemon.lanes.news import DEFECT, StateLog, queued_at
from daemon.lanes.snapshots import CallSnapshot, VoiceSnapshot
from daemon.lanes.voice.record import judged
from daemon.prompts.library import PromptLibrary, PromptsUnusable, Speech
from daemon.store.contract import StoreUnusable
from daemon.store.store import STORE_AGAIN_S
from drivers import (
    Call,
    CallHandle,
    CallOutcome,
    CallPhase,
    DeviceState,
    StateChanged,
    Unavailable,
    VoiceDriver,
)

log = logging.getLogger("pinwheel.lanes")

REDIAL_PAUSE_S = 1.0
SCANNED = 1000  # of the calls that wait, the first: the oldest is among them


@dataclass(frozen=True, slots=True)
class Manner:
    """How calls are made. confirm: the PIN is said only to who presses a key; hang_up_on_machine: not to a machine."""

    ring_s: float = 30.0
    repeats: int = 0
    confirm: bool = False
    limit_s: float = 120.0
    hang_up_on_machine: bool = False

    def call(self, number: str, speech: Speech) -> Call:
        question = speech.question if self.confirm else None
        return Call(
            number,
            speech.audio,
            self.ring_s,
            question,
            speech.again,
            speech.bye,
            self.repeats,
            self.limit_s,
            self.hang_up_on_machine,
        )


@dataclass(slots=True)
class CallUnderWay:
    """A call that the driver has. since: of its phase, monotonic."""

    handle: CallHandle
    phase: CallPhase
    since: float


@dataclass(slots=True)
class Counts:
    """Since the start: of deliveries by what they became, of calls by how they ended."""

    outcomes: Counter[str] = field(default_factory=Counter)
    results: Counter[CallOutcome] = field(default_factory=Counter)


class VoiceLane:
    """Up to max_calls calls at a time, in the order in which they came; a_second of them begin within a second.

    The pace matters after an outage: all calls that became due meanwhile are overdue at once, and providers answer a
    burst with 503 or a block.
    """

    def __init__(
        self,
        engine: Engine,
        driver: VoiceDriver,
        prompts: PromptLibrary,
        manner: Manner,
        *,
        max_calls: int,
        a_second: float,
    ) -> None:
        self.driver = driver
        self._counts = Counts()
        self._engine = engine
        self.prompts = prompts  # may be replaced at any time
        self._told: set[tuple[str, str]] = set()  # locale wanted, spoken
        self._manner = manner
        self._free = asyncio.Semaphore(max_calls)
        self._spacing_s = 1 / a_second
        self._next_call_at = 0.0  # by the event loop's clock
        self._ready = asyncio.Event()
        self._wanted: set[str] = set()  # being prepared or under way; `stop` takes a request out
        self._under_way: dict[str, CallUnderWay] = {}  # by request
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[tuple[str, int], Job] = {}  # by request and step

    def open(self) -> None:
        loop = asyncio.get_running_loop()
        states = StateLog("voice", self.driver.name)

        def listen(_: StateChanged) -> None:
            loop.call_soon_threadsafe(self._update, states)

        self.driver.open(listen)
        self._update(states)

    async def close(self) -> None:
        """Hang up what is under way, and let the results be recorded."""
        await asyncio.to_thread(self.driver.close)
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def recover(self) -> None:
        for job in self._engine.left(Channel.TTS):
            self.put(job)

    def put(self, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(self._work(job), name=f"call-{job.request_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, request_id: str) -> None:
        self._wanted.discard(request_id)
        if request_id in self._under_way:
            self._under_way[request_id].handle.hang_up()

    def snapshot(self) -> VoiceSnapshot:
        """How the lane and its trunk are now."""
        clock, now = self._engine.clock, time.monotonic()
        at = clock.now()
        return VoiceSnapshot(
            self.driver.name,
            self.driver.status(),
            tuple(CallSnapshot(name, call.phase, now - call.since) for name, call in self._under_way.items()),
            len(self._waiting),
            clock.real_s(at - min(map(queued_at, islice(self._waiting.values(), SCANNED)), default=at)),
            dict(self._counts.outcomes),
            dict(self._counts.results),
            tuple(self.prompts.locales),
        )

    async def _work(self, job: Job) -> None:
        self._waiting[job.request_id, job.step] = job
        try:
            await self._until_ready(job)
            await self._free.acquire()
            await self._keep_pace()
        finally:
            self._waiting.pop((job.request_id, job.step), None)
        try:
            await self._deliver(job)
        except StoreUnusable:  # logged by the store; nobody was called
            asyncio.get_running_loop().call_later(STORE_AGAIN_S, self.put, job)
        finally:
            self._free.release()

    async def _keep_pace(self) -> None:
        """Wait for this call's place in the second."""
        now = asyncio.get_running_loop().time()
        at = max(self._next_call_at, now)
        self._next_call_at = at + self._spacing_s
        if at > now:
            await asyncio.sleep(at - now)

    async def _until_ready(self, job: Job) -> None:
        left_s = self._engine.clock.real_s(job.not_after - self._engine.clock.now())
        try:
            await asyncio.wait_for(self._ready.wait(), max(left_s, 0))
        except TimeoutError:
            return  # begin() will find that the PIN has died

    async def _deliver(self, job: Job) -> None:
        self._wanted.add(job.request_id)
        try:
            begun = (await self._engine.do(Begin(job.request_id, job.step, "voice"))).begun(job.step)
            if begun is None:
                return
            verdict, detail = await self._call(job, *begun)
        finally:
            self._wanted.discard(job.request_id)
        self._counts.outcomes[STATES[verdict]] += 1
        if verdict is Verdict.NOT_SENT:
            await asyncio.sleep(REDIAL_PAUSE_S)
        self._engine.do(Settle(job.request_id, job.step, verdict, detail=detail))

    async def _call(self, job: Job, request: Request, attempt: Attempt) -> tuple[Verdict, str]:
        """What became of a call; a defect of our own ends this one, and is recorded."""
        try:
            return await self._speak(job, request, attempt)
        except Exception:  # the end of one call: whatever went wrong, its row must not stay in `sending`
            log.exception("request=%s lane=failed", job.request_id)
            return Verdict.FAILED, DEFECT

    async def _speak(self, job: Job, request: Request, attempt: Attempt) -> tuple[Verdict, str]:
        if job.request_id not in self._wanted:
            return Verdict.WITHDRAWN, "stopped before it was dialled"
        pin = self._engine.pins.of(request, attempt.generation)
        if not speakable(pin):
            return Verdict.REFUSED, "a code with letters cannot be spoken"
        try:
            speech = self.prompts.speech(request.locale, pin, request.brand, offer=self._manner.repeats > 0)
        except PromptsUnusable as exc:
            return Verdict.REFUSED, str(exc)
        if self._manner.confirm and speech.question is None:
            return Verdict.REFUSED, f"the prompts for {speech.locale} have no question, which confirm needs"
        self._tell_once(request.locale, speech.locale)
        loop = asyncio.get_running_loop()

        def progress(phase: CallPhase) -> None:
            loop.call_soon_threadsafe(self._progressed, job, phase)

        handle = self.driver.call(self._manner.call(request.number, speech), progress)
        self._under_way[job.request_id] = CallUnderWay(handle, CallPhase.DIALLING, time.monotonic())
        try:
            result = await asyncio.wrap_future(handle.result)
        except Unavailable as exc:
            return Verdict.NOT_SENT, str(exc)
        finally:
            self._under_way.pop(job.request_id, None)
        self._counts.results[result.outcome] += 1
        self._counts.outcomes["one-way"] += result.one_way
        return judged(result, speech, request.locale, asked=self._manner.confirm)

    def _tell_once(self, wanted: str, spoken: str) -> None:
        if wanted != spoken and (wanted, spoken) not in self._told:
            self._told.add((wanted, spoken))
            log.warning(
                "prompts=fallback wanted=%s spoken=%s remedy='pinwheel prompts check %s'", wanted, spoken, wanted
            )

    def _progressed(self, job: Job, phase: CallPhase) -> None:
        self._engine.do(AddNote(job.request_id, job.step, str(phase)))
        call = self._under_way.get(job.request_id)
        if call is not None:
            call.phase, call.since = phase, time.monotonic()

    def _update(self, states: StateLog) -> None:
        status = self.driver.status()
        states.see(status)
        if status.state is DeviceState.READY:
            self._ready.set()
        else:
            self._ready.clear()
