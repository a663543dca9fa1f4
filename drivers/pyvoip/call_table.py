"""The calls of one voice driver by number, and what becomes of each should their thread be lost."""

from collections.abc import Iterator

from drivers.pyvoip.call_handle import Handle, IfLost
from drivers.pyvoip.phone_call import PhoneCall


class CallTable:
    """Belongs to the signalling thread. if_lost is a value that any thread may read."""

    def __init__(self) -> None:
        self.if_lost: tuple[IfLost, ...] = ()
        self._calls: dict[int, PhoneCall] = {}
        self._if_lost: dict[int, IfLost] = {}
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[PhoneCall]:
        """Each call that is there now; calls may come and go meanwhile."""
        return iter(list(self._calls.values()))

    def next_number(self) -> int:
        """A number that no other call has had."""
        self._numbers += 1
        return self._numbers

    def get(self, number: int) -> PhoneCall | None:
        return self._calls.get(number)

    def of(self, handle: Handle) -> list[PhoneCall]:
        """The call of a handle; none if it is over."""
        return [call for call in self if call.handle is handle]

    def add(self, call: PhoneCall) -> None:
        self._calls[call.number] = call
        self.publish(call)

    def remove(self, call: PhoneCall) -> None:
        self._calls.pop(call.number, None)
        self._if_lost.pop(call.number, None)
        self.if_lost = tuple(self._if_lost.values())

    def publish(self, call: PhoneCall) -> None:
        """Only this call has changed; one that is over changes nothing more."""
        if call.number in self._calls:
            self._if_lost[call.number] = call.if_lost
            self.if_lost = tuple(self._if_lost.values())
