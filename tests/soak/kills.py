"""kill -9 of the daemon under load: is a request lost, is a step repeated, how soon does it serve again?"""

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daemon.client.connection import HttpProblem, Unreachable
from drivers.simulated.modem import SimulatedModem
from tests.gateway import UNLIMITED, Gateway, modem_section, until

CLIENTS = 3
PAUSE_S = 0.05  # between two starts of a client
REPORTS_S = 2.0
UNDER_WAY = ("queued", "sending")


@dataclass
class Result:
    """What the campaign found. states: of all attempts at the end; on_duty_s: of each restart."""

    started: int
    lost: list[str]
    repeated: list[str]
    sent_unsent: list[str]
    states: Counter[str]
    on_duty_s: list[float] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.repeated or self.sent_unsent)


class Load:
    """Clients that start requests, each for a number of its own, and remember what was promised."""

    def __init__(self, gateway: Gateway, clients: int = CLIENTS, pause_s: float = PAUSE_S) -> None:
        self.promised: dict[str, str] = {}  # number by request id
        self._gateway = gateway
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(client,)) for client in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        count = 0
        while not self._stop.wait(self._pause_s):
            count += 1
            number = f"447{client}{count:06d}00"  # an ordinary handset
            with suppress(Unreachable, HttpProblem):
                answer = self._gateway.client.verify("", number=number, brand="Acme", workflow_id=6)
                if answer["status"] == "0":
                    self.promised[answer["request_id"]] = number


def campaign(directory: Path, kills: int, seed: int = 1, store: str = "") -> Result:
    """Kill and restart so many times; at-most-once (`on_uncertain = "never"`), so that a repetition is a defect.

    At the end the modem restarts. So it owes no more answers: for those of the killed daemons it would be listened for
    180 s, as it answers too fast to show in which order it answers.
    store: keys of [store], "" for a SQLite file.
    """
    rng = random.Random(seed)
    with SimulatedModem(directory / "modem", network_s=0.02, report_s=0.05) as modem:
        devices = modem_section(str(directory / "modem"), more='on_uncertain = "never"') + UNLIMITED
        with Gateway(directory, devices, log_level="info", store=store) as gateway, Load(gateway) as load:
            on_duty_s = []
            for _ in range(kills):
                time.sleep(rng.uniform(0.3, 1.5))  # long enough for work to be under way, anywhere in it
                gateway.kill()
                on_duty_s.append(gateway.start())
            load.__exit__()
            modem.reboot()
            states = settled(gateway, load)
    per_number = Counter(number for number, _ in modem.accepted)
    return Result(
        started=len(load.promised),
        lost=[n for request, n in load.promised.items() if states.get(request, "queued") in UNDER_WAY],
        repeated=[number for number, count in per_number.items() if count > 1],
        sent_unsent=[
            load.promised[request]
            for request, state in states.items()
            if state in ("sent", "delivered") and per_number[load.promised[request]] != 1
        ],
        states=Counter(states.values()),
        on_duty_s=on_duty_s,
    )


def settled(gateway: Gateway, load: Load, seconds: float = 120) -> dict[str, str]:
    """The state of each promised request's delivery, once none is under way and the last reports have come."""

    def states() -> dict[str, str]:
        found = {}
        for request in load.promised:
            with suppress(HttpProblem):  # there is none: it was lost
                found[request] = gateway.request(request)["attempts"][0]["state"]
        return found

    with suppress(AssertionError):
        until(lambda: not set(states().values()) & set(UNDER_WAY), "every delivery is settled", seconds)
    time.sleep(REPORTS_S)
    return states()
