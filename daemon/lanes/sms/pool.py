"""The pool of modems, and what the operator decides about each."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from daemon.config import Modem
from daemon.core.commands import SetMeta
from daemon.core.quota import MONTH, Quota
from daemon.engine import Engine
from daemon.lanes.sms.slots import ModemSlot, NoSuchModem, duty_key, limits
from daemon.lanes.snapshots import Duty
from drivers import DeviceState, SmsDriver, SmsListener, Unavailable

log = logging.getLogger("pinwheel.lanes")


class Pool:
    """Every method is for the event loop's thread. look: called when a modem may have become able to send."""

    def __init__(
        self,
        engine: Engine,
        modems: Sequence[tuple[SmsDriver, Modem]],
        listener: Callable[[ModemSlot], SmsListener],
        look: Callable[[], None],
    ) -> None:
        self.slots = [ModemSlot(driver, modem, Quota(limits(modem))) for driver, modem in modems]
        self._engine = engine
        self._listener = listener
        self._look = look
        self._orders = {slot.name: asyncio.Lock() for slot in self.slots}  # one of the operator at a time

    def open(self) -> None:
        """Load what each SIM has sent, and open those that the operator has not drained."""
        now, reading = self._engine.clock.now(), self._engine.store.reading
        for slot in self.slots:
            self._engine.accounts[slot.name] = slot.quota
            for at, number in reading.sent_by(slot.name, now - MONTH):
                slot.quota.charge(min(at, now), number)  # a clock may have been ahead
            slot.duty = Duty(reading.meta(duty_key(slot)) or Duty.WORKING)
            if slot.duty is not Duty.DRAINED:
                slot.driver.open(self._listener(slot))

    async def close(self) -> None:
        """Let the message on the wire finish."""
        await asyncio.gather(*(asyncio.to_thread(slot.driver.close) for slot in self.slots))

    def free(self, now: float) -> list[ModemSlot]:
        """The modems that may get a message now, the next one first: idle longest, and not just failed."""
        free = (slot for slot in self.slots if slot.rested(now) and not slot.busy)
        return sorted(free, key=lambda slot: (slot.resting.last_choice(now), slot.turned_at))

    def slot(self, name: str) -> ModemSlot:
        """Raises NoSuchModem."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise NoSuchModem(f"there is no modem {name!r}; there are: {', '.join(s.name for s in self.slots)}")

    async def set_duty(self, slot: ModemSlot, duty: Duty) -> None:
        """Pause, drain or resume; it lasts over a restart. Ends once a drained modem has closed its port."""
        async with self._orders[slot.name]:
            await self._engine.do(SetMeta(duty_key(slot), duty))
            before, slot.duty = slot.duty, duty
            log.info("modem=%s duty=%s", slot.name, duty)
            if duty is Duty.DRAINED and before is not Duty.DRAINED:
                while slot.under_way:
                    await asyncio.sleep(0.05)
                await asyncio.to_thread(slot.driver.close)
            elif duty is not Duty.DRAINED and (
                before is Duty.DRAINED or slot.driver.status().state is DeviceState.CLOSED
            ):
                slot.driver.open(self._listener(slot))
        self._look()

    async def ask(self, slot: ModemSlot, command: str, timeout_s: float) -> tuple[str, ...]:
        """The modem's answer to a command of the driver's list. Raises DriverError."""
        slot.insist_on_port()
        future = slot.driver.ask(command)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
        except TimeoutError:
            raise Unavailable("the modem is busy with a message: ask again later") from None
