"""The lane of calls: many at a time on one trunk; of those that wait, the first whose PIN expires goes first."""

import asyncio
import logging

from daemon.core.commands import GiveUp
from daemon.core.held_recipients import Holds
from daemon.core.model import Channel, Verdict
from daemon.core.modem_pace import Pace
from daemon.core.next_delivery import Backlog, FreeModem, QueuedMessage
from daemon.engine import Engine, Job
from daemon.lanes.snapshots import VoiceSnapshot
from daemon.lanes.state_log import StateLog, queued_at
from daemon.lanes.voice.lines import Lines
from daemon.lanes.voice.one_call import Manner, Speaker
from daemon.lanes.voice.trial_calls import WAITING, TrialCalls
from daemon.lanes.window import Window
from daemon.prompts.library import PromptLibrary
from daemon.store.contract import Damaged, StoreUnusable
from daemon.store.store import DAMAGED_AGAIN_S, STORE_AGAIN_S
from drivers import DeviceState, StateChanged, VoiceDriver

log = logging.getLogger("pinwheel.lanes")

TRUNK = FreeModem(Pace(), allows=lambda _: True)
"""For the backlog: a call is never held up by a quota or by how long the others take."""
LOOK_AT_MOST_S = 0.001  # the shortest pause between two looks, apart from what happens
DIED = "the PIN expired before a device was free"


class VoiceLane:
    """Up to max_calls calls at a time; a_second of them begin within a second.

    The pace matters after an outage: all calls that became due meanwhile are overdue at once, and providers answer a
    burst with 503 or a block. All decisions are taken in `_dispatch`, which runs whenever something may have changed.
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
        self.speaker = Speaker(engine, driver, prompts, manner)
        self.lines = Lines(max_calls, a_second)
        self.tests = TrialCalls(self.speaker, self.lines, engine.clock, self._obstacle, self._dispatch)
        self._engine = engine
        self._states = StateLog("voice", driver.name, engine.clock)
        self._ready = False
        self._backlog: Backlog[Job] = Backlog(0.0, Holds())
        self._window = Window(engine, Channel.TTS, self._backlog, self._insert, self._dispatch)
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None

    def open(self) -> None:
        loop = asyncio.get_running_loop()

        def listen(_: StateChanged) -> None:
            loop.call_soon_threadsafe(self._update)

        self.driver.open(listen)
        self._update()

    async def close(self) -> None:
        """Hang up what is under way, and let the results be recorded."""
        self._ready = False
        self._window.close()
        if self._look is not None:
            self._look.cancel()
        await asyncio.to_thread(self.driver.close)
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def recover(self) -> None:
        self._window.recover(self._engine.clock.now())

    def put(self, job: Job) -> None:
        self._window.put(job)
        self._dispatch()

    @property
    def waiting(self) -> int:
        return len(self._window)

    def change(self, manner: Manner, *, max_calls: int, a_second: float) -> None:
        """How the next calls are made."""
        self.speaker.manner = manner
        self.lines.most, self.lines.a_second = max_calls, a_second
        self._dispatch()

    def stop(self, request_id: str) -> None:
        """One that waits is found dropped when it is to begin."""
        self.speaker.stop(request_id)

    def spares(self, now: float) -> bool:
        """Whether the trunk has time for a call that says no PIN; now: monotonic."""
        return not self._obstacle() and self.lines.wait_s(now) == 0

    def snapshot(self) -> VoiceSnapshot:
        """How the lane and its trunk are now."""
        clock = self._engine.clock
        at = clock.now()
        counts = self.speaker.counts
        return VoiceSnapshot(
            self.driver.name,
            status=self.driver.status(),
            calls=self.speaker.calls,
            waiting=self.waiting,
            oldest_s=clock.real_s(at - min((queued_at(message.job) for message in self._backlog), default=at)),
            outcomes=dict(counts.outcomes),
            results=dict(counts.results),
            locales=tuple(self.speaker.prompts.locales),
            setups=counts.setups.copy(),
            lateness=counts.lateness.copy(),
        )

    def _obstacle(self) -> str:
        """Why a call that is no delivery cannot be made now, or ""; PINs go first."""
        if not self._ready:
            status = self.driver.status()
            return status.detail or f"the trunk is {status.state}"
        return WAITING if self._backlog else ""

    # --- who is called ---

    def _insert(self, job: Job) -> None:
        left_s = self._engine.clock.real_s(job.not_after - self._engine.clock.now())
        if left_s > 0:
            self._backlog.put(QueuedMessage(self._engine.clock.monotonic() + left_s, 1, job.number, job))
        else:
            self._drop(job)

    def _drop(self, job: Job) -> None:
        self._engine.do(GiveUp(job.request_id, job.step, Verdict.WITHDRAWN, DIED))

    def _dispatch(self) -> None:
        """Drop the calls whose PINs have expired, and begin those that the trunk and the pace allow."""
        now = self._engine.clock.monotonic()
        for message in self._backlog.drop_late(now, ()):
            self._drop(message.job)
        while self._ready and self.lines.wait_s(now) == 0:
            choice = self._backlog.take_next(now, [TRUNK])
            if choice is None:
                break
            self._begin(choice[0].job, now)
        self._window.refill()
        self._look_again(now)

    def _begin(self, job: Job, now: float) -> None:
        self.lines.take(now)
        task = asyncio.get_running_loop().create_task(self._deliver(job), name=f"call-{job.request_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, job: Job) -> None:
        try:
            await self.speaker.deliver(job)
        except Damaged:  # as below; what waits behind it goes first
            asyncio.get_running_loop().call_later(DAMAGED_AGAIN_S, self.put, job)
        except StoreUnusable:  # logged by the store; nobody was called
            self.lines.rest(self._engine.clock.monotonic() + STORE_AGAIN_S)
            self._insert(job)
        finally:
            self.lines.free()
            self._dispatch()

    def _look_again(self, now: float) -> None:
        """When a PIN expires, or the next call may begin."""
        if self._look is not None:
            self._look.cancel()
        if self._backlog:
            paced_s = self.lines.wait_s(now) if self._ready else float("inf")
            look_s = max(min(self._backlog.look_again_s(now), paced_s), LOOK_AT_MOST_S)
            self._look = asyncio.get_running_loop().call_later(look_s, self._dispatch)

    def _update(self) -> None:
        status = self.driver.status()
        self._states.see(status)
        self._ready = status.state is DeviceState.READY
        self._dispatch()
