"""Frozen values that say how a lane and its devices are at one moment: all that operators see of them.

A lane makes them when somebody asks, on the event loop's thread. Most of what they say slides with time (what a SIM has
sent in the last hour, how long a call has rung), so a value that was made at the last change would be wrong by now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from daemon.core.histogram import Histogram
from daemon.core.milliseconds import Ms
from daemon.core.overload import Overload
from daemon.core.quota import Limits, Used
from drivers import CallPhase, ModemStatus, TrunkStatus
from drivers.figures import ModemCounts

VOICE = "[voice]"
"""The trunk, where a device is named: as a modem has its name."""


class Duty(StrEnum):
    """What the operator wants of a modem."""

    WORKING = "working"
    PAUSED = "paused"  # sends nothing, goes on listening
    DRAINED = "drained"  # has finished, and closed its port


@dataclass(frozen=True, slots=True)
class ModemSnapshot:
    """A modem with its SIM. full: the limit that is reached, or ""; usual_s: that a message takes; failures: in a row.

    outcomes: messages since the start, by how they ended; last_error: when and what.
    remarks: what works, and yet lacks something. balance_low: below which the balance of the SIM is low.
    counts: since the start of the daemon, by all its drivers; durations: seconds that it took for a message.
    """

    name: str
    duty: Duty
    status: ModemStatus
    busy: bool
    usual_s: float
    used: Used
    limits: Limits
    full: str
    outcomes: Mapping[str, int]
    failures: int
    last_error: tuple[Ms, str] | None
    remarks: tuple[str, ...]
    balance_low: float
    counts: ModemCounts
    durations: Histogram


@dataclass(frozen=True, slots=True)
class SmsSnapshot:
    """The lane of messages. waiting: for a modem, oldest_s: since the first of them was queued; 0 where none waits."""

    modems: tuple[ModemSnapshot, ...]
    waiting: int
    oldest_s: float
    overload: Overload | None


@dataclass(frozen=True, slots=True)
class CallSnapshot:
    """A call under way. since_s: seconds in this phase."""

    request_id: str
    phase: CallPhase
    since_s: float


@dataclass(frozen=True, slots=True)
class VoiceSnapshot:
    """The lane of calls. waiting, oldest_s: as of messages; locales: spoken.

    Since the start: outcomes, of deliveries; results, of calls, by outcome and class of the last response, as of
    `daemon.lanes.voice.call_record`; setups: seconds from dialling until the phone rings, or somebody answers;
    lateness: seconds by which packets of speech went out late.
    """

    driver: str
    status: TrunkStatus
    calls: tuple[CallSnapshot, ...]
    waiting: int
    oldest_s: float
    outcomes: Mapping[str, int]
    results: Mapping[tuple[str, str], int]
    locales: tuple[str, ...]
    setups: Histogram
    lateness: Histogram
