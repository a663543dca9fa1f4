"""The pool of modems, and what the operator decides about each."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from daemon.config import Modem
from daemon.core.commands import SetMeta
from daemon.core.milliseconds import Ms
from daemon.core.quota import MONTH, Quota
from daemon.engine import Engine
from daemon.lanes.sms.left_behind import Unanswered, unanswered
from daemon.lanes.sms.modem_slot import ModemSlot, NoSuchModem, Record, duty_key, limits
from daemon.lanes.snapshots import Duty
from daemon.store.contract import Reading, StoreUnusable
from daemon.store.store import STORE_AGAIN_S
from drivers import DeviceState, LeftBehind, SmsDriver, SmsListener, Unavailable

log = logging.getLogger("pinwheel.lanes")


@dataclass(frozen=True, slots=True)
class _Known:
    """Of a modem: what its SIM has sent within a month, what the operator has decided, what it has not answered."""

    sent: list[tuple[Ms, str]] = field(repr=False)
    duty: Duty
    unanswered: list[Unanswered] = field(repr=False)


class Pool:
    """Every method is for the event loop's thread. look: called when a modem may have become able to send.

    left: of messages that its modem has not answered, what a new driver gets.
    """

    def __init__(
        self,
        engine: Engine,
        modems: Sequence[tuple[SmsDriver, Modem]],
        listener: Callable[[ModemSlot], SmsListener],
        look: Callable[[], None],
        left: Callable[[ModemSlot, Sequence[Unanswered]], Sequence[LeftBehind]],
    ) -> None:
        self.slots = [ModemSlot(driver, modem, Quota(limits(modem))) for driver, modem in modems]
        self._wanted = {modem.name: modem for _, modem in modems}  # as the configuration has them now
        self._changes: set[asyncio.Task[None]] = set()
        self._engine = engine
        self._listener = listener
        self._look = look
        self._left = left
        self._unopened: set[str] = set()  # modems whose drivers have not got yet what an earlier one left
        self._orders: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by modem: one at a time

    def open(self) -> None:
        """Load what each SIM has sent, and open those that the operator has not drained."""
        for slot in self.slots:
            self._open(slot, self._known(slot.name, self._engine.store.reading))

    def _known(self, name: str, reading: Reading) -> _Known:
        now = self._engine.clock.now()
        duty = Duty(reading.meta(duty_key(name)) or Duty.WORKING)
        return _Known(reading.sent_by(name, now - MONTH), duty, unanswered(reading, name, now))

    def _open(self, slot: ModemSlot, known: _Known) -> None:
        now = self._engine.clock.now()
        self._engine.quotas[slot.name] = slot.quota
        for at, number in known.sent:
            slot.quota.charge(min(at, now), number)  # a clock may have been ahead
        slot.duty = known.duty
        if slot.duty is Duty.DRAINED:
            self._unopened.add(slot.name)
        else:
            self._unopened.discard(slot.name)
            slot.driver.open(self._listener(slot), self._left(slot, known.unanswered))

    async def close(self) -> None:
        """Let the message on the wire finish."""
        for change in self._changes:
            change.cancel()
        await asyncio.gather(*(asyncio.to_thread(slot.driver.close) for slot in self.slots))

    def find(self, name: str) -> ModemSlot | None:
        """None where there is no such modem, or none any more: a reload may remove one."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def slot(self, name: str) -> ModemSlot:
        """Raises NoSuchModem."""
        found = self.find(name)
        if found is not None:
            return found
        raise NoSuchModem(f"there is no modem {name!r}; there are: {', '.join(s.name for s in self.slots)}")

    async def set_duty(self, name: str, duty: Duty) -> None:
        """Pause, drain or resume; it lasts over a restart. Ends once a drained modem has closed its port.

        name: not the slot, since a reload that goes first puts another in its place. Raises NoSuchModem, StoreUnusable.
        """
        async with self._orders[name]:
            slot, left = self.slot(name), list[LeftBehind]()
            if name in self._unopened and duty is not Duty.DRAINED:
                known = await self._engine.store.browse(partial(self._known, name))
                left = [*self._left(slot, known.unanswered)]
            await self._engine.do(SetMeta(duty_key(name), duty))
            before, slot.duty = slot.duty, duty
            log.info("modem=%s duty=%s", name, duty)
            if duty is Duty.DRAINED and before is not Duty.DRAINED:
                await self._retire(slot)
            elif duty is not Duty.DRAINED and (
                before is Duty.DRAINED or slot.driver.status().state is DeviceState.CLOSED
            ):
                self._unopened.discard(name)
                slot.driver.open(self._listener(slot), left)
        self._look()

    def prepare(self, wanted: Sequence[Modem], make: Callable[[Modem], SmsDriver]) -> Callable[[], None]:
        """Make the drivers that other modems need; what is returned takes them up, while all others go on."""
        drivers = {modem.name: make(modem) for modem in wanted if not _alike(modem, self._wanted.get(modem.name))}

        def apply() -> None:
            gone = self._wanted.keys() - {modem.name for modem in wanted}
            self._wanted = {modem.name: modem for modem in wanted}
            for slot in self.slots:
                if slot.name in self._wanted:
                    slot.set_limits(self._wanted[slot.name])
            for name in (*sorted(gone), *drivers):
                change = asyncio.get_running_loop().create_task(self._renew(name, drivers.get(name)))
                self._changes.add(change)
                change.add_done_callback(self._changes.discard)
            self._look()

        return apply

    async def _renew(self, name: str, driver: SmsDriver | None) -> None:
        """Let the modem of this name finish its message, close it, and open the one in its place, if there is one."""
        if (old := self.find(name)) is not None:
            old.duty = Duty.DRAINED  # from now on; not the operator's decision, so it does not last
        async with self._orders[name]:
            if (old := self.find(name)) is not None:
                old.duty = Duty.DRAINED
                await self._retire(old)
                self.slots.remove(old)
                log.info("modem=%s removed", name)
            while driver is not None and name in self._wanted:
                try:
                    known = await self._engine.store.browse(partial(self._known, name))
                except StoreUnusable:
                    await asyncio.sleep(STORE_AGAIN_S)
                    continue
                quota = Quota(limits(self._wanted[name]))
                slot = ModemSlot(driver, self._wanted[name], quota, record=old.handed_on() if old else Record())
                self.slots.append(slot)
                self._open(slot, known)
                log.info("modem=%s added", name)
                break
        self._look()

    async def _retire(self, slot: ModemSlot) -> None:
        """Once its message is finished, and recorded, close the port."""
        while slot.under_way:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(slot.driver.close)

    async def ask(self, slot: ModemSlot, command: str, timeout_s: float) -> tuple[str, ...]:
        """The modem's answer to a command of the driver's list. Raises DriverError."""
        slot.insist_on_port()
        future = slot.driver.ask(command)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
        except TimeoutError:
            raise Unavailable("the modem is busy with a message: ask again later") from None


def _alike(modem: Modem, other: Modem | None) -> bool:
    """Whether they are one device in the same way."""
    return other is not None and (modem.driver, modem.options) == (other.driver, other.options)
