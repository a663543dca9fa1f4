"""How often a service may be asked: one pace for all processes, and a pause after each refusal."""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

INTERVAL_S = 1.5
PAUSES_S = (5 * 60, 20 * 60, 60 * 60)  # after the first, the second and every further refusal in a row


class TooSoon(Exception):
    """The service refused, and the pause after that is not over. until: when it is, in seconds UTC."""

    def __init__(self, until: float) -> None:
        super().__init__(f"it asked us to wait; go on at {time.strftime('%H:%M', time.localtime(until))}")
        self.until = until


@dataclass(frozen=True, slots=True)
class Asked:
    """What is remembered, in seconds UTC. refusals: in a row."""

    last: float = 0.0
    refusals: int = 0
    until: float = 0.0


class Pace:
    """The pace of one service, kept in a file that its users share."""

    def __init__(
        self, path: Path, now: Callable[[], float] = time.time, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._path, self._now, self._sleep = path, now, sleep

    def wait(self) -> None:
        """Wait until the next request may be sent. Raises TooSoon."""
        with self._remembered() as (file, asked):
            now = self._now()
            if 0 < asked.until - now <= PAUSES_S[-1]:  # else the clock was set back
                raise TooSoon(asked.until)
            self._sleep(min(max(asked.last + INTERVAL_S - now, 0), INTERVAL_S))
            self._remember(file, replace(asked, last=self._now()))

    def refused(self) -> TooSoon:
        """The service refused: begin a pause, longer each time."""
        with self._remembered() as (file, asked):
            until = self._now() + PAUSES_S[min(asked.refusals, len(PAUSES_S) - 1)]
            self._remember(file, replace(asked, refusals=asked.refusals + 1, until=until))
        return TooSoon(until)

    def served(self) -> None:
        """It answered: what it refused before is forgotten."""
        with self._remembered() as (file, asked):
            self._remember(file, Asked(last=asked.last))

    @contextmanager
    def _remembered(self) -> Iterator[tuple[IO[str], Asked]]:
        """The locked file and its content; nothing if the content cannot be read."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            try:
                asked = Asked(**json.load(file))
            except (ValueError, TypeError):
                asked = Asked()
            yield file, asked

    @staticmethod
    def _remember(file: IO[str], asked: Asked) -> None:
        file.truncate(0)
        json.dump(asdict(asked), file)
        file.flush()
