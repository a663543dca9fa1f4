"""Messages that an operator sends to try a modem. They belong to no request, and their reports to none, either."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from daemon.core.commands import ChargeTest, RefundTest
from daemon.engine import Engine
from daemon.lanes.sms.driver_answers import judged
from daemon.lanes.sms.modem_slot import ModemSlot
from daemon.lanes.sms.reports import assign
from daemon.store.contract import StoreUnusable
from drivers import REFERENCES, Delivery, DriverError, LateAnswer, Receipt, Sms, StatusReport, Unavailable, Uncertain

ALERT_VALID_S = 3600  # TP-VP of an alert


@dataclass(frozen=True, slots=True)
class TrialReport:
    """A delivery report. after_s: since the message was begun."""

    delivery: Delivery
    after_s: float


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What became of a test message. sent_s: until the network took it; report: the last that came in time."""

    sent_s: float
    references: tuple[int, ...]
    report: TrialReport | None


class TrialMessages:
    """Every method is for the event loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.take_text: Callable[[str], bool] = lambda _: False
        """Whether the text of an incoming message belongs to a test, and so is nothing for people."""
        self._waiting: dict[tuple[str, str], asyncio.Queue[StatusReport]] = {}  # by modem and number
        self._tested: deque[tuple[str, str, int]] = deque(maxlen=REFERENCES)  # modem, number and TP-MR

    async def send(self, slot: ModemSlot, number: str, report_s: float, text: str = "") -> TrialResult:
        """Send a message that belongs to no request, and wait so long for its report. Raises DriverError."""
        clock = self._engine.clock
        started, now = clock.monotonic(), clock.now()
        slot.insist_on_port()
        if not slot.quota.allows(now, number):
            raise Unavailable(f"{slot.quota.full(now)} is reached")
        if (slot.name, number) in self._waiting:
            raise Unavailable("a test to this number is under way: wait for its end")
        sms = Sms(number, text or f"Pinwheel: a test of the modem {slot.name}.", 300)
        reports = self._waiting[slot.name, number] = asyncio.Queue()  # before it is sent: a report can be quick
        try:
            references = await self._send(slot, sms, insist=False)
            self._tested.append((slot.name, number, references[-1]))
            sent_s = clock.monotonic() - started
            delivery = await self._reported(slot, reports, references[-1], report_s)
        except Uncertain as exc:
            raise Uncertain(f"{exc}; the message may have been sent") from None
        finally:
            del self._waiting[slot.name, number]
            while not reports.empty():
                if not self._is_tests(slot, report := reports.get_nowait()):
                    assign(self._engine, slot, report)
        last = None if delivery is None else TrialReport(delivery, clock.monotonic() - started)
        return TrialResult(sent_s, references, last)

    async def alert(self, slot: ModemSlot, number: str, text: str) -> None:
        """Send an operator a message, also while a limit is reached or the store is broken. Raises DriverError."""
        slot.insist_on_port()
        references = await self._send(slot, Sms(number, text, ALERT_VALID_S), insist=True)
        self._tested.append((slot.name, number, references[-1]))

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
                        assign(self._engine, slot, report)  # it is another message's
        return delivery

    async def _send(self, slot: ModemSlot, sms: Sms, *, insist: bool) -> tuple[int, ...]:
        """What is not charged is not sent, unless it insists; what surely was not sent is refunded."""
        slot.testing += 1
        charged = False
        try:
            charged = await self._charge(slot, sms.number, insist=insist)
            receipt = await asyncio.wrap_future(slot.driver.send(sms))
        except DriverError as exc:
            slot.last_error = (self._engine.clock.now(), str(exc))
            if charged and not judged(exc).parts:
                with contextlib.suppress(StoreUnusable):  # then it is refunded later
                    await self._engine.do(RefundTest(slot.name, sms.number))
            raise
        finally:
            slot.testing -= 1
        return receipt.references

    async def _charge(self, slot: ModemSlot, number: str, *, insist: bool) -> bool:
        """Whether the SIM was charged. Raises StoreUnusable if that cannot be stored, unless it insists."""
        slot.quota.reserve(number)
        try:
            await self._engine.do(ChargeTest(slot.name, number))
        except StoreUnusable:
            slot.quota.release(number)
            if not insist:
                raise
            return False
        return True

    def takes(self, slot: ModemSlot, report: StatusReport) -> bool:
        """Whether it is the report of a test; it is given to the test that waits for one."""
        waiting = self._waiting.get((slot.name, report.number))
        if waiting is not None:
            waiting.put_nowait(report)
        return waiting is not None or self._is_tests(slot, report)

    def _is_tests(self, slot: ModemSlot, report: StatusReport) -> bool:
        return (slot.name, report.number, report.reference) in self._tested

    def answered_late(self, slot: ModemSlot, late: LateAnswer) -> None:
        if isinstance(late.answer, Receipt):
            self._tested.append((slot.name, late.sms.number, late.answer.references[-1]))

    def forget(self, slot: ModemSlot, number: str, reference: int) -> None:
        """TP-MR has wrapped: from now on it means another message to this number."""
        with contextlib.suppress(ValueError):
            self._tested.remove((slot.name, number, reference))
