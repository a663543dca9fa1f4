"""The SMS drivers, each on its device, by the one contract."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from drivers import SmsDriver
from drivers.serial import Driver as SerialDriver
from drivers.serial import Options as SerialOptions
from drivers.simulated.dialect import Dialect
from drivers.simulated.modem import SimulatedModem
from tests.drivers.contract.memory_sms import Device, Driver, Options
from tests.drivers.contract.sms import SmsContract
from tests.drivers.serial.driving import FAST

TIMING = replace(FAST, answer=2.0, listen=20.0)


@dataclass
class ModemBench:
    """The serial driver on the simulated modem: AT commands on a pseudo-terminal."""

    driver: SmsDriver
    modem: SimulatedModem
    refused = "447700900180"
    congested = "447700900181"
    unanswered = "447700900182"
    question = "AT+CSQ"
    command = "AT+CFUN=0"

    def again(self) -> SmsDriver:
        return SerialDriver("sim1", SerialOptions(port=self.modem.port), TIMING)

    def taken(self) -> list[tuple[str, str]]:
        return self.modem.accepted

    def hold(self, held: bool) -> None:
        self.modem.stall(held)

    def busy(self) -> bool:
        return self.modem.sending > 0

    def receive(self, sender: str, text: str) -> None:
        self.modem.receive(sender, text)

    def plug(self, there: bool) -> None:
        if there:
            self.modem.replug()
        else:
            self.modem.unplug()


class TestSerial(SmsContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[ModemBench]:
        eager = Dialect(multitasking=True)
        with SimulatedModem(tmp_path / "modem", network_s=0.02, report_s=0.02, dialect=eager) as modem:
            yield ModemBench(SerialDriver("sim1", SerialOptions(port=modem.port), TIMING), modem)


class MemoryBench:
    """The reference driver on its device."""

    refused = "447700900180"
    congested = "447700900181"
    unanswered = "447700900182"
    question = "who"
    command = "forget"

    def __init__(self) -> None:
        self.device = Device()
        self.memory = Driver("memory", Options(), self.device)
        self.driver: SmsDriver = self.memory

    def again(self) -> SmsDriver:
        self.memory = Driver("memory", Options(), self.device)
        return self.memory

    def taken(self) -> list[tuple[str, str]]:
        return self.device.taken

    def hold(self, held: bool) -> None:
        def act() -> None:
            self.device.held = held
            if not held and self.device.asked is not None:
                self.memory.answered(self.device.network(self.device.asked))

        self.device.tell(act)

    def busy(self) -> bool:
        return self.device.asked is not None

    def receive(self, sender: str, text: str) -> None:
        self.device.tell(lambda: self.device.inbox.append((sender, text)))

    def plug(self, there: bool) -> None:
        self.device.there = there
        self.device.tell(lambda: None)


class TestMemory(SmsContract):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench()
