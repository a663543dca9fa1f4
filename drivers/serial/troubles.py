"""How often a modem stopped working, restarted, and had its power cut, each by its cause. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from drivers.figures import ModemCounts, Trouble

RESTARTS = (Trouble.SILENT, Trouble.STUCK, Trouble.ITSELF)
POWER_CYCLES = (Trouble.SILENT, Trouble.STUCK, Trouble.ABSENT)
ERRORS = tuple(trouble for trouble in Trouble if trouble is not Trouble.ITSELF)


class Troubles:
    """One modem's. power: it can be cut. counts: a frozen value, which any thread may read."""

    def __init__(self, *, power: bool) -> None:
        self.counts = ModemCounts(
            dict.fromkeys(ERRORS, 0), dict.fromkeys(RESTARTS, 0), dict.fromkeys(POWER_CYCLES if power else (), 0)
        )
        self._now: Trouble | None = None
        self._asked = False  # for a restart, which the modem has not announced yet

    def serves(self) -> None:
        """The modem works."""
        self._now, self._asked = None, False

    def has(self, trouble: Trouble | None) -> None:
        """The modem does not work. While that stays so it is one error, however often it is tried."""
        if trouble is not None and trouble is not self._now:
            self._now = trouble
            self.counts = replace(self.counts, errors=_more(self.counts.errors, trouble))

    def is_restarted(self, why: Trouble) -> None:
        """By a command of ours."""
        self._asked = True
        self.counts = replace(self.counts, restarts=_more(self.counts.restarts, why))

    def has_power_cut(self, why: Trouble) -> None:
        self._asked = True
        self.counts = replace(self.counts, power_cycles=_more(self.counts.power_cycles, why))

    def restarted(self) -> None:
        """It says so. The first time after one of ours, that is the one."""
        if not self._asked:
            self.counts = replace(self.counts, restarts=_more(self.counts.restarts, Trouble.ITSELF))
        self._asked = False


def _more(counts: Mapping[Trouble, int], cause: Trouble) -> Mapping[Trouble, int]:
    return {**counts, cause: counts[cause] + 1}
