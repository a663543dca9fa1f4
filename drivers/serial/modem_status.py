"""The state of a modem, for operators and for the queue. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from drivers import DeviceState, ModemStatus, Reason


@dataclass(frozen=True, slots=True)
class Became:
    """News: the modem's state, as operators see it."""

    state: DeviceState
    detail: str
    reason: Reason = Reason.NONE


@dataclass(frozen=True, slots=True)
class Known:
    """News: other fields of its status."""

    facts: Mapping[str, Any] = field(repr=False)


class Condition:
    """The newest snapshot; any thread may read it. changed: is called where the state, or its reason, is another."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self.now = ModemStatus(DeviceState.CLOSED)
        self._changed = changed

    def know(self, **facts: Any) -> None:
        """Other fields than the state."""
        self.now = replace(self.now, **facts)

    def become(self, state: DeviceState, detail: str = "", reason: Reason = Reason.NONE) -> None:
        if (state, detail) != (self.now.state, self.now.detail):
            self.know(state=state, detail=detail, reason=reason)
            self._changed()
