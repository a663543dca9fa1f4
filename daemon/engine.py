"""The engine: the only writer. Load, decide, commit; only then the answer, the timer and the device.

Commands are decided on the store's thread, one after the other, so two on one request can never overlap.
What was decided is carried out on the event loop once it is durable, also when the client has gone meanwhile.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol, TypeVar, assert_never

from daemon.clock import Clock
from daemon.core import model
from daemon.core.commands import (
    Check,
    Command,
    Decision,
    Fire,
    Interrupt,
    Loaded,
    Policy,
    decide,
)
from daemon.core.masking import masked
from daemon.core.milliseconds import Ms
from daemon.core.model import Action, Channel, Request
from daemon.core.ownership import Caller
from daemon.core.quota import Quota
from daemon.core.values import value
from daemon.pins import Pins, SealBroken, same_code
from daemon.store.contract import CheckLine, Damaged, Reading, StoreUnusable
from daemon.store.store import DAMAGED_AGAIN_S, STORE_AGAIN_S, Store
from daemon.timers import Timers

log = logging.getLogger("pinwheel.engine")

T = TypeVar("T")
EACH_LINE = "each_line"
"""In the `extra` of a record of the log each of whose lines is an entry: a record costs more than a line."""


@value
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

    def recover(self) -> None:
        """Take over what the last run left waiting."""

    def put(self, job: Job) -> None: ...

    @property
    def waiting(self) -> int:
        """How many wait for a device, as far as it is known."""

    def stop(self, request_id: str) -> None:
        """The request is over: drop what has not gone out yet, and hang up."""


class Engine:
    """Every method is for the event loop's thread. quotas: of SIMs, by device, as they are in the rows.

    parts_left: by request id and step, how many SMS the message is that a device had when the last run stopped.
    """

    def __init__(self, store: Store, clock: Clock, pins: Pins, policy: Policy) -> None:
        self.store = store
        self.clock = clock
        self.policy = policy
        self.pins = pins
        self.lanes: dict[Channel, Lane] = {}  # all channels have one before anything is due
        self.quotas: dict[str, Quota] = {}
        self.parts_left: dict[tuple[str, int], int] = {}
        self.timers = Timers(store, clock, lambda row: self.do(Fire(row)), self._waiting)
        self.watchers: list[Callable[[Decision, Ms], None]] = []
        """Are given each decision once it is durable, and when that was; they only look."""
        self._news = asyncio.Event()
        self._lines: list[str] = []  # of the log, of the batch that was committed just now

    def do(self, command: Command) -> "asyncio.Future[Decision]":
        """Apply a command. The future ends once what was decided is durable, or in StoreUnusable.

        What time or a device has done must not be forgotten: such a command insists, and is given again while the
        store cannot be used. A damaged part stays as it is: a timer of it stays in its row, and is no more given.
        """

        def again(done: "asyncio.Future[Decision]") -> None:
            failed = None if done.cancelled() else done.exception()
            if isinstance(failed, Damaged):
                if not isinstance(command, Fire):
                    asyncio.get_running_loop().call_later(DAMAGED_AGAIN_S, self.do, command)
            elif isinstance(failed, StoreUnusable):
                asyncio.get_running_loop().call_later(STORE_AGAIN_S, self.do, command)

        future = self.store.submit(command, self._decide, self._committed)
        if command.insist:
            future.add_done_callback(again)
        return future

    async def find(
        self, caller: Caller, request_ids: Sequence[str], write: Callable[[Request, list[CheckLine]], T]
    ) -> list[T]:
        """Those of the requests that are the caller's, as they stand, with their checks.

        write: makes of one what is to be said of it; it runs on a thread for reading.
        """

        def query(reading: Reading) -> list[T]:
            with reading.one_moment():
                rows = [reading.request(request_id) for request_id in request_ids]
                own = [row[1] for row in rows if row is not None and caller.owns(row[1])]
                checks = [reading.checks(request.id) for request in own]
            return list(map(write, own, checks))

        return await self.store.read(query)

    def recover(self) -> None:
        """Put back what the last run left: deliveries that wait or were under way, and timers."""
        for request_id, step in self.store.reading.under_way():
            self.do(Interrupt(request_id, step, self.parts_left.get((request_id, step), 1)))
        for lane in self.lanes.values():
            lane.recover()
        self.timers.recover()

    def _waiting(self, channel: Channel) -> int:
        return self.lanes[channel].waiting

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

    # --- one command, on the store's thread ---

    def _decide(self, command: Command, loaded: Loaded) -> tuple[Ms, Decision]:
        at = self.clock.now()
        if isinstance(command, Check) and loaded.request is not None:
            loaded = Loaded(loaded.row, loaded.request, right=self._is_right(loaded.request, command.code))
        return at, decide(command, loaded, at, self.policy)

    def _is_right(self, request: Request, code: str) -> bool:
        try:
            return bool(request.generation) and same_code(self.pins.of(request, request.generation), code)
        except SealBroken:  # its key was lost: no code is right any more
            return False

    # --- and after the commit, on the loop: act ---

    def _committed(self, decision: Decision) -> None:
        self._news.set()
        self._news = asyncio.Event()
        at = self.clock.now()
        for watcher in self.watchers:
            watcher(decision, at)
        for action in decision.actions:
            if isinstance(action, model.Accounting):
                self._account(action)
            elif decision.after is not None:
                self._act(decision.row, decision.after, action)

    def _account(self, action: model.Accounting) -> None:
        quota = self.quotas.get(action.device)
        if quota is None:
            return  # of a device that is no longer configured, or of none
        if isinstance(action, model.Charge):
            quota.charge(action.at, action.number, action.count)
        else:
            quota.refund(action.number, action.count)

    def _act(self, row: int, request: Request, action: Action) -> None:
        match action:
            case model.Deliver():
                self.lanes[action.channel].put(Job(request, action.step, action.not_after))
            case model.SetTimer():
                self.timers.set(action.at, row)
            case model.StopDelivery():
                for lane in self.lanes.values():
                    lane.stop(request.id)
            case model.Note():
                self._log(request, action)
            case (
                model.ClearTimer()
                | model.RecordCheck()
                | model.Reply()
                | model.Remember()
                | model.Charge()
                | model.Refund()
            ):
                pass  # the row has no due time any more; the rest was stored, is the caller's, or the account's
            case _:
                assert_never(action)

    def _log(self, request: Request, note: model.Note) -> None:
        """It is written before the answer: the store acts on all decisions of a batch before it ends a future."""
        if not note.logged or not log.isEnabledFor(logging.INFO):
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write_lines)
        number, detail = masked(request.number), note.detail
        self._lines.append(f"request={request.id} number={number} kind={note.kind} step={note.step} detail={detail!r}")

    def _write_lines(self) -> None:
        text = "\n".join(self._lines)
        self._lines.clear()
        log.info("%s", text, extra={EACH_LINE: True})


def event_id(request_id: str, step: int) -> str:
    """The public id of an event: 32 hex digits, the same every time."""
    return hashlib.blake2b(f"{request_id}/{step}".encode(), digest_size=16).hexdigest()
