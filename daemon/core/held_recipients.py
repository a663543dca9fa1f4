"""Recipients whom the network did not take: each is held by itself, longer each time, for as long as its PIN is valid.

Pure: times are arguments, monotonic seconds. One unreachable phone must not stop the messages to all others, and the
same cause from several phones in a row means the SIM or the network. While a modem has nothing else to send, a message
is tried again sooner, so that no hold outlasts its cause by much.
"""

from dataclasses import dataclass, field

from daemon.core.values import value

HOLD_S = (2.0, 4.0, 15.0, 30.0)  # after the first time, the second, ..., while other messages wait
IDLE_HOLD_S = 4.0  # at most, while none does
SEVERAL = 3  # recipients in a row
FORGOTTEN_S = 3600.0


@value
class Hold:
    """times: how often the network did not take it; at: the last time; why: what it said."""

    times: int
    at: float
    why: str

    @property
    def seconds(self) -> float:
        return HOLD_S[min(self.times, len(HOLD_S)) - 1]


@dataclass(slots=True)
class Holds:
    """By number."""

    _held: dict[str, Hold] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        """Whether any recipient may be held."""
        return bool(self._held)

    def deferred(self, number: str, now: float, why: str) -> None:
        """Hold the recipient."""
        self._held = {held: hold for held, hold in self._held.items() if hold.at > now - FORGOTTEN_S}
        before = self._held.pop(number, None)
        self._held[number] = Hold(before.times + 1 if before else 1, now, why)

    def taken(self, number: str) -> None:
        """The network took a message to it, or none waits for it any more."""
        self._held.pop(number, None)

    def hold(self, number: str) -> Hold | None:
        return self._held.get(number)

    def wait_s(self, number: str, now: float, *, idle: bool) -> float:
        """How long it is still held; 0 if it is not. idle: no other message waits."""
        hold = self._held.get(number)
        if hold is None:
            return 0.0
        seconds = min(hold.seconds, IDLE_HOLD_S) if idle else hold.seconds
        return max(hold.at + seconds - now, 0.0)
