"""The state of a modem, for operators and for the queue."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from drivers import DeviceState, ModemStatus, Reason


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
