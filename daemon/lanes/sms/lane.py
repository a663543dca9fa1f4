"""The lane of messages: one queue in front of a pool of modems; the earliest deadline that can be met goes first.

A message goes to the healthy modem that has been idle longest. What its modem could not send goes back and on to the
next; what the network did not take for one recipient holds only that recipient, until several in a row fail alike.
Nothing is sent whose PIN has expired, or almost, when the network takes it. All decisions are taken in `_dispatch`,
which runs whenever something may have changed.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from daemon.config import Modem
from daemon.core.commands import Begin, Decision, GiveUp
from daemon.core.held_recipients import Holds
from daemon.core.milliseconds import in_seconds, seconds
from daemon.core.model import Channel, Verdict
from daemon.core.next_delivery import Backlog, FreeModem, QueuedMessage
from daemon.core.overload import Load, Overload
from daemon.engine import Engine, Job
from daemon.lanes.sms.driver_answers import Judgement, settle
from daemon.lanes.sms.left_behind import count_parts, left_behind
from daemon.lanes.sms.lengths import Lengths
from daemon.lanes.sms.modem_events import ModemEvents
from daemon.lanes.sms.modem_slot import DEFECT_REST_S, ModemSlot
from daemon.lanes.sms.next_modem import next_first
from daemon.lanes.sms.pool import Pool
from daemon.lanes.sms.sending import Sender, SmsText
from daemon.lanes.sms.trial_messages import TrialMessages
from daemon.lanes.snapshots import Duty, SmsSnapshot
from daemon.lanes.state_log import DEFECT, queued_at
from daemon.lanes.window import Window
from daemon.store.contract import Damaged, StoreUnusable
from daemon.store.store import DAMAGED_AGAIN_S, STORE_AGAIN_S
from drivers import SmsDriver

log = logging.getLogger("pinwheel.lanes")

LOOK_AGAIN_S = 5.0  # at a queue that a quota holds up, or at an overload
LOOK_AT_MOST_S = 0.05  # the shortest pause between two looks
FINISH_S = 2.0  # at the end, to record what the drivers gave back
LEAST_LIFE_S = 10.0
NOT_ALIVE = "its PIN would have arrived too late"


class SmsLane:
    """Every method is for the event loop's thread. least_life_s: of a PIN, when the network takes its message."""

    def __init__(
        self,
        engine: Engine,
        modems: Sequence[tuple[SmsDriver, Modem]],
        text: SmsText,
        *,
        flash: bool = False,
        least_life_s: float = LEAST_LIFE_S,
    ) -> None:
        self.tests = TrialMessages(engine)
        self._engine = engine
        self._holds = Holds()
        self._load = Load()
        self._sender = Sender(engine, self.tests, self._holds, self._load, text, flash=flash)
        events = ModemEvents(engine, self.tests, self._sender.unsettled, self._dispatch)
        self.pool = Pool(engine, modems, events.listener, self._dispatch, partial(left_behind, engine, self._sender))
        self._overloaded = False
        self._least_life = seconds(least_life_s)
        self._backlog: Backlog[Job] = Backlog(engine.clock.real_s(self._least_life), self._holds)
        self._window = Window(engine, Channel.SMS, self._backlog, self._insert, self._dispatch)
        self._lengths = Lengths(text)
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None
        self._asked = False  # to look at once

    def open(self) -> None:
        count_parts(self._engine, self._lengths)
        self.pool.open()

    async def close(self) -> None:
        """Let the message on the wire finish, and its result be recorded."""
        self._window.close()
        await self.pool.close()
        if self._look is not None:
            self._look.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_S)
        for task in self._tasks:
            task.cancel()

    def change(self, text: SmsText, *, flash: bool) -> None:
        """What the next messages say."""
        self._sender.text, self._sender.flash = text, flash
        self._lengths = Lengths(text)

    def recover(self) -> None:
        self._window.recover(self._engine.clock.now() + self._least_life)

    def put(self, job: Job) -> None:
        self._window.put(job)
        if not self._asked:  # once for all that a commit brings
            self._asked = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    @property
    def waiting(self) -> int:
        return len(self._window)

    def stop(self, request_id: str) -> None:
        """Nothing to do: `begin` finds that the attempt was dropped; a message on the wire cannot be taken back."""

    def spares(self, slot: ModemSlot, number: str) -> bool:
        """Whether the modem has time for a message that brings no PIN."""
        free = slot.rested(self._engine.clock.monotonic()) and not slot.under_way
        return free and not self._backlog and slot.quota.allows(self._engine.clock.now(), number)

    def snapshot(self) -> SmsSnapshot:
        """How the lane and its modems are now."""
        clock = self._engine.clock
        at = clock.now()
        oldest = min((queued_at(message.job) for message in self._backlog), default=at)
        return SmsSnapshot(
            tuple(slot.snapshot(at, clock.monotonic()) for slot in self.pool.slots),
            self.waiting,
            clock.real_s(at - oldest),
            self._overload(),
        )

    def _overload(self) -> Overload | None:
        return self._load.overload(self._engine.clock.monotonic())

    # --- who sends what ---

    def _insert(self, job: Job) -> None:
        late = self._late(job)
        if late:
            self._drop(job, late)
            return
        left_s = self._engine.clock.real_s(job.not_after - self._engine.clock.now())
        parts = self._lengths.parts(job.request)
        self._backlog.put(QueuedMessage(self._engine.clock.monotonic() + left_s, parts, job.number, job))

    def _dispatch(self) -> None:
        """Drop what cannot be in time any more, and give every free modem the first message that it may send."""
        now = self._engine.clock.monotonic()
        self._asked = False
        self._drop_late(now)
        free = next_first(self.pool.slots, now)
        at = self._engine.clock.now()
        for slot in free:
            slot.watch_quota(at)
        while free:
            choice = self._backlog.take_next(
                now, [FreeModem(slot.pace, partial(slot.quota.allows, at), slot.deferred) for slot in free]
            )
            if choice is None:
                break
            message, place = choice
            self._begin(free.pop(place), message.job, now)
        self._watch_load()
        self._window.refill()
        self._look_again(now)

    def _begin(self, slot: ModemSlot, job: Job, now: float) -> None:
        slot.begin(job.number, now)
        begin = Begin(job.request_id, job.step, slot.name)
        beginning = self._engine.do(begin)  # in one commit with the last result
        task = asyncio.get_running_loop().create_task(self._deliver(slot, job, beginning), name=f"sms-{slot.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _look_again(self, now: float) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._backlog or self._overloaded:
            rests = (slot.resting.until - now for slot in self.pool.slots if not slot.resting.over(now))
            look_s = min([LOOK_AGAIN_S, self._backlog.look_again_s(now), *rests])
            self._look = asyncio.get_running_loop().call_later(max(look_s, LOOK_AT_MOST_S), self._dispatch)

    # --- what comes too late ---

    def _late(self, job: Job) -> str:
        """Why it is too late for a message, however free and fast a modem; "" while it is not."""
        left = job.not_after - self._engine.clock.now()
        return f"it had only {max(in_seconds(left), 0):.0f} s left" if left < self._least_life else ""

    def _drop_late(self, now: float) -> None:
        """So no queue grows, and nothing stale bursts out after an outage."""
        wanted = [slot.pace for slot in self.pool.slots if slot.duty is Duty.WORKING]
        for message in self._backlog.drop_late(now, wanted):
            job, hold = message.job, self._holds.hold(message.number)
            if hold is not None:
                detail = f"dropped, the network refused it for now {hold.times} times: {hold.why}"
                self._engine.do(GiveUp(job.request_id, job.step, Verdict.FAILED, detail))
                self._holds.taken(message.number)
            else:
                self._drop_waiting(job, now)

    def _drop_waiting(self, job: Job, now: float) -> None:
        """Drop a message, and say why no modem could send it in time."""
        at = self._engine.clock.now()
        working = [slot for slot in self.pool.slots if slot.rested(now)]
        limits = [full for slot in working if (full := slot.quota.full(at))]
        if len(limits) < len(working):
            dropped = self._drop(job, "the modems are overloaded")
            dropped.add_done_callback(partial(self._count_dropped, len(working)))
        else:
            self._drop(job, f"{limits[0]} is reached" if limits else "no modem was ready")

    def _drop(self, job: Job, why: str) -> "asyncio.Future[Decision]":
        detail = f"{NOT_ALIVE}: {why}"
        return self._engine.do(GiveUp(job.request_id, job.step, Verdict.WITHDRAWN, detail))

    def _count_dropped(self, working: int, dropped: "asyncio.Future[Decision]") -> None:
        """Unless it was no longer wanted."""
        if not dropped.cancelled() and dropped.exception() is None and dropped.result().changed:
            now = self._engine.clock.monotonic()
            self._load.dropped(now, working)
            self._watch_load()
            self._look_again(now)  # for the end of the overload, also if no message comes any more

    def _watch_load(self) -> None:
        """Log once when the modems are overloaded, and once when they are not any more."""
        overload = self._overload()
        if self._overloaded != bool(overload):
            self._overloaded = bool(overload)
            log.warning("lane=sms load=%r", str(overload) if overload else "messages are sent in time again")

    # --- one message ---

    async def _deliver(self, slot: ModemSlot, job: Job, beginning: "asyncio.Future[Decision]") -> None:
        begun = None
        try:
            begun = (await beginning).begun(job.step)
            late = self._late(job)  # after a slow disk
            if begun is not None and late:
                withdrawn = Judgement(Verdict.WITHDRAWN, detail=f"{NOT_ALIVE}: {late}")
                self._engine.do(settle(slot, job, withdrawn))
            elif begun is not None:
                await self._sender.send(slot, job, *begun)
        except Damaged:  # as below; what waits behind it goes first
            asyncio.get_running_loop().call_later(DAMAGED_AGAIN_S, self.put, job)
        except StoreUnusable:  # logged by the store; nothing was sent
            slot.resting.rest(self._engine.clock.monotonic(), STORE_AGAIN_S)
            self._insert(job)
        except Exception:  # the end of one message: whatever went wrong, its row must not stay in `sending`
            log.exception("modem=%s request=%s lane=failed", slot.name, job.request_id)
            slot.resting.rest(self._engine.clock.monotonic(), DEFECT_REST_S)
            if begun is not None:
                self._engine.do(settle(slot, job, Judgement(Verdict.FAILED, detail=DEFECT)))
        finally:
            if begun is None:
                slot.quota.release(job.number)
            slot.end(self._engine.clock.monotonic())
            self._dispatch()
