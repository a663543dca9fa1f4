"""What a scrape of /metrics takes of the event loop, of a gateway with eight modems and a trunk that are at work."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from drivers.simulated.modem import SimulatedModem
from drivers.simulated.phone import SimulatedPhone
from tests.daemon.operations.test_metrics import scraped, series
from tests.gateway import UNLIMITED, Gateway, modem_section, pin_in, voice_section

MODEMS, A_SECOND = 8, 20
TURN_S, PAUSE_S = 10.0, 0.2  # traffic in a turn; between two scrapes
SMS_ONLY, CALL_ONLY, A_CALL = 6, 7, 8  # workflows; one request in so many is a call
MOBILE = (
    *("447400000000", "33612000000", "4915100000000", "12015000000", "34612000000", "31612000000", "46701000000"),
    *("41791000000", "436640000000", "48512000000"),
)
"""The first number of a block in each of ten countries."""
MOST_MS, MOST_SERIES = 10.0, 600


class TimedGateway(Gateway):
    """Its daemon says what each scrape costs."""

    def __init__(self, directory: Path, toml: str) -> None:
        super().__init__(directory, toml, log_level="warning")
        self._program = [sys.executable, "-m", "tests.bench.timed_daemon"]

    def costs_ms(self) -> list[float]:
        """Of each scrape but the first, which loads prometheus-client."""
        return [float(line.split()[1]) for line in self.log().splitlines() if line.startswith("SCRAPE")][1:]


def _traffic(gateway: Gateway, modems: list[SimulatedModem], until: float) -> None:
    """Requests of several countries by SMS and call; people type the codes that they got by SMS."""
    started: dict[str, str] = {}
    taken = [0] * len(modems)
    for turn in range(10**6):
        if time.monotonic() > until:
            return
        number = str(int(MOBILE[turn % len(MOBILE)]) + turn)
        workflow = CALL_ONLY if turn % A_CALL == 0 else SMS_ONLY
        started[number] = str(
            gateway.client.verify("", number=number, brand="Acme", lg="en-us", workflow_id=workflow)["request_id"]
        )
        for place, modem in enumerate(modems):
            messages = modem.accepted[taken[place] :]
            taken[place] += len(messages)
            for to, text in messages:
                gateway.client.verify("check", request_id=started[to], code=pin_in(text))
        time.sleep(1 / A_SECOND)


def goals(directory: Path, turns: int) -> Iterator[str]:
    """Print the figures; the goals that were missed."""
    with ExitStack() as opened:
        modems = [opened.enter_context(SimulatedModem(directory / f"modem{n}", network_s=0.5)) for n in range(MODEMS)]
        phone = opened.enter_context(SimulatedPhone(ring_s=0.1))
        limits = "hourly_limit = 100000\ndaily_limit = 100000"
        sections = [modem_section(modem.port, f"sim{n}", limits) for n, modem in enumerate(modems)]
        toml = UNLIMITED + "".join(sections) + voice_section(phone.address)
        gateway = TimedGateway(directory, toml)
        opened.enter_context(gateway)
        end = time.monotonic() + turns * TURN_S
        traffic = threading.Thread(target=_traffic, args=(gateway, modems, end))
        traffic.start()
        text = ""
        while time.monotonic() < end:
            text = scraped(gateway)
            time.sleep(PAUSE_S)
        traffic.join()
        costs, found = sorted(gateway.costs_ms()), series(text)
    p99 = costs[int(len(costs) * 0.99)]
    verified = sum(value for (name, _), value in found.items() if name == "pinwheel_conversions_total")
    print(f"{len(costs)} scrapes of {len(found)} series, {verified:.0f} requests verified meanwhile", flush=True)
    print(f"CPU of the loop, ms a scrape: p50 {median(costs):.2f}, p99 {p99:.2f}, max {costs[-1]:.2f}", flush=True)
    if not verified:
        yield "scrapes: there was no traffic"
    if p99 > MOST_MS:
        yield f"scrapes: p99 {p99:.1f} ms > {MOST_MS:g} ms"
    if len(found) >= MOST_SERIES:
        yield f"scrapes: {len(found)} series >= {MOST_SERIES}"
