"""Random faults every few seconds, for as long as one likes: is anything lost, sent twice, stuck, or growing?"""

import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.simulated.modem import SimulatedModem
from tests.gateway import UNLIMITED, Gateway, modem_section
from tests.soak.kills import UNDER_WAY, Load, settled

LOAD_PAUSE_S = 1.0
FAULT_EVERY_S = (2.0, 8.0)
SAMPLE_EVERY_S = 5.0
GROWTH = 1.15  # of the memory in the last quarter over the second: history and recipients are kept, so a little is due
MORE_FDS = 2


def _away(modem: SimulatedModem, rng: random.Random) -> None:
    modem.unplug()
    time.sleep(rng.uniform(0.2, 6))
    modem.replug()


def _hang(modem: SimulatedModem, rng: random.Random) -> None:
    modem.hang(True)
    time.sleep(rng.uniform(1, 20))
    modem.hang(False)
    modem.reboot()


def _no_network(modem: SimulatedModem, rng: random.Random) -> None:
    modem.register(rng.choice((0, 2, 3)))
    time.sleep(rng.uniform(0.5, 8))
    modem.register(rng.choice((1, 5)))


def _noise(modem: SimulatedModem, rng: random.Random) -> None:
    modem.noise(rng.randbytes(rng.randrange(1, 300)))


FAULTS: dict[str, Callable[[SimulatedModem, random.Random], None]] = {
    "unplugged": _away,
    "hung": _hang,
    "no network": _no_network,
    "noise": _noise,
    "restarted": lambda modem, _: modem.reboot(),
    "restarted, no banner": lambda modem, rng: modem.reboot(banner=False, echo=rng.random() < 0.5),
    "refused": lambda modem, rng: modem.refuse(rng.choice((38, 42, 300, 500, 515)), rng.randrange(1, 5)),
    "no prompt": lambda modem, _: modem.delay_prompt(None),
    "late prompt": lambda modem, rng: modem.delay_prompt(rng.uniform(1, 9)),
    "answer lost": lambda modem, rng: modem.lose_answer(rng.random() < 0.5),
    "storage full": lambda modem, _: modem.fill(),
    "incoming": lambda modem, _: modem.receive("447700900999", "hello"),
    "ringing": lambda modem, _: modem.say("RING"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """memory_mb, descriptors: of the daemon, at each sample."""

    started: int
    happened: Counter[str]
    states: Counter[str]
    lost: int
    repeated: int
    sent_unsent: int
    memory_mb: list[float]
    descriptors: list[int]

    @property
    def growth(self) -> float:
        """Memory of the last quarter over that of the second."""
        quarter = max(len(self.memory_mb) // 4, 1)
        return statistics.median(self.memory_mb[-quarter:]) / statistics.median(self.memory_mb[quarter : 2 * quarter])

    @property
    def clean(self) -> bool:
        few = len(self.descriptors) // 4
        flat = max(self.descriptors[-few - 1 :]) <= max(self.descriptors[: few + 1]) + MORE_FDS
        missed = self.lost or self.states["dropped"]  # dropped: no modem was free while the PIN lived
        return flat and self.growth <= GROWTH and not (missed or self.repeated or self.sent_unsent)


def campaign(directory: Path, minutes: float, seed: int = 1) -> Result:
    """At-most-once (`on_uncertain = "never"`), so that a repetition is a defect."""
    rng = random.Random(seed)
    happened: Counter[str] = Counter()
    memory: list[float] = []
    descriptors: list[int] = []
    with SimulatedModem(directory / "modem", network_s=0.2, report_s=0.1) as modem:
        devices = modem_section(str(directory / "modem"), more='on_uncertain = "never"') + UNLIMITED
        with Gateway(directory, devices, log_level="info") as gateway, Load(gateway, 1, LOAD_PAUSE_S) as load:
            end = time.monotonic() + 60 * minutes
            sample_at = time.monotonic()
            while time.monotonic() < end:
                name = rng.choice(list(FAULTS))
                happened[name] += 1
                FAULTS[name](modem, rng)
                time.sleep(rng.uniform(*FAULT_EVERY_S))
                if time.monotonic() >= sample_at and gateway.process is not None:
                    memory.append(_memory_mb(gateway.process.pid))
                    descriptors.append(len(os.listdir(f"/proc/{gateway.process.pid}/fd")))
                    sample_at = time.monotonic() + SAMPLE_EVERY_S
            load.__exit__()
            modem.reboot()
            states = settled(gateway, load, seconds=600)
    per_number = Counter(number for number, _ in modem.accepted)
    arrived = [request for request, state in states.items() if state in ("sent", "delivered")]
    return Result(
        started=len(load.promised),
        happened=happened,
        states=Counter(states.values()),
        lost=sum(states.get(request, "queued") in UNDER_WAY for request in load.promised),
        repeated=sum(count > 1 for count in per_number.values()),
        sent_unsent=sum(per_number[load.promised[request]] != 1 for request in arrived),
        memory_mb=memory,
        descriptors=descriptors,
    )


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
