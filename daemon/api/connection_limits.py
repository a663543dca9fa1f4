"""How many connections there may be, of all and of each peer, from their accept on: a TLS handshake counts, too.

Whoever has too many loses the one that has been idle for longest to the newest. When there are too many of all, whoever
has the most does. So idle connections lock out nobody, not even their own peer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Guest:
    """A connection. idle: whether nothing is being answered on it. close: ends it."""

    origin: str
    idle: Callable[[], bool]
    close: Callable[[], object]


@dataclass(slots=True)
class ConnectionLimits:
    """Of one listener, whose connections it counts."""

    total: int
    per_origin: int
    _guests: dict[str, dict[Guest, None]] = field(default_factory=dict)  # by origin, in the order of use
    _count: int = 0

    def enter(self, guest: Guest) -> bool:
        """Let a connection in; False if there is no room and nobody idle to make some."""
        own = self._guests.get(guest.origin, {})
        if len(own) >= self.per_origin and not self._make_room(own):
            return False
        if self._count >= self.total and not self._make_room(max(self._guests.values(), key=len)):
            return False
        self._guests.setdefault(guest.origin, {})[guest] = None
        self._count += 1
        return True

    def used(self, guest: Guest) -> None:
        """Something has been answered on a connection: it is in use, idle as it may be at the moment."""
        own = self._guests.get(guest.origin, {})
        if guest in own:
            del own[guest]
            own[guest] = None

    def leave(self, guest: Guest) -> None:
        """A connection has ended; more than once does no harm."""
        own = self._guests.get(guest.origin, {})
        if guest in own:
            del own[guest]
            self._count -= 1
            if not own:
                del self._guests[guest.origin]

    def _make_room(self, guests: dict[Guest, None]) -> bool:
        idle = next((guest for guest in guests if guest.idle()), None)
        if idle is None:
            return False
        self.leave(idle)
        idle.close()
        return True
