"""What a simulated modem knows: its SIM, its storage, its settings."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.simulated.dialect import Dialect

STORAGE = 30  # messages
TRIES = 3
CREDIT = '+CUSD: 0,"Your credit is 12.34 EUR.",15'


@dataclass(slots=True)
class Sim:
    """A card; pin None: it asks for none."""

    pin: str | None = field(repr=False)
    tries: int = TRIES
    locked: bool = False

    def start(self) -> None:
        self.locked = self.pin is not None

    def unlock(self, pin: str) -> bool:
        if pin == self.pin and self.tries:
            self.locked, self.tries = False, TRIES
            return True
        self.tries = max(self.tries - 1, 0)
        return False


@dataclass(slots=True)
class Storage:
    """Messages by storage and index. reading: which one is read (<mem1> of 27.005 3.2.2)."""

    pdus: dict[str, dict[int, bytes]] = field(repr=False)
    reading: str = "SM"

    @property
    def read(self) -> dict[int, bytes]:
        return self.pdus[self.reading]

    @property
    def full(self) -> bool:
        """Nothing can be sent either, then."""
        return len(self.pdus["SM"]) >= STORAGE

    def put(self, name: str, pdu: bytes) -> int:
        """Keep it at the first free index."""
        pdus = self.pdus[name]
        index = next(number for number in itertools.count(1) if number not in pdus)
        pdus[index] = pdu
        return index


@dataclass(slots=True)
class Network:
    """registered: <stat> of 27.007 7.2; signal: <rssi> of 8.5; ussd: its answers by code, as the modem says them."""

    registered: int = 1
    signal: int = 21
    ussd: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"*100#": (CREDIT,)})


@dataclass(slots=True)
class State:
    """Belongs to the modem's thread. functionality: <fun> of 27.007 8.2.

    reports: <ds> of 27.005 3.4.1; phase: of AT+CSMS; unacknowledged: a report waits for AT+CNMA; references: the next
    values of TP-MR.
    """

    dialect: Dialect
    imei: str
    sim: Sim
    storage: Storage
    functionality: int
    verbose: bool
    network: Network = field(default_factory=Network)
    references: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(256)))
    echo: bool = True
    numeric_errors: bool = False
    reports: int = 0
    phase: str = "0"
    unacknowledged: bool = False

    @classmethod
    def new(cls, dialect: Dialect, imei: str, pin: str | None) -> "State":
        storage = Storage({"SM": {}, "SR": {}, dialect.incoming: {}})
        return cls(dialect, imei, Sim(pin), storage, 4 if dialect.flight else 1, dialect.verbose)

    def start(self) -> None:
        """What a start forgets."""
        self.sim.start()
        self.storage.reading = "SM"
        self.echo, self.numeric_errors, self.phase = True, False, "0"
        self.reports = 2 if self.dialect.keeps_reports else 0
        self.unacknowledged = False

    def count_from(self, reference: int) -> None:
        self.references = itertools.cycle([*range(reference, 256), *range(reference)])
