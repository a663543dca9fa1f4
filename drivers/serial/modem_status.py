"""The state of a modem, for operators and for the queue. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

from drivers import Balance, DeviceState, ModemStatus, Reason
from drivers.figures import ModemCounts


@dataclass(frozen=True, slots=True)
class Became:
    """News: the modem's state, as operators see it."""

    state: DeviceState
    detail: str
    reason: Reason = Reason.NONE


class Facts(TypedDict, total=False):
    """The fields of a ModemStatus that are not its state."""

    port: str
    model: str
    imei: str
    imsi: str
    operator: str
    signal_dbm: int | None
    balance: Balance | None
    counts: ModemCounts
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """News: other fields of its status."""

    facts: Facts = field(repr=False)


class Condition:
    """The newest snapshot; any thread may read it. changed: is called where the state, or its reason, is another."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self.now = ModemStatus(DeviceState.CLOSED)
        self._changed = changed

    def know(self, **facts: Unpack[Facts]) -> None:
        """Other fields than the state."""
        self.now = replace(self.now, **facts)

    def become(self, state: DeviceState, detail: str = "", reason: Reason = Reason.NONE) -> None:
        if (state, detail) != (self.now.state, self.now.detail):
            self.now = replace(self.now, state=state, detail=detail, reason=reason)
            self._changed()
