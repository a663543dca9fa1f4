"""The voice drivers, each on its trunk, by the one contract."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from drivers import CallOutcome
from drivers.pyvoip import Driver as PyvoipDriver
from drivers.pyvoip import Options as PyvoipOptions
from drivers.simulated.phone import SimulatedPhone
from tests.drivers.contract.memory_voice import Driver, Options
from tests.drivers.contract.voice import VoiceContract

NUMBERS = {
    CallOutcome.ANSWERED: "447700900123",
    CallOutcome.BUSY: "447700900190",
    CallOutcome.NO_ANSWER: "447700900191",
    CallOutcome.DECLINED: "447700900192",
    CallOutcome.NOT_FOUND: "447700900193",
}
NOWHERE = "127.0.0.3:9"  # nobody listens there


@dataclass
class TrunkBench:
    """The driver `pyvoip` and the simulated phone: SIP and RTP on loopback."""

    phone: SimulatedPhone
    driver: PyvoipDriver
    elsewhere: PyvoipDriver
    numbers = NUMBERS

    def calls(self) -> int:
        return len(self.phone.calls)


class TestPyvoip(VoiceContract):
    @pytest.fixture
    def bench(self) -> Iterator[TrunkBench]:
        with SimulatedPhone(ring_s=0.1) as phone:
            there, nowhere = (
                PyvoipDriver("voice", PyvoipOptions(server=server, username="gateway", bind="127.0.0.1:0"))
                for server in (phone.address, NOWHERE)
            )
            yield TrunkBench(phone, there, nowhere)


@dataclass
class MemoryBench:
    """The reference driver with its phones."""

    driver: Driver
    elsewhere: Driver
    numbers = NUMBERS

    def calls(self) -> int:
        return self.driver.dialled


class TestMemory(VoiceContract):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench(Driver("memory", Options()), Driver("memory", Options(there=False)))
