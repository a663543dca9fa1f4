"""Where to look for a modem. Pure.

Of several ports that may be the modem's, a silent one is more likely another device's: nothing is done to it, and its
silence proves nothing before all were tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """node: what distinguishes a device file from a later one of the same name (its inode); 0 where there is none."""

    name: str
    node: int


class Search:
    """Which of the ports that fit is tried next, where the modem was last seen, and whether silence is the modem's."""

    def __init__(self) -> None:
        self.known: Port | None = None
        self._turn = 0
        self._tried: dict[Port, bool] = {}  # since it was last seen: was the port silent?

    def choose(self, ports: Sequence[Port]) -> Port:
        return ports[self._turn % len(ports)]

    def seen(self, port: Port) -> None:
        """The modem answers here."""
        self.known = port
        self._tried.clear()

    def missed(self, port: Port, ports: Sequence[Port], *, silent: bool) -> bool:
        """A session here did not get as far as serving. Whether the modem itself counts as silent."""
        self._turn += 1
        if self.known in ports:
            return silent and port == self.known
        self._tried[port] = silent
        if not self._tried.keys() >= set(ports):
            return False
        any_silent = any(self._tried[each] for each in ports)
        self._tried.clear()
        return any_silent
