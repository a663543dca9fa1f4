"""One call: what it says, its way through the driver, and what became of it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from daemon.core.attempt_states import STATES
from daemon.core.commands import AddNote, Begin, Settle
from daemon.core.histogram import Histogram
from daemon.core.model import Attempt, Request, Verdict
from daemon.core.speech_plan import speakable
from daemon.engine import Engine, Job
from daemon.lanes.snapshots import CallSnapshot
from daemon.lanes.state_log import DEFECT
from daemon.lanes.voice.call_record import SIP_CLASSES, judged, sip_class
from daemon.prompts.library import PromptLibrary, PromptsUnusable, Speech
from drivers import Call, CallHandle, CallPhase, CallResult, Unavailable, VoiceDriver
from drivers.figures import LATE_S

log = logging.getLogger("pinwheel.lanes")

REDIAL_PAUSE_S = 1.0
SETUP_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # bounds; a call that rings after 32 s is rare (RFC 3261 17.1)
RESULTS = [(str(outcome), each) for outcome, classes in SIP_CLASSES.items() for each in classes]


@dataclass(frozen=True, slots=True)
class Manner:
    """How calls are made. confirm: the PIN is said only to who presses a key; hang_up_on_machine: not to a machine."""

    ring_s: float = 30.0
    repeats: int = 0
    confirm: bool = False
    limit_s: float = 120.0
    hang_up_on_machine: bool = False

    def call(self, number: str, speech: Speech) -> Call:
        return Call(
            number,
            speech.audio,
            ring_s=self.ring_s,
            question=speech.question if self.confirm else None,
            again=speech.again,
            bye=speech.bye,
            repeats=self.repeats,
            limit_s=self.limit_s,
            hang_up_on_machine=self.hang_up_on_machine,
        )


@dataclass(slots=True)
class CallUnderWay:
    """A call that the driver has. since: of its phase, monotonic."""

    handle: CallHandle
    phase: CallPhase
    since: float


@dataclass(slots=True)
class Counts:
    """Since the start, as a VoiceSnapshot has it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, str]] = field(default_factory=lambda: Counter(dict.fromkeys(RESULTS, 0)))
    setups: Histogram = field(default_factory=lambda: Histogram(SETUP_S))
    lateness: Histogram = field(default_factory=lambda: Histogram(LATE_S))

    def ended(self, result: CallResult) -> None:
        """A call, of a delivery or a test."""
        self.results[str(result.outcome), sip_class(result.sip_code)] += 1
        self.lateness.add(result.late.counts, result.late.total_s)


class Speaker:
    """Every method is for the event loop's thread. prompts, manner: may be replaced at any time."""

    def __init__(self, engine: Engine, driver: VoiceDriver, prompts: PromptLibrary, manner: Manner) -> None:
        self.counts = Counts()
        self.prompts = prompts
        self._engine = engine
        self._driver = driver
        self.manner = manner
        self._logged: set[tuple[str, str]] = set()  # locale wanted, spoken
        self._wanted: set[str] = set()  # being prepared or under way; `stop` takes a request out
        self._under_way: dict[str, CallUnderWay] = {}  # by request

    @property
    def calls(self) -> tuple[CallSnapshot, ...]:
        """Those under way."""
        now = self._engine.clock.monotonic()
        return tuple(CallSnapshot(name, call.phase, now - call.since) for name, call in self._under_way.items())

    def stop(self, request_id: str) -> None:
        self._wanted.discard(request_id)
        if request_id in self._under_way:
            self._under_way[request_id].handle.hang_up()

    def speech(self, locale: str, pin: str, brand: str) -> Speech:
        """What a call with these digits says. Raises PromptsUnusable."""
        speech = self.prompts.speech(locale, pin, brand, offer=self.manner.repeats > 0)
        if self.manner.confirm and speech.question is None:
            raise PromptsUnusable(f"the prompts for {speech.locale} have no question, which confirm needs")
        return speech

    def dial(self, number: str, speech: Speech, progress: Callable[[CallPhase], None]) -> CallHandle:
        """In the manner of all calls; progress: as of a driver, on any thread."""
        return self._driver.call(self.manner.call(number, speech), progress)

    async def deliver(self, job: Job) -> None:
        """Until the result is on its way to the store. Raises StoreUnusable where nobody was called."""
        self._wanted.add(job.request_id)
        try:
            begun = (await self._engine.do(Begin(job.request_id, job.step, "voice"))).begun(job.step)
            if begun is None:
                return
            verdict, detail = await self._call(job, *begun)
        finally:
            self._wanted.discard(job.request_id)
        self.counts.outcomes[STATES[verdict]] += 1
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
            speech = self.speech(request.locale, pin, request.brand)
        except PromptsUnusable as exc:
            return Verdict.REFUSED, str(exc)
        self._tell_once(request.locale, speech.locale)
        loop = asyncio.get_running_loop()

        def progress(phase: CallPhase) -> None:
            loop.call_soon_threadsafe(self._progressed, job, phase)

        handle = self.dial(request.number, speech, progress)
        self._under_way[job.request_id] = CallUnderWay(handle, CallPhase.DIALLING, self._engine.clock.monotonic())
        try:
            result = await asyncio.wrap_future(handle.result)
        except Unavailable as exc:
            return Verdict.NOT_SENT, str(exc)
        finally:
            self._under_way.pop(job.request_id, None)
        self.counts.ended(result)
        self.counts.outcomes["one-way"] += result.one_way
        return judged(result, speech, request.locale, asked=self.manner.confirm)

    def _tell_once(self, wanted: str, spoken: str) -> None:
        if wanted != spoken and (wanted, spoken) not in self._logged:
            self._logged.add((wanted, spoken))
            log.warning(
                "prompts=fallback wanted=%s spoken=%s remedy='pinwheel prompts check %s'", wanted, spoken, wanted
            )

    def _progressed(self, job: Job, phase: CallPhase) -> None:
        self._engine.do(AddNote(job.request_id, job.step, str(phase)))
        call = self._under_way.get(job.request_id)
        if call is not None:
            now = self._engine.clock.monotonic()
            if call.phase is CallPhase.DIALLING:
                self.counts.setups.observe(now - call.since)
            call.phase, call.since = phase, now
