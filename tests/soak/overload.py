"""Twice as many requests as one modem can send: how many PINs reach the network alive, and is one of them dead?"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from drivers.simulated.modem import SimulatedModem
from tests.gateway import UNLIMITED, Gateway, modem_section, until

REQUESTS = 60
EVERY_S = 2.5
NETWORK_S = 5.0
LIFE_S = 60
ALIVE_AT_LEAST = 38  # of 41 that could be; the last life is cut by [sms] least_life


@dataclass
class Outcome:
    """lives_s: of each PIN, when the network took its message; status: the overload of /v1/status at the end."""

    lives_s: list[float] = field(default_factory=list)
    dropped: int = 0
    status: str = ""

    @property
    def alive(self) -> int:
        return sum(life > 0 for life in self.lives_s)

    @property
    def dead(self) -> int:
        return len(self.lives_s) - self.alive

    @property
    def clean(self) -> bool:
        """Every message was sent alive or dropped, and enough were sent."""
        return self.dead == 0 and self.alive + self.dropped == REQUESTS and self.alive >= ALIVE_AT_LEAST


def campaign(directory: Path) -> Outcome:
    with (
        SimulatedModem(directory / "modem", network_s=NETWORK_S) as modem,
        Gateway(directory, modem_section(str(directory / "modem")) + UNLIMITED, log_level="info") as gateway,
    ):
        died_at: dict[str, float] = {}
        ids = []
        start = time.monotonic()
        for place in range(REQUESTS):
            time.sleep(max(start + place * EVERY_S - time.monotonic(), 0))
            number = f"44770090{place:02}00"
            died_at[number] = time.monotonic() + LIFE_S
            ids.append(gateway.verify(number, workflow_id=6, pin_expiry=LIFE_S))

        def states() -> list[str]:
            return [gateway.request(request_id)["attempts"][0]["state"] for request_id in ids]

        until(lambda: not {"queued", "sending"} & set(states()), "every message is sent or dropped", 2 * LIFE_S)
        taken = zip(modem.accepted, [at for what, at in modem.moments if what == "accepted"], strict=True)
        return Outcome(
            [died_at[number] - at for (number, _), at in taken],
            states().count("dropped"),
            str(gateway.client.get("/v1/status")["overload"]),
        )
