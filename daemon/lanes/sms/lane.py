"""The lane of messages: one queue, earliest deadline first, in front of a pool of modems.

A message goes to the healthy modem that has been idle longest. What its modem could not send goes back and on to the
next; what the network did not take for one recipient holds only that recipient, until several in a row fail alike.
All decisions are taken in `_dispatch`, which runs whenever something may have changed.
"""

import asyncio
import bisect
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from daemon.config import Modem
from daemon.core.holds import HOLD_S, SEVERAL, Holds
from daemon.core.milliseconds import Ms
from daemon.core.model import Attempt, AttemptState, Request
from daemon.engine import STORE_AGAIN_S, Engine, Job, Outcome
from daemon.lanes.sms.answers import Told, parts_of, settle, told
from daemon.lanes.sms.news import News
from daemon.lanes.sms.pool import Pool
from daemon.lanes.sms.slots import REST_S, ModemSlot
from daemon.lanes.sms.testing import Tests
from daemon.store import StoreUnusable
from drivers import (
    Deferred,
    DriverError,
    Receipt,
    Sms,
    SmsDriver,
    Unavailable,
    Uncertain,
)

log = logging.getLogger("pinwheel.lanes")

LOOK_AGAIN_S = 5.0  # at a queue that a quota or a rest holds up
SCANNED = 100  # messages from the front of the queue, where quotas pass some over
FINISH_S = 2.0  # at the end, to record what the drivers gave back

SmsText = Callable[[Request, str], str]
"""The text of a request's SMS with this PIN in it."""


class SmsLane:
    """Every method is for the event loop's thread."""

    def __init__(
        self, engine: Engine, modems: Sequence[tuple[SmsDriver, Modem]], text: SmsText, *, flash: bool = False
    ) -> None:
        self.tests = Tests(engine)
        self.pool = Pool(engine, modems, News(engine, self.tests, self._dispatch).listener, self._dispatch)
        self._engine = engine
        self._text = text
        self._flash = flash
        self._queue: list[tuple[Ms, int, Job]] = []  # sorted
        self._order = itertools.count()
        self._holds = Holds()
        self._long: set[tuple[str, str]] = set()  # locale and brand whose text takes several parts
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None

    def open(self) -> None:
        self.pool.open()

    async def close(self) -> None:
        """Let the message on the wire finish, and its result be recorded."""
        await self.pool.close()
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
        ready = [slot for slot in self.pool.slots if slot.ready and not slot.busy]
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
            why = next((full for slot in self.pool.slots if slot.ready and (full := slot.quota.full(now))), "")
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

    def _watch_quota(self, slot: ModemSlot, now: Ms) -> None:
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
                settle(self._engine, slot, job, (AttemptState.FAILED, "", "a defect: report the log"), parts=0)
        finally:
            slot.quota.end(self._engine.clock.now(), job.number, parts)
            slot.busy = False
            slot.idle_since = time.monotonic()
            self._dispatch()

    async def _send(self, slot: ModemSlot, job: Job, request: Request, attempt: Attempt) -> int:
        """The parts of it that may have gone out."""
        now = self._engine.clock.now()
        pin = self._engine.pin(request, attempt.generation)
        validity_s = math.ceil(self._engine.clock.real_s(attempt.not_after - now))
        sms = Sms(request.number, self._text(request, pin), validity_s, self._flash)
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
        parts = parts_of(answer)
        if isinstance(answer, Receipt):
            self.tests.forget(slot, request.number, answer.references[-1])
        if not done.done():
            done.set_result(parts)  # first, so that the next message begins in the commit that settles this one
        if isinstance(answer, Uncertain):
            slot.unsettled.append(asked)
        judged = self._judged(slot, request, answer)
        slot.outcomes[judged[0]] += 1
        settle(self._engine, slot, job, judged, parts)

    def _judged(self, slot: ModemSlot, request: Request, answer: Receipt | DriverError) -> Told:
        """The answer as the attempt's state; and what it says of the modem and of the recipient."""
        state, reference, detail = told(answer)
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
