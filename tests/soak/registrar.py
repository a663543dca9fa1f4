"""A registrar that is away for minutes, each in its own way: how soon after its return are we registered again?"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers import DeviceState
from drivers.pyvoip import Driver, Options
from tests.peers.kamailio import PASSWORD, Kamailio
from tests.soak.trunk import BACK_WITHIN_S, until_registered

AWAY_S = 300.0
NOBODY = "127.0.0.3:9"  # is called
GIVEN_UP_S = 120.0

ABSENCES: dict[str, Callable[[Kamailio], AbstractContextManager[None]]] = {
    "silent": Kamailio.frozen,
    "killed": Kamailio.killed,
    "answers 503": Kamailio.refusing,
    "answers 503, Retry-After: 5": partial(Kamailio.refusing, retry_after_s=5),
}


@dataclass(frozen=True, slots=True)
class Return:
    """noticed: whether the driver knew that it was away; registered_s: from its return."""

    absence: str
    noticed: bool
    registered_s: float

    @property
    def row(self) -> str:
        told = "" if self.noticed else "  never noticed"
        return f"  {self.absence:32}{self.registered_s:>8.1f}{told}{'' if self.clean else '  NOT CLEAN'}"

    @property
    def clean(self) -> bool:
        return self.noticed and self.registered_s <= BACK_WITHIN_S


HEAD = f"  {'absence':32}{'back s':>8}"


def campaign(directory: Path) -> bool:
    """All absences at the same time; prints the table. Whether all rows are clean."""
    print(HEAD, flush=True)
    with ThreadPoolExecutor(len(ABSENCES)) as pool:
        found = list(pool.map(lambda name: _absence(name, directory / name), ABSENCES))
    for each in found:
        print(each.row, flush=True)
    return all(each.clean for each in found)


def _absence(name: str, directory: Path) -> Return:
    directory.mkdir()
    password = directory / "password"
    password.write_text(PASSWORD)
    with Kamailio(directory, NOBODY) as trunk:
        opened = Driver("voice", Options(trunk.address, username="gateway", password_file=str(password)))
        opened.open(lambda _: None)
        try:
            until_registered(opened, GIVEN_UP_S)
            with ABSENCES[name](trunk):
                time.sleep(AWAY_S)
                noticed = opened.status().state is not DeviceState.READY
            return Return(name, noticed, until_registered(opened, GIVEN_UP_S))
        finally:
            opened.close()
