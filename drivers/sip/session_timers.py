"""Session timers (RFC 4028): when each session that is ours to keep up is refreshed. Pure; time is an argument."""

from dataclasses import dataclass, field

from drivers.sip.call import OutgoingCall, State

GLARE_S = 3.0  # until an offer that crossed theirs is made again; 2.1 to 4 for who began the call (RFC 3261 14.1)


@dataclass(slots=True)
class SessionTimers:
    """By Call-ID; only of calls that stand."""

    _due: dict[str, float] = field(default_factory=dict)

    def plan(self, call: OutgoingCall, now: float) -> None:
        """After what may have changed who refreshes the session (7.2, 9)."""
        if call.state is not State.SPEAKING or call.dialog is None or call.dialog.refresh_s is None:
            self._due.pop(call.call_id, None)
        else:
            self._due.setdefault(call.call_id, now + call.dialog.refresh_s)

    def begin_again(self, call: OutgoingCall, now: float) -> None:
        """The session was refreshed: the interval starts again."""
        self._due.pop(call.call_id, None)
        self.plan(call, now)

    def try_again(self, call: OutgoingCall, now: float) -> None:
        """Our refreshing was not refused for good: it crossed an offer of theirs, or its connection was lost."""
        if call.state is State.SPEAKING:
            self._due[call.call_id] = now + GLARE_S

    def forget(self, call: OutgoingCall) -> None:
        self._due.pop(call.call_id, None)

    def due(self, now: float) -> list[str]:
        """The Call-IDs of the sessions to refresh now."""
        return [call_id for call_id, at in self._due.items() if now >= at]

    def deadline(self) -> float:
        return min(self._due.values(), default=float("inf"))
