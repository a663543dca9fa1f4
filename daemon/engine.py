"""The engine: the only writer. Load, advance, commit; only then the answer, the timer and the device.

An operation runs on the store's thread, inside the transaction, so two events of one request can never overlap. What
it decided is carried out on the event loop once the commit is durable, also when the client has gone meanwhile.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeVar, assert_never

from daemon.clock import Clock
from daemon.core import model
from daemon.core.callers import Caller
from daemon.core.machine import advance
from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Action, Attempt, AttemptState, Channel, Event, Reply, Request
from daemon.core.outcomes import Busy, Outcome, Unknown
from daemon.core.quota import MONTH
from daemon.core.wheel import Wheel
from daemon.ids import masked
from daemon.pins import Pins, same_code
from daemon.store.contract import Check, StoreUnusable
from daemon.store.sqlite.reading import Reading
from daemon.store.sqlite.store import SqliteStore
from daemon.store.sqlite.transaction import Transaction

log = logging.getLogger("pinwheel.engine")

T = TypeVar("T")

STORE_AGAIN_S = 1.0  # after which what could not be made durable is tried again
CANCEL_AFTER = seconds(30)  # the rule of the Verify reference
IDLE = seconds(60)  # how long the wheel sleeps at the most, by the clock: less than half a revolution of it


MakeEvent = Callable[[Request, Ms], Event]
"""The event for a request as it stands at a time."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided about requests."""

    max_active_per_number: int = 1
    cancel_after: Ms = CANCEL_AFTER
    cancel_before_event: int = 2
    on_refused: str = "wait"
    on_dropped: str = "wait"
    resend: Mapping[str, bool] | None = None
    """By modem: may an uncertain message go out once more?"""


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery that waits in a lane. request: as it was then; only what never changes of it may be used."""

    request: Request = field(repr=False)
    step: int
    not_after: Ms

    @property
    def request_id(self) -> str:
        return self.request.id

    @property
    def number(self) -> str:
        return self.request.number


class Lane(Protocol):
    """The queue in front of the devices of one channel."""

    def put(self, job: Job) -> None: ...

    def stop(self, request_id: str) -> None:
        """The request is over: give up what has not gone out yet, and hang up."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command led to. row is 0 where nothing was stored."""

    row: int
    request: Request | None
    actions: tuple[Action, ...]

    @property
    def outcome(self) -> Outcome:
        """How it ended for the caller."""
        return next((a.outcome for a in self.actions if isinstance(a, Reply)), Unknown())

    def begun(self, step: int) -> tuple[Request, Attempt] | None:
        """What a device may send now; None if the delivery is no longer wanted."""
        if self.request is None or not self.actions:
            return None
        attempt = self.request.attempt(step)
        return (self.request, attempt) if attempt and attempt.state is AttemptState.SENDING else None


NOTHING = Result(0, None, ())
UNKNOWN = Result(0, None, (Reply(Unknown()),))


class Engine:
    """Opens with `run()`; every method is for the event loop's thread."""

    def __init__(self, store: SqliteStore, clock: Clock, pins: Pins, policy: Policy) -> None:
        self.store = store
        self.clock = clock
        self.policy = policy
        self.lanes: dict[Channel, Lane] = {}
        self._pins = pins
        self._wheel = Wheel(clock.now())
        self._asleep_until = Ms(0)
        self._wake = asyncio.Event()
        self._news = asyncio.Event()

    # --- what callers ask ---

    def start(self, caller: Caller, request: Request) -> "asyncio.Future[Result]":
        """Store a new request and run its first event; `Busy` while the number has too many running.

        Those of all accounts count; the outcome names the newest that is the caller's own, if one is.
        """

        def operation(tx: Transaction) -> Result:
            at = self.clock.now()
            active = tx.active_for(request.number)
            if self.policy.max_active_per_number and len(active) >= self.policy.max_active_per_number:
                own = next((running for running in reversed(active) if caller.owns(running)), None)
                return Result(0, None, (Reply(Busy(None if own is None else own.id)),))
            started, actions = advance(replace(request, created_at=at), model.Requested(at))
            row = tx.insert(started)
            tx.add_history(at, request.id, "started", None, f"workflow {request.workflow_id}, {request.locale}")
            return self._record(tx, row, started, actions, at)

        return self._submit(operation)

    async def find(
        self, caller: Caller, request_ids: Sequence[str], tell: Callable[[Request, list[Check]], T]
    ) -> list[T]:
        """Those of the requests that are the caller's, as they stand, with their checks.

        tell: what is to be said of one; it runs on a thread for reading.
        """

        def query(reading: Reading) -> list[T]:
            rows = [reading.request(request_id) for request_id in request_ids]
            own = [row[1] for row in rows if row is not None and caller.owns(row[1])]
            return [tell(request, reading.checks(request.id)) for request in own]

        return await self.store.read(query)

    def check(self, caller: Caller, request_id: str, code: str, ip_address: str) -> "asyncio.Future[Result]":
        """Judge a code against the PIN of the request."""

        def event(request: Request, at: Ms) -> Event:
            right = bool(request.generation) and same_code(self.pin(request, request.generation), code)
            return model.CodeSubmitted(right, at)

        return self._apply(caller, request_id, event, ip_address)

    def cancel(self, caller: Caller, request_id: str) -> "asyncio.Future[Result]":
        limits = (self.policy.cancel_after, self.policy.cancel_before_event)
        return self._apply(caller, request_id, lambda _, at: model.CancelRequested(at, *limits))

    def next_event(self, caller: Caller, request_id: str) -> "asyncio.Future[Result]":
        return self._apply(caller, request_id, lambda _, at: model.NextRequested(at))

    def pin(self, request: Request, generation: int) -> str:
        """The PIN itself, computed or unsealed; never to be stored or logged."""
        if request.own_pin:
            return self._pins.unseal(request.id, request.sealed_pin)
        return self._pins.pin(request.id, generation, request.code_length)

    def seal(self, request_id: str, code: str) -> str:
        return self._pins.seal(request_id, code)

    # --- what lanes tell ---

    def begin(self, request_id: str, step: int, device: str) -> "asyncio.Future[Result]":
        """Make it durable that a device is about to be used, an SMS counted for it; `Result.begun` tells for what."""

        def operation(tx: Transaction) -> Result:
            found = tx.request(request_id)
            if found is None:
                return UNKNOWN
            at = self.clock.now()
            outcome = self._advance(tx, *found, model.AttemptStarted(step, at, device), at)
            begun = outcome.begun(step)
            if begun is not None and begun[1].channel is Channel.SMS:
                tx.add_sent(at, device, begun[0].number, at - MONTH)
            return outcome

        return self._submit(operation)

    def settle(
        self,
        request_id: str,
        step: int,
        state: AttemptState,
        *,
        device: str = "",
        reference: str = "",
        detail: str = "",
        parts: int = 1,
        only: AttemptState | None = None,
    ) -> "asyncio.Future[Result]":
        """Record what became of a delivery. device: whose word it is; parts: that it may have sent, for its quota.

        only: unless the delivery is in this state, nothing is recorded.
        """

        def operation(tx: Transaction) -> Result:
            found = tx.request(request_id)
            if found is None:
                return UNKNOWN
            at, (row, request) = self.clock.now(), found
            attempt = request.attempt(step)
            if only is not None and (attempt is None or attempt.state is not only):
                return NOTHING
            event = self._settlement(step, state, device, reference, detail)(request, at)
            outcome = self._advance(tx, row, request, event, at)
            if not parts and outcome.actions:  # none where a report has come first
                tx.take_back_sent(device, request.number)
            for _ in range(1, parts):
                tx.add_sent(at, device, request.number, at - MONTH)
            return outcome

        return self._submit(operation, insist=True)

    def count(self, device: str, number: str, *, sent: bool) -> "asyncio.Future[Result]":
        """A message that belongs to no request is about to go out, or was not sent after all."""

        def operation(tx: Transaction) -> Result:
            at = self.clock.now()
            if sent:
                tx.add_sent(at, device, number, at - MONTH)
            else:
                tx.take_back_sent(device, number)
            return NOTHING

        return self._submit(operation, insist=not sent)

    def credit(
        self,
        number: str,
        reference: str,
        device: str,
        since: Ms,
        state: AttemptState,
        detail: str,
        *,
        insist: bool = True,
    ) -> "asyncio.Future[Result]":
        """Record what a status report says, for the newest message that it can mean; no action where there is none.

        insist: False where the device tells it again until it is recorded.
        """

        def operation(tx: Transaction) -> Result:
            reported = tx.attempt_reported(number, reference, device, since)
            found = tx.request_by_row(reported[0]) if reported else None
            if reported is None or found is None:
                return NOTHING
            at = self.clock.now()
            event = self._settlement(reported[1], state, device, reference, detail)(found[1], at)
            return self._advance(tx, *found, event, at)

        return self._submit(operation, insist=insist)

    def _settlement(self, step: int, state: AttemptState, device: str, reference: str, detail: str) -> MakeEvent:
        """What became of a delivery as an event, under the policy of the device that had it."""

        def event(request: Request, at: Ms) -> Event:
            attempt = request.attempt(step)
            resend = attempt is not None and (self.policy.resend or {}).get(attempt.device, False)
            on = {AttemptState.REFUSED: self.policy.on_refused, AttemptState.DROPPED: self.policy.on_dropped}
            move_on = on.get(state) == "next"
            return model.AttemptSettled(step, state, at, reference, detail, device, resend=resend, move_on=move_on)

        return event

    def note(
        self, request_id: str, step: int | None, kind: str, detail: str = "", *, insist: bool = False
    ) -> "asyncio.Future[Result]":
        """Add a line to the history that changes nothing. request_id: "" for what belongs to no request."""

        def operation(tx: Transaction) -> Result:
            tx.add_history(self.clock.now(), request_id, kind, step, detail)
            return NOTHING

        return self._submit(operation, insist=insist)

    def remember(self, name: str, value: str) -> "asyncio.Future[Result]":
        """Set a lasting setting that is not the configuration's."""

        def operation(tx: Transaction) -> Result:
            tx.set_meta(name, value)
            return NOTHING

        return self._submit(operation)

    # --- time ---

    def recover(self) -> None:
        """Put back what the last run left: queued deliveries, deliveries whose fate is unknown, timers."""
        for row in self.store.reading.unsettled():
            found = self.store.reading.request_by_row(row)
            if found is None:
                continue
            request_id = found[1].id
            for attempt in found[1].attempts:
                if attempt.state is AttemptState.SENDING:
                    self.settle(request_id, attempt.step, AttemptState.UNCERTAIN, detail="the daemon stopped meanwhile")
                elif attempt.state is AttemptState.QUEUED:
                    self._deliver(Job(found[1], attempt.step, attempt.not_after), attempt.channel)
        since = Ms(0)  # what is overdue, too
        while self._wheel.half_empty(self.clock.now()):
            _, until = self._wheel.extend()
            self._set(self.store.reading.due(since, until))
            since = until

    async def run(self) -> None:
        """Turn the wheel until cancelled."""
        while True:
            self._asleep_until = await self.turn()
            await self._sleep(self.clock.real_s(self._asleep_until - self.clock.now()))

    async def turn(self) -> Ms:
        """Fire what is due by now; returns when to turn the wheel again."""
        now = self.clock.now()
        rows = self._wheel.expire(now)
        while self._wheel.half_empty(now):
            since, until = self._wheel.extend()
            self._set(await self.store.read(partial(Reading.due, since=since, until=until)))
            rows += self._wheel.expire(now)
        for row in rows:
            self._submit(partial(self._fire, row), insist=True)
        return self._wheel.next(now + IDLE)

    @property
    def news(self) -> asyncio.Event:
        """Is set once something more has been committed; take it before reading what there is."""
        return self._news

    async def wait_for_news(self, timeout_s: float, news: asyncio.Event | None = None) -> None:
        """Until something has been committed (since `news` was taken), or the time is over."""
        try:
            await asyncio.wait_for((news or self._news).wait(), timeout_s)
        except TimeoutError:
            return

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                return
        self._wake.clear()

    def _set(self, timers: list[tuple[Ms, int]]) -> None:
        for due_at, row in timers:
            self._wheel.set(due_at, row)

    def _fire(self, row: int, tx: Transaction) -> Result:
        found = tx.request_by_row(row)
        at = self.clock.now()
        if found is None or found[1].due_at is None or found[1].due_at > at:
            return NOTHING
        return self._advance(tx, *found, model.StepDue(found[1].step, at), at)

    # --- one event: load, advance, commit, act ---

    def _apply(
        self, caller: Caller, request_id: str, make_event: MakeEvent, ip_address: str = ""
    ) -> "asyncio.Future[Result]":
        def operation(tx: Transaction) -> Result:
            found = tx.request(request_id)
            if found is None or not caller.owns(found[1]):
                return UNKNOWN
            at = self.clock.now()
            return self._advance(tx, *found, make_event(found[1], at), at, ip_address)

        return self._submit(operation)

    def _advance(
        self, tx: Transaction, row: int, before: Request, event: Event, at: Ms, ip_address: str = ""
    ) -> Result:
        after, actions = advance(before, event)
        tx.update(row, before, after)
        return self._record(tx, row, after, actions, at, ip_address)

    def _record(
        self, tx: Transaction, row: int, request: Request, actions: tuple[Action, ...], at: Ms, ip_address: str = ""
    ) -> Result:
        for action in actions:
            if isinstance(action, model.Note):
                tx.add_history(at, request.id, action.kind, action.step, action.detail)
            elif isinstance(action, model.RecordCheck):
                tx.add_check(row, Check(at, action.valid, ip_address))
        return Result(row, request, actions)

    def _submit(self, operation: Callable[[Transaction], Result], *, insist: bool = False) -> "asyncio.Future[Result]":
        """insist: again while the store cannot be used: what time or a device has done must not be forgotten."""

        def again(done: "asyncio.Future[Result]") -> None:
            if not done.cancelled() and isinstance(done.exception(), StoreUnusable):
                asyncio.get_running_loop().call_later(STORE_AGAIN_S, partial(self._submit, operation, insist=True))

        future = self.store.submit(operation, self._committed)
        if insist:
            future.add_done_callback(again)
        return future

    def _committed(self, outcome: Result) -> None:
        self._news.set()
        self._news = asyncio.Event()
        if outcome.row and outcome.request is not None:
            for action in outcome.actions:
                self._act(outcome.row, outcome.request, action)

    def _act(self, row: int, request: Request, action: Action) -> None:
        match action:
            case model.Deliver():
                self._deliver(Job(request, action.step, action.not_after), action.channel)
            case model.SetTimer():
                self._set_timer(action.at, row)
            case model.StopDelivery():
                for lane in self.lanes.values():
                    lane.stop(request.id)
            case model.Note():
                log.info(
                    "request=%s number=%s kind=%s step=%s detail=%r",
                    request.id,
                    masked(request.number),
                    action.kind,
                    action.step,
                    action.detail,
                )
            case model.ClearTimer() | model.RecordCheck() | model.Reply():
                pass  # the row has no due time any more; the rest was stored or is the caller's
            case _:
                assert_never(action)

    def _deliver(self, job: Job, channel: Channel) -> None:
        lane = self.lanes.get(channel)
        if lane is not None:
            lane.put(job)
            return
        device = "modem" if channel is Channel.SMS else "voice driver"
        self.settle(job.request_id, job.step, AttemptState.REFUSED, detail=f"no {device} is configured")

    def _set_timer(self, due_at: Ms, row: int) -> None:
        self._wheel.set(due_at, row)
        if due_at < self._asleep_until:
            self._wake.set()


def event_id(request_id: str, step: int) -> str:
    """The public id of an event: 32 hex digits, the same every time."""
    return hashlib.blake2b(f"{request_id}/{step}".encode(), digest_size=16).hexdigest()
