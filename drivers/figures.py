"""What drivers count for monitoring. The audio process imports this, so it imports little."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LATE_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 1.0)
"""Bounds for a packet that is late. A phone hides 20 to 60 ms (its jitter buffer); above 100 ms the schedule moves."""
NO_PACKETS = (0,) * (len(LATE_S) + 1)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late packets of speech went out. counts: how many up to each of LATE_S, then the others; total_s: of all."""

    counts: tuple[int, ...] = NO_PACKETS
    total_s: float = 0.0


class Trouble(StrEnum):
    """Why a modem stopped working, was restarted, or had its power cut."""

    ABSENT = "absent"  # its port is not there, or failed
    NOT_OPENED = "not opened"  # the port is there, but another program has it, or it may not be opened
    WRONG_PORT = "wrong port"  # what answers is another modem, or its port for something else
    SILENT = "silent"  # it does not answer
    STUCK = "stuck"  # it answers, but sends nothing
    UNREADABLE = "unreadable"  # its answers are not those of the standard
    BLOCKED = "blocked"  # a person has to do something, for example enter the SIM's PIN
    ITSELF = "itself"  # it restarted, and nobody had asked for that


@dataclass(frozen=True, slots=True)
class ModemCounts:
    """Since the driver was made, by cause: how often the modem stopped working, restarted, had its power cut.

    A cause that is possible is there from the start; a driver that counts nothing has none.
    """

    errors: Mapping[Trouble, int] = field(default_factory=dict)
    restarts: Mapping[Trouble, int] = field(default_factory=dict)
    power_cycles: Mapping[Trouble, int] = field(default_factory=dict)

    def plus(self, other: "ModemCounts") -> "ModemCounts":
        """Together with what another driver of the same modem has counted."""
        return ModemCounts(
            _sum(self.errors, other.errors),
            _sum(self.restarts, other.restarts),
            _sum(self.power_cycles, other.power_cycles),
        )


def _sum(one: Mapping[Trouble, int], other: Mapping[Trouble, int]) -> Mapping[Trouble, int]:
    return {cause: one.get(cause, 0) + other.get(cause, 0) for cause in {**one, **other}}
